"""The sweeper: releases stale claims, and sends messages for rows that are due."""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, F, OuterRef, Q

from generators import database_time
from generators.adapters.registry import list_providers
from generators.generations import ANSWER_LOST, LARGE, PERHAPS_PAID, WORKER_LOST, dispatch
from generators.models import Charge, Generation
from generators.periodic_tasks import run_if_due
from generators.providers.charges import settle_charge

log = structlog.get_logger(__name__)

Status = Generation.Status
# Messages that wait in a queue. A longer queue is not finished sooner, and each message costs about a millisecond.
SENT_AT_ONCE = 500


def sweep_if_due() -> bool:
    """Sweep once per ``SWEEP_SECONDS``. Beat's task calls this, and commands that wait, since beat may not run."""
    return run_if_due("sweep", settings.SWEEP_SECONDS, sweep)


def sweep(now: datetime | None = None) -> int:
    """Release or give up stale claims, then send messages for due rows. Returns the number of messages."""
    now = now or database_time.now()
    given_up = released = 0
    try:
        given_up, released = _release_stale_claims(now)
    finally:
        sent = dispatch_due(now)
    if given_up or released:
        log.warning("claims_expired", given_up=given_up, released=released)
    return sent


def dispatch_due(now: datetime | None = None) -> int:
    """Send messages for due rows, as many as each queue has room for. Returns the number of messages."""
    now = now or database_time.now()
    providers = Q(model__adapter__in=list_providers())
    return sum(_dispatch_due(queue, now) for queue in (providers, ~providers))


@transaction.atomic
def _dispatch_due(queue: Q, now: datetime) -> int:
    """Send messages for due rows of one queue that were not sent yet, or whose messages are probably lost.

    While workers claim rows from a queue, its messages are not lost, however long they wait. If no row was claimed for
    ``REDISPATCH_SECONDS``, they are lost, or the queue has no worker.
    """
    of_queue = Generation.objects.filter(queue)
    recently = now - timedelta(seconds=settings.REDISPATCH_SECONDS)
    lost = Q(due_at__lte=now) if not of_queue.filter(claimed_at__gt=recently).exists() else Q(pk__in=[])
    pending = of_queue.filter(status=Status.PENDING)
    room = SENT_AT_ONCE - pending.filter(~lost, sent_at__isnull=False).count()
    if room <= 0:
        return 0
    due = pending.filter(Q(sent_at__isnull=True) | lost, due_at__lte=now).order_by("due_at", "pk")
    # Locked, so that each message carries the number of attempts that the row has when it is marked as sent.
    sent = list(due.select_related("model").defer(*LARGE).select_for_update(skip_locked=True, of=("self",))[:room])
    times = {"sent_at": now, "due_at": now + timedelta(seconds=settings.REDISPATCH_SECONDS)}
    Generation.objects.filter(pk__in=[row.pk for row in sent]).update(**times)
    dispatch(sent)
    return len(sent)


def _settle_lost_call(generation: Generation, now: datetime) -> bool:
    """Settle the charge of a call whose worker was lost. If that fails, the row is tried again later."""
    try:
        with transaction.atomic():
            settle_charge(generation, None)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("charge_not_settled", generation=generation.pk)
        later = now + timedelta(seconds=settings.CLAIM_SECONDS)
        Generation.objects.filter(pk=generation.pk).update(due_at=later)
        return False
    return True


@transaction.atomic
def _release_stale_claims(now: datetime) -> tuple[int, int]:
    """Handle expired claims. Returns (rows given up, rows released)."""
    calls = Charge.objects.filter(state=Charge.State.RESERVED, generation=OuterRef("pk"))
    all_expired = Generation.objects.overdue(now).filter(status=Status.RUNNING)
    lost_calls = [
        generation
        for generation in all_expired.filter(Exists(calls)).select_for_update(skip_locked=True)
        if _settle_lost_call(generation, now)
    ]
    given_up = Generation.objects.filter(pk__in=[row.pk for row in lost_calls]).update(
        status=Status.FAILED,
        reason=ANSWER_LOST,
        message=f"The worker was lost after it had called the provider. {PERHAPS_PAID}",
        finished_at=now,
    )
    expired = all_expired.filter(~Exists(calls))
    given_up += expired.filter(failures__gte=settings.MAX_ATTEMPTS - 1).update(
        status=Status.FAILED,
        failures=F("failures") + 1,
        reason=WORKER_LOST,
        message=f"Workers claimed this {settings.MAX_ATTEMPTS} times; each was lost or ran out of time.",
        finished_at=now,
    )
    released = expired.update(status=Status.PENDING, failures=F("failures") + 1, due_at=now, sent_at=None)
    return given_up, released
