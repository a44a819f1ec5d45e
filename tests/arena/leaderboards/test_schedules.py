"""Rating schedules: one task a board, a rest after each rating, and a board that fails does not stop the others."""

from datetime import timedelta
from typing import Any

import pytest

from arena import tasks
from arena.leaderboards import schedules
from arena.models import Board, Leaderboard, RatingSchedule
from tests import builders
from tests.clock import Clock, shift_clock
from tests.concurrency import run_at_once, wait_until


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The messages that were sent."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, **options: messages.append(options))
    return messages


def deliver(sent: list[dict[str, Any]]) -> list[int]:
    """Run the task of each message. Returns the boards."""
    boards = [message["args"][0] for message in sent]
    sent.clear()
    for board in boards:
        tasks.rate_board(board)
    return boards


def test_each_board_has_a_task_of_its_own_in_the_queue_for_ratings(board: Board, sent, settings) -> None:
    other = builders.make_board()
    settings.RATING_CLAIM_SECONDS = 77
    tasks.rate_boards()
    assert {message["args"] for message in sent} == {(board.pk,), (other.pk,)}
    assert {(message["queue"], message["time_limit"]) for message in sent} == {("rating", 77)}
    deliver(sent)
    assert set(Leaderboard.objects.values_list("board", flat=True)) == {board.pk, other.pk}
    assert set(RatingSchedule.objects.values_list("claimed_at", "sent_at", "failures", "error")) == {
        (None, None, 0, "")
    }


def test_a_board_that_raises_keeps_its_reason_and_the_others_are_rated(
    board: Board, sent, clock: Clock, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = builders.make_board()
    rate = schedules.rate_board

    def fail(rated: Board) -> None:
        if rated == board:
            raise ZeroDivisionError("the counts are damaged")
        rate(rated)

    monkeypatch.setattr(schedules, "rate_board", fail)
    pauses = []
    for failures in range(1, 12):
        tasks.rate_boards()
        rated = deliver(sent)
        assert board.pk in rated
        schedule = RatingSchedule.objects.get(board=board)
        assert (schedule.failures, schedule.error) == (failures, "ZeroDivisionError: the counts are damaged")
        pauses.append((schedule.due_at - clock.now).total_seconds())
        clock.advance(pauses[-1] + settings.RATING_SECONDS)
    assert pauses[:3] == [40, 80, 160]
    assert max(pauses) == pauses[-1] == schedules.LONGEST_PAUSE
    assert Leaderboard.objects.filter(board=good).exists()

    monkeypatch.setattr(schedules, "rate_board", rate)
    tasks.rate_boards()
    deliver(sent)
    schedule.refresh_from_db()
    assert (schedule.failures, schedule.error, schedule.rated_at) == (0, "", clock.now)


def test_a_board_rests_for_a_multiple_of_the_time_that_its_rating_took(
    board: Board, sent, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules.time, "monotonic", lambda: clock.read().timestamp())
    monkeypatch.setattr(schedules, "rate_board", lambda board: clock.advance(80))
    tasks.rate_boards()
    deliver(sent)
    assert RatingSchedule.objects.get().seconds == pytest.approx(80)
    for _ in range(int(5 * 80 / 20) - 1):
        clock.advance(20)
        tasks.rate_boards()
    assert not sent
    clock.advance(20)
    tasks.rate_boards()
    assert deliver(sent) == [board.pk]


def test_a_broker_that_fails_only_delays_the_ratings(
    board: Board, clock: Clock, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_board()

    def refuse(*args: Any, **options: Any) -> None:
        raise ConnectionError("the broker is away")

    with monkeypatch.context() as away:
        away.setattr("celery.current_app.send_task", refuse)
        with pytest.raises(ConnectionError):
            tasks.rate_boards()
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, **options: sent.append(options))
    clock.advance(settings.REDISPATCH_SECONDS)
    tasks.rate_boards()
    assert len(deliver(sent)) == 2
    assert Leaderboard.objects.count() == 2


def test_copies_of_a_message_do_nothing(board: Board, sent, clock: Clock, settings) -> None:
    tasks.rate_boards()
    clock.advance(settings.REDISPATCH_SECONDS)
    tasks.rate_boards()  # nothing took the first message
    first, second = (message["args"][0] for message in sent)
    tasks.rate_board(first)
    rated_at = RatingSchedule.objects.get().rated_at
    clock.advance(1)
    tasks.rate_board(second)
    assert RatingSchedule.objects.get().rated_at == rated_at


@pytest.mark.django_db(transaction=True)
def test_a_board_is_never_rated_by_two_workers_at_once(sent, monkeypatch: pytest.MonkeyPatch) -> None:
    board = builders.make_board()
    tasks.rate_boards()
    began: list[int] = []

    def rate(rated: Board) -> None:
        began.append(rated.pk)
        wait_until(lambda: schedules.RatingSchedule.objects.get().claimed_at, "the claim is seen")

    monkeypatch.setattr(schedules, "rate_board", rate)
    run_at_once([lambda: tasks.rate_board(board.pk)] * 3)
    assert began == [board.pk]


def test_the_claim_of_a_lost_worker_expires_with_a_reason(board: Board, sent, clock: Clock, settings) -> None:
    class Killed(BaseException):
        pass

    def die(board: Board) -> None:
        raise Killed

    tasks.rate_boards()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedules, "rate_board", die)
        with pytest.raises(Killed):
            deliver(sent)
    clock.advance(settings.RATING_CLAIM_SECONDS - 1)
    tasks.rate_boards()
    assert RatingSchedule.objects.get().claimed_at
    clock.advance(settings.RATING_SECONDS)
    tasks.rate_boards()
    schedule = RatingSchedule.objects.get()
    assert (schedule.claimed_at, schedule.failures) == (None, 1)
    assert "PARAGONE_RATING_CLAIM_SECONDS" in schedule.error
    clock.advance(3600)
    tasks.rate_boards()
    assert deliver(sent) == [board.pk]
    assert Leaderboard.objects.exists()


@pytest.mark.parametrize("shift", [-7.0, 7.0, 3600.0])
def test_a_worker_with_a_wrong_clock_rates(board: Board, sent, monkeypatch: pytest.MonkeyPatch, shift: float) -> None:
    tasks.rate_boards()
    with monkeypatch.context() as wrong:
        shift_clock(wrong, shift)
        deliver(sent)
    assert Leaderboard.objects.exists()
    RatingSchedule.objects.update(due_at=RatingSchedule.objects.get().rated_at - timedelta(seconds=1))
    with monkeypatch.context() as wrong:
        shift_clock(wrong, shift)
        schedules.dispatch_ratings()
    assert len(sent) == 1
