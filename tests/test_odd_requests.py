"""Odd requests: NUL characters, text that is not UTF-8, and impossible values, in every part of every address."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver

from arena.leaderboards.snapshots import rate_board
from arena.models import Board, Rater, Vote
from arena.urls import urlpatterns
from evaluation.runs import lifecycle
from generators.models import Generation, Provider
from tests import builders
from tests.evaluation.shades import shades, write_suite

__all__ = ["shades"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shades")]

NAMES = {pattern.name for pattern in urlpatterns}
# The fields of each form. A test checks that no other address takes forms.
FORMS: dict[str, dict[str, str]] = {
    "vote": {"winner": "tie", "how": "key", "seconds_shown": "3"},
    "report_problem": {"reason": "broken"},
    "rater_prompt": {"prompt": "a red boat"},
    "call_again": {},
    "login": {"username": "op", "password": "wrong", "next": "/"},
    "logout": {"next": "/"},
}
# As they are written in an address or a form.
NUL = ["%00", "tie%00", "a%00b"]
NOT_UTF8 = ["%FF", "caf%E9", "%ED%A0%80", "%F4%90%80%80"]
# The same in a form without percent signs. Django would read the second as Latin-1.
RAW = ["a\0b", "caf\udce9"]
IMPOSSIBLE = ["9" * 30, "9" * 5000, "-1", "..%2F..", "%0D%0AX:%20y", "\u0660"]


@pytest.fixture
def parts(board: Board, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A value of each argument that names something real."""
    monkeypatch.setattr("celery.current_app.send_task", lambda *args, **kwargs: None)
    board.rater_prompts = Board.RaterPrompts.COUNTED
    board.save()
    vote = builders.make_vote(board)
    rate_board(board)
    run = lifecycle.start(write_suite(tmp_path), builders.make_model(adapter="scripted"), commit="abcdef")
    # Two tables with one number.
    pk = vote.battle.generation_a_id
    Provider.objects.create(pk=pk, slug="scripted", host="scripted.example")
    return {
        "slug": board.slug,
        "kind": "json",
        "token": vote.battle.token,
        "side": "a",
        "number": 1,
        "pk": pk,
        "key": run.key,
    }


@pytest.fixture
def visitor(db: None, settings: Any) -> Client:
    """A browser on a public arena. Errors of the server are answers."""
    settings.PUBLIC = True
    return Client(raise_request_exception=False)


@pytest.fixture
def operator(visitor: Client) -> Client:
    visitor.force_login(User.objects.create_user("op", is_staff=True))
    return visitor


def list_paths(name: str) -> Iterator[tuple[str, list[str]]]:
    """Every form of an address, and the names of its arguments."""
    for [(path, arguments)], *_ in get_resolver().reverse_dict.getlist(name):
        yield "/" + path, arguments


def get(client: Client, path: str) -> int:
    return int(client.get(path).status_code)


def post(client: Client, path: str, body: str = "") -> int:
    return int(
        client.generic(
            "POST", path, body.encode(errors="surrogateescape"), "application/x-www-form-urlencoded"
        ).status_code
    )


def test_every_form_is_known(parts: dict[str, Any], operator: Client) -> None:
    paths = {name: path % parts for name in NAMES for path, _ in list_paths(name)}
    taking = {name for name, path in paths.items() if "POST" in operator.put(path).get("Allow", "")}
    assert {*taking, "login"} == FORMS.keys()


def test_odd_argument_is_not_found(parts: dict[str, Any], operator: Client) -> None:
    answers = {}
    for path, argument in {
        (path, argument) for name in NAMES for path, names in list_paths(name) for argument in names
    }:
        for odd in (*NUL, *NOT_UTF8, *IMPOSSIBLE):
            wanted = {404} if odd in NUL else {302, 403, 404, 405}
            for value in (odd, f"{parts[argument]}{odd}"):
                changed = path % {**parts, argument: value}
                answers |= {
                    ("GET", changed, *wanted): get(operator, changed),
                    ("POST", changed, *wanted): post(operator, changed),
                }
    assert {asked: status for asked, status in answers.items() if status not in asked[2:]} == {}
    assert len(answers) > 1000


def test_odd_query_is_refused(parts: dict[str, Any], operator: Client) -> None:
    paths = {path % parts for name in NAMES for path, _ in list_paths(name)}
    queries = [
        query.format(odd) for odd in (*NUL, *NOT_UTF8) for query in ("page={}", "metric={0}&next={0}", "{}=1", "{}")
    ]
    asked = [f"{path}?{query}" for path in paths for query in queries]
    assert [path for path in asked if get(operator, path) != 400 or post(operator, path) != 400] == []


def test_odd_form_is_refused_and_nothing_is_stored(parts: dict[str, Any], operator: Client) -> None:
    before = Vote.objects.count(), Rater.objects.count(), Generation.objects.count()
    answers = {}
    for name, fields in FORMS.items():
        for path, _ in list_paths(name):
            for odd in (*NUL, *NOT_UTF8, *RAW):
                forms = [{**fields, field: odd} for field in (*fields, "other")] + [{**fields, odd: "1"}]
                for form in forms:
                    body = "&".join(f"{key}={value}" for key, value in form.items())
                    answers[name, body] = post(operator, path % parts, body)
    assert {asked: status for asked, status in answers.items() if status != 400} == {}
    assert (Vote.objects.count(), Rater.objects.count(), Generation.objects.count()) == before


@pytest.mark.parametrize("odd", ["a\0b", "caf\udce9"])
def test_odd_multipart_form_is_refused_or_its_odd_parts_are_dropped(visitor: Client, odd: str) -> None:
    def send(name: str, value: str, more: str = "") -> int:
        body = f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n--x--\r\n'
        content = body.encode(errors="surrogateescape")
        return int(visitor.generic("POST", "/sign-in/", content, "multipart/form-data; boundary=x").status_code)

    assert send("username", odd) == 400
    # Django drops parts and names of files that it cannot read; then the form has no such field.
    assert send("username", "op", f'; filename="{odd}"') == 200
    assert send(odd, "op") in {200, 400}


@pytest.mark.parametrize(
    "cookie", ["sessionid", "csrftoken", "paragone_rater", "paragone_known_browser", "of_another_site"]
)
@pytest.mark.parametrize("value", ["abcdefgh\\000", "\\377\\000abcdefgh", "caf\\351", "\\"])
def test_odd_cookie_is_no_cookie(visitor: Client, board: Board, cookie: str, value: str) -> None:
    header = {"HTTP_COOKIE": f'{cookie}="{value}"'}
    assert visitor.get("/", **header).status_code == 200
    assert visitor.get(f"{board.get_absolute_url()}battle/", **header).status_code == 302
    assert visitor.post("/sign-in/", {"username": "op", "password": "wrong"}, **header).status_code == 200


def test_refusal_says_what_is_wrong(visitor: Client) -> None:
    page = visitor.get("/?page=%00")
    assert "The address has a NUL character. Nothing was saved. Go back and try again." in page.content.decode()
    assert "default-src" in page["Content-Security-Policy"]
    fragment = visitor.post(
        "/sign-in/", "username=%FF", "application/x-www-form-urlencoded", headers={"HX-Request": "true"}
    )
    assert "The form is not UTF-8." in fragment.content.decode()
    assert "<html" not in fragment.content.decode()


def test_text_of_every_script_is_no_odd_text(visitor: Client) -> None:
    for text in ("\u6df7\u5143", "caf\u00e9", "\U0001f99c", "\u0627\u200d", "\u202e", "\ufeff", "\uffff", "\ufffd"):
        assert visitor.get("/", {"q": text}).status_code == 200
        assert post(visitor, "/sign-in/", urlencode({"username": text, "password": text})) == 200


def test_odd_address_of_the_page_behind_a_request_is_ignored(visitor: Client, settings: Any, board: Board) -> None:
    settings.PUBLIC = False
    for page in ("http://[", "http://testserver/%00", "//", "\x00", "http://testserver:port/"):
        headers = {"HX-Request": "true", "HX-Current-URL": page}
        answer = visitor.get(f"{board.get_absolute_url()}battle/", headers=headers)
        assert (answer.status_code, answer["HX-Redirect"][:15]) == (200, "/sign-in/?next=")
