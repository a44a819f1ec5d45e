"""The life of a Generation: asked for, claimed, drawn, stored. Its state changes here, and in ``sweeping.py`` alone.

(``imports.py`` writes rows that are finished from the start: images that were made elsewhere.)

::

    PENDING -> RUNNING -> OK
       ^          |-----> REFUSED | FAILED
       '----------'  claim ran out, or an error that may pass: a bounded number of times

A message in the broker is only a hint to look at a row; the row is the truth. A lost message is sent again by the
sweeper, a doubled one finds nothing to claim. A claim carries the number of its attempt, so a worker that comes back
after its claim ran out changes nothing.

A worker that claims one row takes others along that its adapter can draw in the same call. Where the call costs money,
a Charge is written down before it: a call that may have been paid is never made again.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from generators.adapters.registry import is_provider
from generators.models import Budget, Generation, GenerationQuerySet, ImageModel, Prompt

log = structlog.get_logger(__name__)

Status = Generation.Status
# Reasons beside the outcomes that an adapter can report: a worker that never came back; one that was lost after a paid
# call had begun; a call that was not made because it might have passed a budget.
WORKER_LOST = "worker_lost"
ANSWER_LOST = "answer_lost"
BUDGET = "budget"
PERHAPS_PAID = (
    "The image may have been drawn, and paid for, so the call is not made again by itself;"
    " paragone retry_generations asks for it once more."
)


def request_generations(
    wanted: Iterable[tuple[ImageModel, Prompt, int]], *, width: int, height: int, budget: Budget | None = None
) -> list[Generation]:
    """The generations of (model, prompt, seed), made and dispatched where they do not exist yet.

    In the order asked for. The worker hears of new ones when the surrounding transaction commits. What the new ones
    cost is paid from ``budget``, where there is one.
    """
    wanted = list(wanted)
    asked = {"width": width, "height": height, "budget": budget, **dispatch_times()}
    rows = [Generation(model=model, prompt=prompt, seed=seed, **asked) for model, prompt, seed in wanted]
    keys = [(model.pk, prompt.pk, seed) for model, prompt, seed in wanted]
    found = _find(keys)
    if missing := {key: row for key, row in zip(keys, rows, strict=True) if key not in found}:
        # Everyone inserts in one order, or two transactions that want the same rows wait for each other.
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
    """What a row that is being dispatched says of it."""
    now = timezone.now()
    return {"sent_at": now, "due_at": now + timedelta(seconds=settings.REDISPATCH_SECONDS)}


def dispatch(generations: Iterable[Generation]) -> None:
    """Tell the workers about these rows once the transaction commits. A broker that is away loses nothing."""
    hints = [
        (
            (generation.pk, generation.attempts),
            "api" if is_provider(generation.model.adapter) else "gpu",
        )
        for generation in generations
    ]

    def send() -> None:
        for hint, queue in hints:
            # A drawing that outlives its claim is ended, so that its worker is there for the next one.
            current_app.send_task("generators.produce", args=hint, queue=queue, time_limit=settings.CLAIM_SECONDS)

    # robust: an unreachable broker is logged; the row stays PENDING and the sweeper sends it later.
    transaction.on_commit(send, robust=True)


def retry_generations(ended: GenerationQuerySet) -> int:
    """Ask again for those of the given generations that ended without an image; the number asked for again.

    What has been charged for them stays charged: this is somebody's decision, never a worker's.
    """
    with transaction.atomic():
        ended = ended.filter(status__in=[Status.REFUSED, Status.FAILED], imported_from="")
        again = list(ended.select_related("model").order_by("pk"))
        rows = Generation.objects.filter(pk__in=[row.pk for row in again], status__in=[Status.REFUSED, Status.FAILED])
        rows.update(status=Status.PENDING, failures=0, finished_at=None, **dispatch_times())
        dispatch(again)
    return len(again)
