"""Error pages: what happened and what to do. They reveal nothing about a battle."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.BAD_REQUEST, "This request could not be read", "Go back and try again.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.FORBIDDEN, "Not allowed", "Your account may not see this page.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(
        request,
        HTTPStatus.FORBIDDEN,
        "This form has expired",
        "Nothing was saved. Allow cookies for this site, reload the page and try again.",
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(
        request,
        HTTPStatus.NOT_FOUND,
        "Page not found",
        "The address may be old or mistyped. Start from the list of boards.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    return _page(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something went wrong on the server",
        "The error has been logged. If you were voting, go back and vote again: a vote that was stored stands.",
    )


def _page(request: HttpRequest, status: HTTPStatus, title: str, sentence: str) -> HttpResponse:
    # After an early failure, the middleware that sets request.htmx has not run.
    template = "arena/_problem.html" if request.headers.get("HX-Request") else "arena/problem.html"
    return render(request, template, {"title": title, "sentence": sentence}, status=status)
