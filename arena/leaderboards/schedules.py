"""Rating schedules: each board is rated by a task of its own, and rests for a multiple of the time that it took.

A board whose rating fails keeps its reason and is tried again after growing pauses; the other boards do not notice. The
row is the truth: a message only points at it, and a duplicate finds nothing to claim.
"""

import time
from datetime import timedelta
from functools import partial

import structlog
from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.models import F

from arena.leaderboards.snapshots import rate_board
from arena.models import Board, RatingSchedule
from generators import database_time
from generators.providers.redaction import redact
from generators.workers.shutdown import holding

log = structlog.get_logger(__name__)

# A board rests this many times the duration of its last rating, so that ratings take a sixth of a worker at most.
REST = 5
# Seconds. The pause after a failed rating doubles up to this one.
LONGEST_PAUSE = 3600.0


def dispatch_ratings() -> int:
    """Send a message for each board that is due, and give up claims of lost workers. Returns the number of messages."""
    known = RatingSchedule.objects.values("board")
    now = database_time.now()
    RatingSchedule.objects.bulk_create(
        [RatingSchedule(board=board, due_at=now) for board in Board.objects.exclude(pk__in=known)],
        ignore_conflicts=True,
    )
    due = RatingSchedule.objects.filter(due_at__lte=now)
    for schedule in due.filter(claimed_at__isnull=False):
        _note_failure(schedule, "The worker was lost, or the rating took longer than PARAGONE_RATING_CLAIM_SECONDS.")
    waiting = list(due.filter(claimed_at=None).order_by("due_at").values_list("pk", flat=True))
    again_at = now + timedelta(seconds=settings.REDISPATCH_SECONDS)
    RatingSchedule.objects.filter(pk__in=waiting, claimed_at=None).update(sent_at=now, due_at=again_at)
    for board_id in waiting:
        # The time limit ends the process, and the claim expires with it.
        current_app.send_task(
            "arena.rate_board", args=(board_id,), queue="rating", time_limit=settings.RATING_CLAIM_SECONDS
        )
    return len(waiting)


def rate_scheduled(board_id: int) -> None:
    """Rate the board if its rating is due and no other worker is at it."""
    schedule = _claim(board_id)
    if schedule is None:
        return
    started = time.monotonic()
    try:
        with holding(partial(_give_back, schedule)):
            rate_board(schedule.board)
    except Exception as error:
        log.exception("rating_failed", board=schedule.board.slug)
        # A rating can outlast its connection.
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        _note_failure(schedule, f"{type(error).__name__}: {error}")
        return
    seconds = time.monotonic() - started
    now = database_time.now()
    _settle(
        schedule,
        rated_at=now,
        seconds=seconds,
        due_at=now + timedelta(seconds=REST * seconds),
        failures=0,
        error="",
    )


def _claim(board_id: int) -> RatingSchedule | None:
    now = database_time.now()
    until = now + timedelta(seconds=settings.RATING_CLAIM_SECONDS)
    sent = RatingSchedule.objects.filter(pk=board_id, claimed_at=None, sent_at__isnull=False)
    if not sent.update(claimed_at=now, due_at=until):
        return None
    return RatingSchedule.objects.select_related("board").get(pk=board_id)


def _give_back(schedule: RatingSchedule) -> None:
    """Give the claim back, because this worker stops."""
    _settle(schedule, due_at=database_time.now())


def _note_failure(schedule: RatingSchedule, error: str) -> None:
    pause = min(settings.RATING_SECONDS * 2.0 ** min(schedule.failures + 1, 20), LONGEST_PAUSE)
    due_at = database_time.now() + timedelta(seconds=pause)
    _settle(schedule, due_at=due_at, failures=F("failures") + 1, error=redact(error)[:2000])


def _settle(schedule: RatingSchedule, **changes: object) -> None:
    """Give the claim back and change the schedule, if the claim is still this one."""
    held = RatingSchedule.objects.filter(pk=schedule.pk, claimed_at=schedule.claimed_at)
    if not held.update(claimed_at=None, sent_at=None, **changes):
        log.warning("rating_claim_lost", board=schedule.pk)
