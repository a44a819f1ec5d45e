"""Delays between sign-in attempts: they double with each failure of an account or of a network.

An attempt is counted before the password is verified, so that parallel attempts gain nothing. Unknown account names are
treated like known ones. A browser that has signed in to an account before has a counter of its own, so that others'
failures do not lock its owner out.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from arena.models import SignInFailures

# One failure is forgiven for each quarter of an hour without another. The longest delay is as long, so that attempts
# without end come to four an hour.
FORGIVEN_AFTER: Final = timedelta(minutes=15)
LONGEST_DELAY: Final = FORGIVEN_AFTER
# By then, every counter is back at zero: delays stop growing ten failures after the limit.
KEEP_FAILURES: Final = timedelta(days=7)


@dataclass(frozen=True)
class Counter:
    """Failures of one subject. After ``n_free`` failures, further attempts are delayed."""

    subject: str
    n_free: int


def account_counter(name: str) -> Counter:
    return Counter(_hash("account", name), settings.SIGN_IN_FAILURES)


def network_counter(network: str) -> Counter:
    return Counter(_hash("network", network), settings.NETWORK_SIGN_IN_FAILURES)


def browser_counter(name: str, token: str) -> Counter:
    """The counter of a browser that signed in to this account before."""
    return Counter(_hash("browser", f"{token} {name}"), settings.SIGN_IN_FAILURES)


def make_browser_token() -> str:
    return secrets.token_urlsafe(16)


def begin_attempt(counters: Sequence[Counter]) -> int:
    """Count an attempt, as failed until it succeeds. Returns 0, or the seconds to wait: then nothing was counted."""
    counters = [counter for counter in counters if counter.n_free]
    with transaction.atomic():
        rows = [_lock(counter) for counter in counters]
        now = timezone.now()
        wait = max(
            (_find_wait(row, counter, now) for row, counter in zip(rows, counters, strict=True)), default=timedelta(0)
        )
        if wait > timedelta(0):
            return ceil(wait.total_seconds())
        for row in rows:
            row.n_failures = _forgive(row, now) + 1
            row.newest_at = now
            row.save()
    return 0


def forget_failures(counter: Counter) -> int:
    """Reset a counter after a success, or by hand. Returns the number of failures that it held."""
    rows = SignInFailures.objects.filter(pk=counter.subject)
    n_failures = sum(_forgive(row, timezone.now()) for row in rows)
    rows.update(n_failures=0)  # not deleted: another attempt may be about to lock it
    return n_failures


def forget_one(counter: Counter) -> None:
    """Take back the attempt that begin_attempt counted."""
    SignInFailures.objects.filter(pk=counter.subject, n_failures__gt=0).update(n_failures=F("n_failures") - 1)


def list_expired_failures() -> QuerySet[SignInFailures]:
    """Counters that retention deletes."""
    return SignInFailures.objects.filter(newest_at__lt=timezone.now() - KEEP_FAILURES)


def _lock(counter: Counter) -> SignInFailures:
    SignInFailures.objects.get_or_create(pk=counter.subject, defaults={"newest_at": timezone.now()})
    return SignInFailures.objects.select_for_update().get(pk=counter.subject)


def _forgive(row: SignInFailures, now: datetime) -> int:
    """The failures that are not forgiven yet."""
    return max(0, row.n_failures - max(0, (now - row.newest_at) // FORGIVEN_AFTER))


def _find_wait(row: SignInFailures, counter: Counter, now: datetime) -> timedelta:
    over = _forgive(row, now) - counter.n_free
    if over < 0:
        return timedelta(0)
    return row.newest_at + min(timedelta(seconds=2 ** min(over, 20)), LONGEST_DELAY) - now


def _hash(kind: str, value: str) -> str:
    return salted_hmac("arena.raters.sign_in", f"{kind} {value}", algorithm="sha256").hexdigest()[:32]
