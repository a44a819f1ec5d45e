"""The signed cookie by which a browser is known. It holds a random key; a Rater with it exists after the first vote."""

import uuid
from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

NAME = "paragone_rater"
ONE_YEAR = 365 * 24 * 3600

Response = TypeVar("Response", bound=HttpResponseBase)


def read_rater_key(request: HttpRequest) -> uuid.UUID | None:
    """The key in the cookie, or None when there is none or it is not ours."""
    value = request.get_signed_cookie(NAME, default=None, max_age=ONE_YEAR)
    return uuid.UUID(value) if value else None


def write_rater_key(response: Response, key: uuid.UUID) -> Response:
    response.set_signed_cookie(NAME, str(key), max_age=ONE_YEAR, httponly=True, samesite="Lax", secure=settings.HTTPS)
    return response
