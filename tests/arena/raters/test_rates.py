"""Rates of events: limits within any hour, all or none of several, and concurrent requests."""

from datetime import timedelta

import pytest

from arena.models import RateCount
from arena.raters.rates import Rate, RateExceededError, list_expired_counts, say_wait, take
from tests.clock import Clock
from tests.concurrency import run_at_once

pytestmark = pytest.mark.django_db


def make_rate(most: int, *, scope: str = "votes", subject: str = "ada", minutes: int = 60) -> Rate:
    return Rate(scope, subject, most, timedelta(minutes=minutes))


def take_until_full(*some: Rate) -> int:
    """How many events the rates let through now."""
    for n_taken in range(1000):
        try:
            take(some)
        except RateExceededError:
            return n_taken
    raise AssertionError("no limit")


def test_a_rate_lets_its_number_through(clock: Clock) -> None:
    assert take_until_full(make_rate(3)) == 3
    assert take_until_full(make_rate(3, subject="grace")) == 3
    assert take_until_full(make_rate(3, scope="openings")) == 3
    assert take_until_full(make_rate(5)) == 2


def test_zero_is_no_limit(clock: Clock) -> None:
    for _ in range(5):
        take([make_rate(0)])
    assert not RateCount.objects.exists()


@pytest.mark.parametrize("offset", [0, 1, 150, 299])
def test_no_hour_holds_more_than_the_limit(clock: Clock, offset: int) -> None:
    # From any second of a bucket: full at once, and again as soon as there is room.
    clock.now = clock.now.replace(minute=0, second=0, microsecond=0) + timedelta(seconds=3590 + offset)
    taken = []
    for _ in range(150):
        taken += [clock.now] * take_until_full(make_rate(4))
        clock.advance(60)
    hour = timedelta(hours=1)
    assert max(sum(first <= at < first + hour for at in taken) for first in taken) == 4
    assert len(taken) >= 12


def test_retry_after_is_when_there_is_room(clock: Clock) -> None:
    rate = make_rate(4)
    for _ in range(4):
        take([rate])
        clock.advance(400)
    with pytest.raises(RateExceededError) as exceeded:
        take([rate])
    clock.advance(exceeded.value.retry_after - 2)
    with pytest.raises(RateExceededError):
        take([rate])
    clock.advance(2)
    take([rate])
    # If a limit was lowered, several events have to leave.
    with pytest.raises(RateExceededError) as lowered:
        take([make_rate(1)])
    assert lowered.value.retry_after > exceeded.value.retry_after


def test_a_burst_and_an_hour_share_their_events(clock: Clock) -> None:
    burst, hour = make_rate(2, minutes=5), make_rate(5)
    assert take_until_full(burst, hour) == 2
    clock.advance(660)
    assert take_until_full(burst, hour) == 2
    clock.advance(660)
    assert take_until_full(burst, hour) == 1


def test_all_rates_count_or_none(clock: Clock) -> None:
    narrow, wide = make_rate(1), make_rate(5, scope="openings")
    assert take_until_full(narrow, wide) == 1
    assert take_until_full(wide) == 4


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_take_exactly_the_limit(clock: Clock) -> None:
    shared, own = make_rate(5), [make_rate(9, scope="own", subject=str(n)) for n in range(12)]
    answers = run_at_once([lambda rate=rate: take([rate, shared]) for rate in own])
    assert sum(answer is None for answer in answers) == 5, answers
    assert sum(isinstance(answer, RateExceededError) for answer in answers) == 7, answers
    assert RateCount.objects.get(scope="votes").count == 5
    assert RateCount.objects.filter(scope="own").count() == 5


def test_counts_older_than_a_day_expire(clock: Clock) -> None:
    take([make_rate(3)])
    clock.advance(24 * 3600)
    assert not list_expired_counts().exists()
    clock.advance(301)
    take([make_rate(3, subject="grace")])
    assert [row.subject for row in list_expired_counts()] == ["ada"]
    list_expired_counts().delete()
    assert RateCount.objects.get().subject == "grace"


def test_waits_are_said_in_words() -> None:
    said = [say_wait(seconds) for seconds in (1, 59, 60, 61, 720)]
    assert said == ["a second", "59 seconds", "a minute", "2 minutes", "12 minutes"]
