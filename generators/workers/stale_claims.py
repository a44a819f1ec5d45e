"""What workers left behind: claims that ran out, and rows that nobody was told of, or whose message is lost."""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from generators.adapters.registry import list_providers
from generators.generations import ANSWER_LOST, PERHAPS_PAID, WORKER_LOST, dispatch
from generators.models import Charge, Generation, GenerationQuerySet
from generators.providers.charges import settle_charge

log = structlog.get_logger(__name__)

Status = Generation.Status
# A sweep sends at most this many messages: a queue that is full of them is no sooner done.
SWEEP_BATCH = 500


def sweep(now: datetime | None = None) -> int:
    """Put overdue claims back (or give them up), tell workers of what is due; the number of messages sent."""
    now = now or timezone.now()
    given_up, put_back = _sweep_claims(now)
    sent = _send_undispatched(now)
    if given_up or put_back:
        log.warning("claims_expired", given_up=given_up, put_back=put_back)
    return sent


@transaction.atomic
def _send_undispatched(now: datetime) -> int:
    # Locked, so that each message carries the number of attempts that the row has when it is marked as sent.
    undispatched = _find_undispatched(now).select_related("model").select_for_update(skip_locked=True, of=("self",))
    sent = list(undispatched.order_by("due_at")[:SWEEP_BATCH])
    told = {"sent_at": now, "due_at": now + timedelta(seconds=settings.REDISPATCH_SECONDS)}
    Generation.objects.filter(pk__in=[row.pk for row in sent]).update(**told)
    dispatch(sent)
    return len(sent)


def _find_undispatched(now: datetime) -> GenerationQuerySet:
    """Waiting rows that workers are to be told of, for the first time or again.

    As long as workers take rows from a queue, its messages are there, and a row that waits long has many before it. To
    send its message again at each turn would pile up messages by the million. Only where rows wait and nobody has taken
    one for a while, messages are lost, or there is no worker.
    """
    providers = Q(model__adapter__in=list_providers())
    recently = Generation.objects.filter(claimed_at__gt=now - timedelta(seconds=settings.REDISPATCH_SECONDS))
    lost = Q(pk__in=[])
    for queue in (providers, ~providers):
        if not recently.filter(queue).exists():
            lost |= queue
    waiting = Generation.objects.overdue(now).filter(status=Status.PENDING)
    return waiting.filter(Q(sent_at__isnull=True) | lost)


@transaction.atomic
def _sweep_claims(now: datetime) -> tuple[int, int]:
    """(rows given up, rows put back) of the claims that ran out."""
    calls = Charge.objects.filter(state=Charge.State.RESERVED, generation=OuterRef("pk"))
    all_expired = Generation.objects.overdue(now).filter(status=Status.RUNNING)
    lost_calls = list(all_expired.filter(Exists(calls)).select_for_update(skip_locked=True))
    for generation in lost_calls:
        settle_charge(generation, None)
    given_up = Generation.objects.filter(pk__in=[row.pk for row in lost_calls]).update(
        status=Status.FAILED,
        reason=ANSWER_LOST,
        message=f"A worker was lost after the provider had been called. {PERHAPS_PAID}",
        finished_at=now,
    )
    expired = all_expired.filter(~Exists(calls))
    given_up += expired.filter(failures__gte=settings.MAX_ATTEMPTS - 1).update(
        status=Status.FAILED,
        failures=F("failures") + 1,
        reason=WORKER_LOST,
        message=f"A worker took this {settings.MAX_ATTEMPTS} times and was lost, or ran out of time, each time.",
        finished_at=now,
    )
    put_back = expired.update(status=Status.PENDING, failures=F("failures") + 1, due_at=now, sent_at=None)
    return given_up, put_back
