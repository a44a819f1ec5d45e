"""Claims: a worker claims a generation, together with others that its adapter can draw in the same call."""

import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef

from generators import database_time
from generators.adapters.base import AdapterError
from generators.adapters.registry import find_capabilities
from generators.models import Charge, Generation, GenerationQuerySet
from generators.providers import circuit_breaker
from generators.providers.servers import find_server

Status = Generation.Status
# Seconds. The next attempt is due by then, however long a Retry-After of a provider is.
LONGEST_DELAY = 24 * 3600.0
# A worker waits this often for its turn at a server, since other workers may take it. Then it puts the row off.
MAX_WAITS = 5


def put_off_if_paused(generation: Generation) -> bool:
    """Put the row off if its server must not be called now, without counting an attempt.

    A wait shorter than the sweeper's interval is waited for here: the row would not come back sooner.

    Returns:
        Whether the row was put off.
    """
    server = find_server(generation.model)
    wait = circuit_breaker.find_wait(server) if server else 0.0
    for _ in range(MAX_WAITS):
        if server and 0 < wait <= settings.SWEEP_SECONDS:
            time.sleep(wait)
            wait = circuit_breaker.find_wait(server)
    if wait > 0:
        unchanged = Generation.objects.filter(pk=generation.pk, status=Status.PENDING, attempts=generation.attempts)
        unchanged.update(due_at=find_due_time(wait), sent_at=None)
    return wait > 0


@transaction.atomic
def claim_rows(waiting: GenerationQuerySet) -> list[Generation]:
    """Claim the rows of a query, which locks them. Returns the claimed rows with their models and prompts."""
    now = database_time.now()
    pks = [row.pk for row in waiting.only("pk")]
    Generation.objects.filter(pk__in=pks, status=Status.PENDING).update(
        status=Status.RUNNING,
        attempts=F("attempts") + 1,
        claimed_at=now,
        due_at=now + timedelta(seconds=settings.CLAIM_SECONDS),
    )
    claimed = Generation.objects.filter(pk__in=pks, status=Status.RUNNING, claimed_at=now)
    return list(claimed.select_related("model", "prompt").order_by("pk"))


def claim_batch(first: Generation) -> list[Generation]:
    """Claim pending rows that can be drawn in the same call as ``first``."""
    try:
        capable = find_capabilities(first.model.adapter, first.model.settings)
    except AdapterError:
        return []  # drawing ``first`` raises the same error and records it
    # A row that failed before is drawn alone: it might make the others fail.
    if capable.max_batch == 1 or first.failures:
        return []
    alike = Generation.objects.filter(
        model=first.model_id, status=Status.PENDING, failures=0, width=first.width, height=first.height
    )
    if not capable.mixes_prompts or first.prompt.sources:
        alike = alike.filter(prompt=first.prompt_id)
    else:
        alike = alike.filter(prompt__sources=[])
    # Rows that another worker has locked are skipped: a batch does not wait to be full.
    return claim_rows(alike.order_by("pk").select_for_update(skip_locked=True)[: capable.max_batch - 1])


def give_back(batch: Sequence[Generation]) -> None:
    """Make claimed rows PENDING again without counting the attempt, because this worker stops.

    A paid call in progress keeps its claim: it is not repeated, whatever becomes of its answer.
    """
    in_progress = Charge.objects.filter(state=Charge.State.RESERVED, generation=OuterRef("pk"))
    for row in batch:
        with transaction.atomic():
            if lock_claim(row):
                Generation.objects.filter(~Exists(in_progress), pk=row.pk).update(
                    status=Status.PENDING, attempts=F("attempts") - 1, due_at=database_time.now(), sent_at=None
                )


def lock_claim(generation: Generation) -> bool:
    """Lock the row until the end of the transaction. Returns False if it is not claimed for this attempt any more."""
    held = Generation.objects.filter(pk=generation.pk, status=Status.RUNNING, attempts=generation.attempts)
    return held.select_for_update(no_key=True).only("pk").first() is not None


def find_due_time(delay: float) -> datetime:
    """The time after ``delay`` seconds, up to 25 % later at random, so that rows do not all come back at once."""
    delay = min(max(0.0, delay), LONGEST_DELAY)  # in this order, NaN becomes 0
    return database_time.now() + timedelta(seconds=delay * random.uniform(1.0, 1.25))
