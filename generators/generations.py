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

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain
from operator import itemgetter

import structlog
from celery import current_app
from django.conf import settings
from django.db import connection, transaction

from generators import database_time
from generators.adapters.registry import is_provider
from generators.models import Budget, Generation, GenerationQuerySet, ImageModel, Prompt

log = structlog.get_logger(__name__)

Status = Generation.Status
BATCH = 500
# Columns that grow with an adapter's answer, and are read when they are used.
LARGE = ("reported", "provenance", "message")
# Reasons of failure beside the outcomes that an adapter reports.
WORKER_LOST = "worker_lost"  # the claim expired too often
ANSWER_LOST = "answer_lost"  # the worker was lost during a paid call
BUDGET = "budget"  # the call might have exceeded a budget, so it was not made
# Reasons why a model without an adapter has no image. An import replaces such rows.
NOT_IMPORTED = "not_imported"  # no manifest named it
UNUSABLE_FILE = "unusable_file"  # the file that a manifest named is missing or is not an image
WITHOUT_IMPORT = (NOT_IMPORTED, UNUSABLE_FILE)
PERHAPS_PAID = (
    "The image may have been drawn and billed, so the call is not repeated automatically."
    " Run paragone retry_generations to request it again."
)


def request_generations(
    wanted: Iterable[tuple[ImageModel, Prompt, int]],
    *,
    width: int,
    height: int,
    budget: Budget | None = None,
    at_once: bool = True,
) -> list[Generation]:
    """Find or create the generations of (model, prompt, seed).

    A model without an adapter cannot draw: its new generations have failed from the start, as not imported.

    Args:
        wanted: Models, prompts and seeds, in the order in which they are to be drawn.
        width: Pixels of new generations.
        height: Pixels of new generations.
        budget: Pays for new generations, if given.
        at_once: Dispatch new ones on commit, for a rater who waits. Without it the sweeper dispatches them,
            and no more at a time than workers need.

    Returns:
        One generation per entry, in the same order.
    """
    wanted = list(wanted)
    keys = [(model.pk, prompt.pk, seed) for model, prompt, seed in wanted]
    found = _find(keys)
    if missing := list(dict.fromkeys(key for key in keys if key not in found)):
        times = dispatch_times() if at_once else {"due_at": database_time.now()}
        able = {model.pk for model, _, _ in wanted if model.adapter}
        _insert(
            [key for key in missing if key[0] in able], Generation(width=width, height=height, budget=budget, **times)
        )
        if unable := [key for key in missing if key[0] not in able]:
            _insert(unable, _not_imported())
        found |= _find(missing)
    for key, (model, prompt, _) in zip(keys, wanted, strict=True):
        found[key].model, found[key].prompt = model, prompt
    if at_once:
        dispatch(row for key in missing if (row := found[key]).status == Status.PENDING)
    return [found[key] for key in keys]


def _not_imported() -> Generation:
    now = database_time.now()
    # The size that the image would have is unknown.
    alike = Generation(status=Status.FAILED, reason=NOT_IMPORTED, width=0, height=0, due_at=now, finished_at=now)
    alike.message = "no image was imported"
    return alike


def _insert(keys: Sequence[tuple[int, int, int]], alike: Generation) -> None:
    """Insert generations of (model, prompt, seed) that do not exist, and are otherwise like the unsaved ``alike``.

    bulk_create() converts all columns of each row, which takes four times as long.
    """
    subject = ("id", "model", "prompt", "seed")
    fields = [field for field in Generation._meta.concrete_fields if field.name not in subject]
    columns = ", ".join(["model_id", "prompt_id", "seed", *(str(field.column) for field in fields)])
    constants = [field.get_db_prep_save(field.pre_save(alike, add=True), connection) for field in fields]
    # Always in the same order, or two transactions that insert the same rows could deadlock.
    in_order = sorted(keys, key=itemgetter(2, 1, 0))
    with connection.cursor() as cursor:
        for start in range(0, len(in_order), BATCH):
            batch = in_order[start : start + BATCH]
            rows = ", ".join(["(%s, %s, %s)"] * len(batch))
            cursor.execute(
                f"INSERT INTO {Generation._meta.db_table} ({columns})"  # noqa: S608  (only names of columns are put in)
                f" SELECT subject.*{', %s' * len(constants)} FROM (VALUES {rows}) AS subject WHERE TRUE"
                " ON CONFLICT DO NOTHING",
                [*constants, *chain.from_iterable(batch)],
            )


def _find(keys: list[tuple[int, int, int]]) -> dict[tuple[int, int, int], Generation]:
    model_ids, prompt_ids, seeds = map(set, zip(*keys, strict=True)) if keys else (set(), set(), set())
    rows = Generation.objects.filter(model__in=model_ids, prompt__in=prompt_ids, seed__in=seeds)
    return {(row.model_id, row.prompt_id, row.seed): row for row in rows.defer(*LARGE)}


def dispatch_times() -> dict[str, datetime]:
    """The fields ``sent_at`` and ``due_at`` of a row that is dispatched now."""
    now = database_time.now()
    return {"sent_at": now, "due_at": now + timedelta(seconds=settings.REDISPATCH_SECONDS)}


def find_queue(adapter: str) -> str:
    """The queue whose workers draw with this adapter."""
    return "api" if is_provider(adapter) else "gpu"


def dispatch(generations: Iterable[Generation]) -> None:
    """Send a message for each row once the transaction commits.

    If the broker is unreachable, the error is logged. The rows stay PENDING and the sweeper sends their messages later.
    """
    messages = [
        ((generation.pk, generation.attempts), find_queue(generation.model.adapter)) for generation in generations
    ]

    def send() -> None:
        for arguments, queue in messages:
            # The worker ends a drawing that exceeds its claim, and can take the next one.
            current_app.send_task("generators.produce", args=arguments, queue=queue, time_limit=settings.CLAIM_SECONDS)

    transaction.on_commit(send, robust=True)


def retry_generations(ended: GenerationQuerySet) -> int:
    """Request refused and failed generations again, and return how many. The sweeper dispatches them. Earlier charges
    stay.

    Only people decide this; workers never repeat a call that may have been paid.
    """
    ended = ended.filter(status__in=[Status.REFUSED, Status.FAILED], imported_from="").exclude(reason=NOT_IMPORTED)
    rows = Generation.objects.filter(pk__in=ended.values("pk"), status__in=[Status.REFUSED, Status.FAILED])
    return rows.update(status=Status.PENDING, failures=0, finished_at=None, sent_at=None, due_at=database_time.now())
