"""Rotation of the secret key: cookies and sessions under the old key stay valid, and are renewed under the new one."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from arena.models import Board
from tests.arena.test_settings import run

OLD, NEW = "the old key, long enough to sign with it", "the new key, long enough to sign with it"
COOKIE = "paragone_rater"
READ = "from django.conf import settings; print(settings.SECRET_KEY_FALLBACKS)"


def rotate(settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]


@pytest.fixture(autouse=True)
def _old_key(settings: Any) -> None:
    settings.SECRET_KEY = OLD


def open_page(client: Client, board: Board) -> str:
    """The rater's cookie as the page sets it, signature included."""
    return client.get(reverse("open_battle", args=[board.slug]), follow=True).cookies[COOKIE].value


def read_cookie(value: str) -> str | None:
    """The rater in a cookie; None if its signature is not valid."""
    request = HttpRequest()
    request.COOKIES[COOKIE] = value
    return request.get_signed_cookie(COOKIE, default=None)


def test_a_rater_stays_the_same_and_the_next_visit_signs_the_cookie_with_the_new_key(
    client: Client, board: Board, settings: Any
) -> None:
    before = open_page(client, board)
    rater = read_cookie(before)
    rotate(settings)
    after = open_page(client, board)
    settings.SECRET_KEY_FALLBACKS = []
    assert rater
    assert read_cookie(after) == rater
    assert read_cookie(before) is None
    assert read_cookie(open_page(client, board)) == rater, "the old key is not needed any more"


def test_without_the_old_key_a_rater_is_a_new_one(client: Client, board: Board, settings: Any) -> None:
    rater = read_cookie(open_page(client, board))
    settings.SECRET_KEY = NEW
    other = read_cookie(open_page(client, board))
    assert rater
    assert other
    assert other != rater


def test_a_session_lives_on_and_is_renewed(client: Client, db: None, settings: Any) -> None:
    client.force_login(User.objects.create_user("operator", is_staff=True))
    rotate(settings)
    assert client.get(reverse("providers")).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get(reverse("providers")).status_code == 200


@pytest.mark.parametrize(
    ("given", "read"), [("", []), ("one", ["one"]), (" one , two,, ", ["one", "two"])], ids=["none", "one", "several"]
)
def test_old_keys_are_read_from_a_list_and_an_empty_one_is_never_a_key(
    tmp_path: Path, given: str, read: list[str]
) -> None:
    (tmp_path / "keys").write_text(f"{given}\n")
    assert run(READ, PARAGONE_SECRET_KEY_FALLBACKS=given) == str(read)
    assert run(READ, PARAGONE_SECRET_KEY_FALLBACKS_FILE=str(tmp_path / "keys")) == str(read)
