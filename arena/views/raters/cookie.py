"""The signed cookie that identifies a browser by a random key. The Rater with that key is created at the first vote."""

import uuid
from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

NAME = "paragone_rater"
ONE_YEAR = 365 * 24 * 3600

Response = TypeVar("Response", bound=HttpResponseBase)


def read_rater_key(request: HttpRequest) -> uuid.UUID | None:
    """The key in the cookie, or None if there is none or its signature is invalid."""
    value = request.get_signed_cookie(NAME, default=None, max_age=ONE_YEAR)
    return uuid.UUID(value) if value else None


def write_rater_key(response: Response, key: uuid.UUID) -> Response:
    response.set_signed_cookie(NAME, str(key), max_age=ONE_YEAR, httponly=True, samesite="Lax", secure=settings.HTTPS)
    return response
