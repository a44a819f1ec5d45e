"""Rates of events, counted in the database: at most so many of a kind for each subject within any hour or few minutes.

Events are counted in buckets of five minutes. A window includes every bucket that it touches, so that a limit holds for
any hour, also across full hours; in return a place becomes free up to five minutes late.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from math import ceil
from operator import or_
from typing import Final

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from arena.models import RateCount

BUCKET: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
KEEP_COUNTS: Final = timedelta(days=1)

# Buckets with their counts, by scope and subject.
Counts = dict[tuple[str, str], dict[int, int]]


@dataclass(frozen=True)
class Rate:
    """At most ``most`` events of the kind ``scope`` by ``subject`` within any ``window``. ``most`` 0: no limit."""

    scope: str
    subject: str
    most: int
    window: timedelta = HOUR


class RateExceededError(Exception):
    """A rate is at its limit, and has room again after ``retry_after`` seconds."""

    def __init__(self, rate: Rate, retry_after: int) -> None:
        super().__init__(f"{rate.scope}: at most {rate.most} within {rate.window}")
        self.rate = rate
        self.retry_after = retry_after


def take(rates: Sequence[Rate]) -> None:
    """Count one event in all ``rates``; in none of them if one is at its limit.

    Exact among concurrent requests: the rows stay locked until the caller's transaction ends.

    Raises:
        RateExceededError: Nothing was counted.
    """
    rates = [rate for rate in rates if rate.most]
    now = timezone.now().timestamp()
    before = _read(rates, now)
    for rate in rates:
        _expect_room(rate, before, now)
    if not rates:
        return
    with transaction.atomic():
        # Among requests that read the same counts above, each gets its own number here.
        for (scope, subject), number in _count_up({(rate.scope, rate.subject) for rate in rates}, now).items():
            before[scope, subject][_bucket(now)] = number - 1
        for rate in rates:
            _expect_room(rate, before, now)


def say_wait(seconds: int) -> str:
    """ "8 seconds", "a minute" or "12 minutes"."""
    if seconds < 60:
        return "a second" if seconds == 1 else f"{seconds} seconds"
    minutes = ceil(seconds / 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def list_expired_counts() -> QuerySet[RateCount]:
    """Counts that retention deletes: older than every window."""
    return RateCount.objects.filter(bucket__lt=_bucket((timezone.now() - KEEP_COUNTS).timestamp()))


def _bucket(timestamp: float) -> int:
    return int(timestamp // BUCKET.total_seconds())


def _read(rates: Sequence[Rate], now: float) -> Counts:
    counts: Counts = defaultdict(dict)
    wanted = [
        Q(scope=rate.scope, subject=rate.subject, bucket__gte=_bucket(now - rate.window.total_seconds()))
        for rate in rates
    ]
    if wanted:
        rows = RateCount.objects.filter(reduce(or_, wanted))
        for scope, subject, bucket, number in rows.values_list("scope", "subject", "bucket", "count"):
            counts[scope, subject][bucket] = number
    return counts


def _expect_room(rate: Rate, counts: Counts, now: float) -> None:
    """Raises RateExceededError if the window already has ``rate.most`` events."""
    window = rate.window.total_seconds()
    buckets = {b: n for b, n in counts[rate.scope, rate.subject].items() if b >= _bucket(now - window)}
    left = sum(buckets.values())
    if left < rate.most:
        return
    free_at = now
    for bucket in sorted(buckets):
        left -= buckets[bucket]
        free_at = (bucket + 1) * BUCKET.total_seconds() + window
        if left < rate.most:
            break
    raise RateExceededError(rate, max(1, ceil(free_at - now)))


def _count_up(subjects: set[tuple[str, str]], now: float) -> dict[tuple[str, str], int]:
    """Add one event for each (scope, subject). Returns the new counts of the current bucket."""
    # In one order, so that concurrent requests wait for each other instead of deadlocking.
    rows = [(scope, subject, _bucket(now)) for scope, subject in sorted(subjects)]
    values = ", ".join(["(%s, %s, %s, 1)"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO arena_ratecount (scope, subject, bucket, count) VALUES {values}"  # noqa: S608
            " ON CONFLICT (scope, subject, bucket) DO UPDATE SET count = arena_ratecount.count + 1"
            " RETURNING scope, subject, count",
            [field for row in rows for field in row],
        )
        return {(scope, subject): number for scope, subject, number in cursor.fetchall()}
