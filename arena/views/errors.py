"""Error pages: what happened and what to do. They reveal nothing about a battle."""

import sqlite3
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import structlog
from django.core.exceptions import BadRequest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from generators.images.originals import StorageError

log = structlog.get_logger(__name__)

# Seconds, while the images cannot be read.
RETRY_AFTER: Final = "30"
# The SQLSTATE of PostgreSQL.
DISK_FULL: Final = "53100"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    # Other exceptions may be worded for developers.
    reason = f"{exception} " if type(exception) is BadRequest else ""
    return _page(request, HTTPStatus.BAD_REQUEST, "This request could not be read", f"{reason}Go back and try again.")


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


class StorageErrorMiddleware:
    """Answers 503 where a page needs an image while the disk or the bucket fails, or the database's disk is full.

    No battle ends because of it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, StorageError):
            title = "The images cannot be read at the moment"
        elif isinstance(exception, OperationalError) and _is_disk_full(exception):
            title = "The server has no space left"
        else:
            return None
        log.error("storage_unavailable", reason=str(exception))
        sentence = "Nothing that was stored is lost. Try again in a minute."
        response = _page(request, HTTPStatus.SERVICE_UNAVAILABLE, title, sentence)
        response["Retry-After"] = RETRY_AFTER
        return response


def _is_disk_full(error: OperationalError) -> bool:
    """Whether the database could not write because its disk is full."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or getattr(error.__cause__, "sqlstate", "") == DISK_FULL


def _page(request: HttpRequest, status: HTTPStatus, title: str, sentence: str) -> HttpResponse:
    # After an early failure, the middleware that sets request.htmx has not run.
    template = "arena/_problem.html" if request.headers.get("HX-Request") else "arena/problem.html"
    return render(request, template, {"title": title, "sentence": sentence}, status=status)
