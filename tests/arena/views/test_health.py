"""Health checks, and the access, headers and logs of every page."""

import json
import logging
import uuid

from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver, reverse

from arena import checks, tasks
from arena.models import Board
from arena.views import health
from generators.workers.stale_claims import sweep_if_due
from tests import builders
from tests.clock import Clock, shift_clock


def test_a_running_process_is_healthy(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_readyz_lists_each_part(client: Client, db: None) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    parts = {"database": "ok", "broker": "ok", "media": "ok"}
    assert response.json() == {"status": "ready", **parts, "sweep": "late: never", "rating": "never"}


def test_readyz_names_the_part_that_fails(client: Client, db: None, settings, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    settings.MEDIA_ROOT = tmp_path / "file" / "media"
    monkeypatch.setattr(health, "broker_fault", lambda: "OperationalError")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["broker"] == "OperationalError"
    assert response.json()["media"] == "NotADirectoryError"
    assert response.json()["database"] == "ok"


def test_a_disk_without_space_is_not_ready(client: Client, db: None, settings) -> None:
    settings.MIN_FREE_MB = 10**12
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["media"].endswith(" MB free, 1000000000000 MB wanted")


def test_readyz_knows_the_last_sweep_and_rating(
    client: Client, board: Board, clock: Clock, monkeypatch, settings
) -> None:
    monkeypatch.setattr("celery.current_app.send_task", lambda *args, **options: None)
    sweep_if_due()
    tasks.rate_boards()
    tasks.rate_board(board.pk)
    clock.advance(3)
    body = client.get("/readyz").json()
    assert (body["status"], body["sweep"], body["rating"]) == ("ready", "3 s ago", f"3 s ago, board {board.slug}")
    clock.advance(597)
    response = client.get("/readyz")
    assert response.status_code == 200, "the site still takes votes"
    assert response.json()["sweep"] == "late: 600 s ago"
    assert response.json()["rating"] == f"late: 600 s ago, board {board.slug}"


def test_ages_are_by_the_clock_of_the_database(client: Client, board: Board, monkeypatch) -> None:
    sweep_if_due()
    shift_clock(monkeypatch, 3600)
    assert not client.get("/readyz").json()["sweep"].startswith("late")


def test_a_reachable_broker_has_no_error() -> None:
    assert checks.broker_fault() == ""


def test_every_page_requires_sign_in_unless_it_opts_out(settings, client: Client, board: Board) -> None:
    settings.PUBLIC = False
    token = builders.make_battle(board).token
    open_to_all = {"login", "healthz", "readyz", "robots"}
    arguments = {
        "slug": board.slug,
        "token": token,
        "side": "a",
        "kind": "csv",
        "number": 2,
        "pk": 1,
        "key": uuid.UUID(int=1),
    }
    for pattern in get_resolver().url_patterns:
        given = {name: arguments[name] for name in pattern.pattern.converters} or {
            name: arguments[name] for name in pattern.pattern.regex.groupindex
        }
        response = client.get(reverse(pattern.name, kwargs=given))
        if pattern.name in open_to_all:
            assert response.status_code in {200, 503}, pattern.name
        else:
            assert response.status_code == 302, pattern.name
            assert response["Location"].startswith("/sign-in/"), pattern.name


def test_a_page_whose_rater_was_signed_out_is_left_and_shown_again_afterwards(
    settings, client: Client, board: Board
) -> None:
    settings.PUBLIC = False
    token = builders.make_battle(board).token
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver/battles/{token}/"}
    response = client.post(reverse("vote", args=[token]), {"winner": "tie"}, headers=headers)
    assert response["HX-Redirect"] == f"/sign-in/?next=/battles/{token}/"
    foreign = headers | {"HX-Current-URL": "https://elsewhere.example/battles/"}
    response = client.post(reverse("vote", args=[token]), {"winner": "tie"}, headers=foreign)
    assert response["HX-Redirect"] == "/sign-in/?next=/"


def test_signed_in_users_can_vote(settings, client: Client, board: Board) -> None:
    settings.PUBLIC = False
    User.objects.create_user("ada", password="a long enough password")
    form = {"username": "ada", "password": "wrong"}
    assert b"The name or the password is wrong" in client.post("/sign-in/", form).content
    page = client.post("/sign-in/?next=/", {"username": "ada", "password": "a long enough password"}, follow=True)
    assert b"Sign out" in page.content
    assert client.get(reverse("open_battle", args=[board.slug]), follow=True).status_code == 200


def test_a_public_arena_needs_no_account(settings, client: Client, board: Board) -> None:
    settings.PUBLIC = True
    assert client.get(reverse("open_battle", args=[board.slug]), follow=True).status_code == 200


def test_every_page_has_a_content_security_policy(client: Client, board: Board) -> None:
    for address in ("/", board.get_absolute_url(), reverse("open_battle", args=[board.slug]), "/nowhere"):
        response = client.get(address)
        policy = response["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert b"<script>" not in response.content
        assert b" style=" not in response.content
        assert b"<style" not in response.content
        assert b"http://" not in response.content.replace(b"http://www.w3.org/", b"")
        assert b"https://" not in response.content


def test_a_missing_page_says_what_to_do(client: Client, db: None) -> None:
    response = client.get(f"/battles/{uuid.uuid4()}/")
    assert response.status_code == 404
    assert b"Start from the list of boards" in response.content
    fragment = client.get("/nowhere", headers={"HX-Request": "true"})
    assert b"<html" not in fragment.content


def test_a_server_error_page_reveals_no_details(monkeypatch, board: Board) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("arena.battles.opening.open_battle", fail)
    response = Client(raise_request_exception=False).get(reverse("open_battle", args=[board.slug]), follow=True)
    assert response.status_code == 500
    assert b"a vote that was stored stands" in response.content
    assert b"hunter2" not in response.content


def test_logs_have_a_request_id_and_no_ip_address(client: Client, db: None, caplog) -> None:
    caplog.set_level(logging.INFO, logger="django_structlog")
    client.get("/", headers={"X-Request-ID": "forged"}, REMOTE_ADDR="203.0.113.9")
    events = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    finished = next(event for event in events if event["event"] == "request_finished")
    assert {event["request_id"] for event in events} == {str(uuid.UUID(finished["request_id"]))}
    assert finished["code"] == 200
    assert "203.0.113.9" not in json.dumps(events, default=str)
