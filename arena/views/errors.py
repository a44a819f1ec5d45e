"""Pages for what went wrong: a sentence that says what is so and what to do. None says anything of a battle."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.BAD_REQUEST, "This request could not be read", "Go back and try again.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.FORBIDDEN, "Not allowed", "Your account has no right to see this page.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(
        request,
        HTTPStatus.FORBIDDEN,
        "This form is no longer valid",
        "Nothing was counted. Cookies must be allowed for this site. Open the page again and answer once more.",
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(
        request,
        HTTPStatus.NOT_FOUND,
        "There is nothing here",
        "The address may be old or mistyped. Start at the boards.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    return _page(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something broke on our side",
        "It was written to the log. No vote was lost; try again in a moment.",
    )


def _page(request: HttpRequest, status: HTTPStatus, title: str, sentence: str) -> HttpResponse:
    # The middleware that sets request.htmx may not have run when the failure is an early one.
    template = "arena/_problem.html" if request.headers.get("HX-Request") else "arena/problem.html"
    return render(request, template, {"title": title, "sentence": sentence}, status=status)
