"""The page of the background work."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from arena import tasks
from arena.leaderboards import schedules
from arena.models import Board, FailedSafetyCheck
from evaluation.models import Run
from generators import database_time
from generators.models import PeriodicTask
from tests import builders


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_user("operator", is_staff=True))
    return client


def test_it_is_for_staff_only(client: Client, board: Board) -> None:
    client.force_login(User.objects.create_user("ada"))
    assert client.get("/status/").status_code == 403


def test_it_says_what_was_put_aside_and_why(
    operator: Client, board: Board, monkeypatch: pytest.MonkeyPatch, settings
) -> None:
    def fail(board: Board) -> None:
        raise ZeroDivisionError("the counts are damaged")

    monkeypatch.setattr(schedules, "rate_board", fail)
    monkeypatch.setattr("celery.current_app.send_task", lambda *args, **options: None)
    tasks.rate_boards()
    tasks.rate_board(board.pk)
    PeriodicTask.objects.create(name="sweep", started_at=database_time.now(), error="OperationalError: no connection")
    now = database_time.now()
    FailedSafetyCheck.objects.create(battle=builders.make_battle(board), failures=2, due_at=now, error="out of memory")
    message = "The scoring is tried again every 60 s. The disk is away."
    Run.objects.create(suite="smoke", model=builders.make_model(), spec={}, status=Run.Status.SCORING, message=message)
    settings.MIN_FREE_MB = 10**12
    page = operator.get("/status/").content.decode()
    for text in (
        board.slug,
        "ZeroDivisionError: the counts are damaged",
        "OperationalError: no connection",
        "out of memory",
        message,
        "less than the 1,000,000,000,000 MB wanted",
    ):
        assert text in page


def test_a_new_arena_says_what_to_start(operator: Client) -> None:
    page = operator.get("/status/").content.decode()
    assert "Are a worker of the queue" in page
    assert "ZeroDivisionError" not in page
