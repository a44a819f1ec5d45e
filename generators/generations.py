"""Generations: requested, dispatched, retried. Only this module and ``generators.workers`` change their state.

(``generators.imports`` creates rows that are finished from the start.)

::

    PENDING -> RUNNING -> OK
       ^          |-----> REFUSED | FAILED
       '----------'  claim expired, or transient error: a bounded number of times

The row is the truth; a message in the broker only points at it. The sweeper re-sends lost messages, and a duplicate
finds nothing to claim. A claim carries the number of its attempt, so a worker whose claim has expired changes nothing.

A worker claims other rows along with the first one if its adapter can draw them in the same call. A paid call is
recorded as a Charge before it is made, and a call that may have been paid is never repeated.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction

from generators import database_time
from generators.adapters.registry import is_provider
from generators.models import Budget, Generation, GenerationQuerySet, ImageModel, Prompt

log = structlog.get_logger(__name__)

Status = Generation.Status
# Reasons of failure beside the outcomes that an adapter reports.
WORKER_LOST = "worker_lost"  # the claim expired too often
ANSWER_LOST = "answer_lost"  # the worker was lost during a paid call
BUDGET = "budget"  # the call might have exceeded a budget, so it was not made
PERHAPS_PAID = (
    "The image may have been drawn and billed, so the call is not repeated automatically."
    " Run paragone retry_generations to request it again."
)


def request_generations(
    wanted: Iterable[tuple[ImageModel, Prompt, int]], *, width: int, height: int, budget: Budget | None = None
) -> list[Generation]:
    """Find or create the generations of (model, prompt, seed). New ones are dispatched on commit.

    Args:
        wanted: Models, prompts and seeds, in the order in which they are to be drawn.
        width: Pixels of new generations.
        height: Pixels of new generations.
        budget: Pays for new generations, if given.

    Returns:
        One generation per entry, in the same order.
    """
    wanted = list(wanted)
    fields = {"width": width, "height": height, "budget": budget, **dispatch_times()}
    rows = [Generation(model=model, prompt=prompt, seed=seed, **fields) for model, prompt, seed in wanted]
    keys = [(model.pk, prompt.pk, seed) for model, prompt, seed in wanted]
    found = _find(keys)
    if missing := {key: row for key, row in zip(keys, rows, strict=True) if key not in found}:
        # Always in the same order, or two transactions that insert the same rows could deadlock.
        in_order = sorted(missing.values(), key=lambda row: (row.seed, row.prompt_id, row.model_id))
        Generation.objects.bulk_create(in_order, ignore_conflicts=True)
        found |= _find(list(missing))
        dispatch(found[key] for key in missing)
    return [found[key] for key in keys]


def _find(keys: list[tuple[int, int, int]]) -> dict[tuple[int, int, int], Generation]:
    model_ids, prompt_ids, seeds = map(set, zip(*keys, strict=True)) if keys else (set(), set(), set())
    rows = Generation.objects.filter(model__in=model_ids, prompt__in=prompt_ids, seed__in=seeds)
    return {(row.model_id, row.prompt_id, row.seed): row for row in rows.select_related("model", "prompt")}


def dispatch_times() -> dict[str, datetime]:
    """The fields ``sent_at`` and ``due_at`` of a row that is dispatched now."""
    now = database_time.now()
    return {"sent_at": now, "due_at": now + timedelta(seconds=settings.REDISPATCH_SECONDS)}


def dispatch(generations: Iterable[Generation]) -> None:
    """Send a message for each row once the transaction commits.

    If the broker is unreachable, the error is logged. The rows stay PENDING and the sweeper sends their messages later.
    """
    messages = [
        ((generation.pk, generation.attempts), "api" if is_provider(generation.model.adapter) else "gpu")
        for generation in generations
    ]

    def send() -> None:
        for arguments, queue in messages:
            # The worker ends a drawing that exceeds its claim, and can take the next one.
            current_app.send_task("generators.produce", args=arguments, queue=queue, time_limit=settings.CLAIM_SECONDS)

    transaction.on_commit(send, robust=True)


def retry_generations(ended: GenerationQuerySet) -> int:
    """Request refused and failed generations again, and return how many. Earlier charges stay.

    Only people decide this; workers never repeat a call that may have been paid.
    """
    with transaction.atomic():
        ended = ended.filter(status__in=[Status.REFUSED, Status.FAILED], imported_from="")
        again = list(ended.select_related("model").order_by("pk"))
        rows = Generation.objects.filter(pk__in=[row.pk for row in again], status__in=[Status.REFUSED, Status.FAILED])
        rows.update(status=Status.PENDING, failures=0, finished_at=None, **dispatch_times())
        dispatch(again)
    return len(again)
