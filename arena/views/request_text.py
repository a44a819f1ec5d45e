"""Text of requests: refused if it has a NUL character, which PostgreSQL cannot store or compare, or is not UTF-8."""

import re
from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.request import UnreadablePostError

# Django reads bytes that are not UTF-8 as U+FFFD, the replacement character. Halves of surrogate pairs are such bytes.
_UNREADABLE: Final = re.compile("[\0\ufffd\ud800-\udfff]")


class RequestTextMiddleware:
    """Answers 404 for such text in a path, and 400 in a query or form. Cookies with a NUL character are dropped.

    Cookies of other sites on the host may have any text, so they are not refused.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _UNREADABLE.search(request.path_info):
            raise Http404("The path has a NUL character, or is not UTF-8.")
        _check(request.GET, "The address")
        for name in [name for name, value in request.COOKIES.items() if "\0" in name + value]:
            del request.COOKIES[name]
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: Any, kwargs: Any) -> None:
        try:
            _check(request.POST, "The form")
        except UnreadablePostError as error:
            raise BadRequest("The form did not arrive completely.") from error


def _check(fields: QueryDict, place: str) -> None:
    texts = (text for name, values in fields.lists() for text in (name, *values))
    if found := next(filter(None, map(_UNREADABLE.search, texts)), None):
        fault = "has a NUL character" if found[0] == "\0" else "is not UTF-8"
        raise BadRequest(f"{place} {fault}. Nothing was saved.")
