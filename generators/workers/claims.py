"""Claims on generations: a worker takes a row, and with it the rows that its adapter can draw in the same call."""

import random
import time
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from generators.adapters.base import AdapterError
from generators.adapters.registry import find_capabilities, is_provider
from generators.models import Generation, GenerationQuerySet
from generators.providers import circuit_breaker

Status = Generation.Status
# However long a provider's server asks to be left alone, the next attempt is due by then.
LONGEST_DELAY = 24 * 3600.0
# How often a worker waits for its turn at a provider before it puts the row off: others may be quicker.
TURNS_WAITED = 5


def put_off_if_paused(generation: Generation) -> bool:
    """Whether the provider is not to be called now. The row then waits, and no attempt was made."""
    adapter = generation.model.adapter
    wait = circuit_breaker.find_wait(adapter) if is_provider(adapter) else 0.0
    for _ in range(TURNS_WAITED):
        if 0 < wait <= settings.SWEEP_SECONDS:
            # The row would not be back sooner.
            time.sleep(wait)
            wait = circuit_breaker.find_wait(adapter)
    if wait > 0:
        # Not all at the same moment.
        due_at = timezone.now() + timedelta(seconds=spread(min(wait, LONGEST_DELAY)))
        as_it_was = Generation.objects.filter(pk=generation.pk, status=Status.PENDING, attempts=generation.attempts)
        as_it_was.update(due_at=due_at, sent_at=None)
    return wait > 0


@transaction.atomic
def claim_rows(waiting: GenerationQuerySet) -> list[Generation]:
    """Take these rows, which the query locks."""
    now = timezone.now()
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
    """Rows that wait for the same model and can be drawn in the same call."""
    try:
        capable = find_capabilities(first.model.adapter, first.model.settings)
    except AdapterError:
        return []  # which the drawing will find, too, and say
    # What failed before is tried alone: it may be what the others failed by.
    if capable.max_batch == 1 or first.failures:
        return []
    alike = Generation.objects.filter(
        model=first.model_id, status=Status.PENDING, failures=0, width=first.width, height=first.height
    )
    if not capable.mixes_prompts or first.prompt.sources:
        alike = alike.filter(prompt=first.prompt_id)
    else:
        alike = alike.filter(prompt__sources=[])
    # What somebody else holds is passed over: nobody waits for company.
    return claim_rows(alike.order_by("pk").select_for_update(skip_locked=True)[: capable.max_batch - 1])


def spread(seconds: float) -> float:
    """Up to a quarter more, so that those who wait do not all come back together."""
    return seconds * random.uniform(1.0, 1.25)
