"""Periodic tasks: beat sends a message for each of them, and a row in the database decides whether it is due.

A message may come late, twice, or after a thousand others: the first one within a period runs the task, and the others
find that it is not due. So neither a second beat nor a worker with a wrong clock does any harm.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import DatabaseError
from django.db.models import F, Q

from generators import database_time
from generators.models import PeriodicTask
from generators.providers.redaction import redact

RETRY_AFTER: Final = timedelta(hours=1)


def run_if_due(name: str, seconds: float, work: Callable[[], object]) -> bool:
    """Run ``work`` if the task did not start within the last ``seconds``, or failed an hour ago.

    Returns whether it ran. An exception of ``work`` is kept in the task's row and raised.
    """
    if not _take(name, seconds):
        return False
    task = PeriodicTask.objects.filter(pk=name)
    try:
        work()
    except Exception as error:
        with suppress(DatabaseError):
            task.update(error=redact(f"{type(error).__name__}: {error}")[:2000])
        raise
    task.update(succeeded_at=database_time.now(), error="")
    return True


def _take(name: str, seconds: float) -> bool:
    PeriodicTask.objects.get_or_create(name=name)
    now = database_time.now()
    # Messages do not come at exact intervals, so one that is early by less than half an interval counts.
    latest = now - timedelta(seconds=seconds - min(seconds, settings.LONGEST_BEAT_SECONDS) / 2)
    # If the last start is in the future, the clock of the database was set back.
    impossible = now + timedelta(seconds=settings.LONGEST_BEAT_SECONDS)
    due = Q(started_at=None) | Q(started_at__lte=latest) | Q(started_at__gt=impossible)
    # A daily task whose worker was lost, or which failed, does not wait for the next day.
    due |= Q(started_at__lte=now - RETRY_AFTER) & (Q(succeeded_at=None) | Q(succeeded_at__lt=F("started_at")))
    return bool(PeriodicTask.objects.filter(due, pk=name).update(started_at=now))
