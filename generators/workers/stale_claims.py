"""Recovery of stuck generations: releases stale claims and re-sends lost dispatch messages."""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, F, OuterRef, Q

from generators import database_time
from generators.adapters.registry import list_providers
from generators.generations import ANSWER_LOST, PERHAPS_PAID, WORKER_LOST, dispatch
from generators.models import Charge, Generation, GenerationQuerySet
from generators.periodic_tasks import run_if_due
from generators.providers.charges import settle_charge

log = structlog.get_logger(__name__)

Status = Generation.Status
# Messages per sweep. A longer queue is not finished sooner.
SWEEP_BATCH = 500


def sweep_if_due() -> bool:
    """Sweep once per ``SWEEP_SECONDS``. Beat's task calls this, and commands that wait, since beat may not run."""
    return run_if_due("sweep", settings.SWEEP_SECONDS, sweep)


def sweep(now: datetime | None = None) -> int:
    """Release or give up stale claims, then send messages for undispatched rows. Returns the number of messages."""
    now = now or database_time.now()
    given_up = released = 0
    try:
        given_up, released = _release_stale_claims(now)
    finally:
        sent = _send_undispatched(now)
    if given_up or released:
        log.warning("claims_expired", given_up=given_up, released=released)
    return sent


@transaction.atomic
def _send_undispatched(now: datetime) -> int:
    # Locked, so that each message carries the number of attempts that the row has when it is marked as sent.
    undispatched = _find_undispatched(now).select_related("model").select_for_update(skip_locked=True, of=("self",))
    sent = list(undispatched.order_by("due_at")[:SWEEP_BATCH])
    times = {"sent_at": now, "due_at": now + timedelta(seconds=settings.REDISPATCH_SECONDS)}
    Generation.objects.filter(pk__in=[row.pk for row in sent]).update(**times)
    dispatch(sent)
    return len(sent)


def _find_undispatched(now: datetime) -> GenerationQuerySet:
    """Due rows whose message was not sent yet, or is probably lost.

    While workers claim rows from a queue, its messages are not lost; a row that waits has many before it, and sending
    it again at every sweep would pile up millions of messages. Messages are sent again only for a queue from which no
    row was claimed for ``REDISPATCH_SECONDS``: its messages are lost, or it has no worker.
    """
    providers = Q(model__adapter__in=list_providers())
    recently = Generation.objects.filter(claimed_at__gt=now - timedelta(seconds=settings.REDISPATCH_SECONDS))
    lost = Q(pk__in=[])
    for queue in (providers, ~providers):
        if not recently.filter(queue).exists():
            lost |= queue
    waiting = Generation.objects.overdue(now).filter(status=Status.PENDING)
    return waiting.filter(Q(sent_at__isnull=True) | lost)


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
