"""Text of requests: refused if it has a NUL character, which PostgreSQL cannot store or compare, or is not UTF-8.

Django would replace bytes that are not UTF-8, or read them as Latin-1.
"""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from django.core.exceptions import BadRequest
from django.core.handlers.wsgi import get_bytes_from_wsgi
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

URL_ENCODED: Final = "application/x-www-form-urlencoded"
# What Django makes of bytes that are not UTF-8 in a form of several parts.
REPLACEMENT: Final = "\ufffd"
NOT_UTF8: Final = "{} is not UTF-8. Nothing was saved."


class RequestTextMiddleware:
    """Answers 404 for such text in a path, and 400 in a query or form. Cookies with a NUL character are dropped.

    Cookies of other sites on the host may have any text, so they are not refused.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Django keeps the escapes of bytes that are not UTF-8, which no address has.
        if "\0" in request.path_info:
            raise Http404("The path has a NUL character.")
        _check(unquote_to_bytes(get_bytes_from_wsgi(request.META, "QUERY_STRING", "")), "The address")
        for name in [name for name, value in request.COOKIES.items() if "\0" in name + value]:
            del request.COOKIES[name]
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: Any, kwargs: Any) -> None:
        try:
            form = request.POST
        except UnreadablePostError as error:
            raise BadRequest("The form did not arrive completely.") from error
        if request.method == "POST" and request.content_type == URL_ENCODED:
            _check(unquote_to_bytes(request.body), "The form")
            return
        texts = "".join(text for name, values in form.lists() for text in (name, *values))
        if REPLACEMENT in texts:
            raise BadRequest(NOT_UTF8.format("The form"))
        _check(texts.encode(), "The form")


def _check(text: bytes, place: str) -> None:
    try:
        has_nul = "\0" in text.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(NOT_UTF8.format(place)) from error
    if has_nul:
        raise BadRequest(f"{place} has a NUL character. Nothing was saved.")
