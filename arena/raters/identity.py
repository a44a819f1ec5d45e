"""Identity of raters: the key of the person behind a request. The Rater with that key is created at the first vote.

A signed-in account has a key of its own, so that deleting cookies or using two browsers gives no second vote. Anyone
else is known by a random key in a signed cookie.
"""

import uuid
from typing import Final, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

COOKIE: Final = "paragone_rater"
ONE_YEAR: Final = 365 * 24 * 3600
# Never change it: every account would become a new rater.
ACCOUNTS: Final = uuid.UUID("6f0d9c52-52a4-4c5e-9a3f-0d2b6a1f7c84")

Response = TypeVar("Response", bound=HttpResponseBase)


def read_rater_key(request: HttpRequest) -> uuid.UUID | None:
    """The key of the signed-in account, or the key in the cookie. None without both, or with an invalid signature."""
    if request.user.is_authenticated:
        return find_account_key(request.user.pk)
    value = request.get_signed_cookie(COOKIE, default=None, max_age=ONE_YEAR)
    return uuid.UUID(value) if value else None


def find_account_key(user_id: int) -> uuid.UUID:
    """The key of an account."""
    return uuid.uuid5(ACCOUNTS, str(user_id))


def has_account(rater_key: uuid.UUID) -> bool:
    """Whether this is the key of an account. Keys in cookies are random: version 4."""
    return rater_key.version == 5


def write_rater_key(request: HttpRequest, response: Response, key: uuid.UUID) -> Response:
    """Set the cookie with this key, or renew it for another year. An account needs none."""
    if not request.user.is_authenticated:
        response.set_signed_cookie(
            COOKIE, str(key), max_age=ONE_YEAR, httponly=True, samesite="Lax", secure=settings.HTTPS
        )
    return response
