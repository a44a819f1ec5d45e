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

import random
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from celery import current_app
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone

from generators.adapters.base import AdapterError, Answer, Billed, GeneratedImage, GenerationRequest, Outcome
from generators.adapters.registry import find_capabilities
from generators.images import originals
from generators.images.ingest import StoredImage, store_answers
from generators.models import Budget, Generation, GenerationQuerySet, ImageModel, Prompt
from generators.providers import circuit_breaker
from generators.providers.charges import BudgetExhausted, reserve_charge, settle_charge
from generators.providers.redaction import redact
from generators.workers.generator_cache import warm_generator

log = structlog.get_logger(__name__)

Status = Generation.Status
# Reasons beside the outcomes that an adapter can report: a worker that never came back; one that was lost after a paid
# call had begun; a call that was not made because it might have passed a budget.
WORKER_LOST = "worker_lost"
ANSWER_LOST = "answer_lost"
BUDGET = "budget"
PERHAPS_PAID = (
    "The image may have been drawn, and paid for, so the call is not made again by itself;"
    " manage.py retry_generations asks for it once more."
)
# However long a maker's server asks to be left alone, the next attempt is due by then.
LONGEST_DELAY = 24 * 3600.0
# How often a worker waits for its turn at a maker before it puts the row off: others may be quicker.
TURNS_WAITED = 5
# A rate limit says nothing of the image, but nobody asks for ever.
RATE_LIMITED_ATTEMPTS = 50


def request_generations(
    wanted: Iterable[tuple[ImageModel, Prompt, int]], *, width: int, height: int, budget: Budget | None = None
) -> list[Generation]:
    """The generations of (model, prompt, seed), made and dispatched where they do not exist yet.

    In the order asked for. The worker hears of new ones when the surrounding transaction commits. What the new ones
    cost is paid from ``budget``, where there is one.
    """
    wanted = list(wanted)
    asked = {"width": width, "height": height, "budget": budget, **tell_now()}
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


def tell_now() -> dict[str, datetime]:
    """What a row that is being dispatched says of it."""
    now = timezone.now()
    return {"sent_at": now, "due_at": now + timedelta(seconds=settings.REDISPATCH_SECONDS)}


def dispatch(generations: Iterable[Generation]) -> None:
    """Tell the workers about these rows once the transaction commits. A broker that is away loses nothing."""
    hints = [
        ((generation.pk, generation.attempts), "api" if circuit_breaker.is_vendor(generation.model.adapter) else "gpu")
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
        ended = ended.filter(status__in=[Status.REFUSED, Status.FAILED], made_elsewhere="")
        again = list(ended.select_related("model").order_by("pk"))
        rows = Generation.objects.filter(pk__in=[row.pk for row in again], status__in=[Status.REFUSED, Status.FAILED])
        rows.update(status=Status.PENDING, failures=0, finished_at=None, **tell_now())
        dispatch(again)
    return len(again)


def produce(generation_id: int, attempts: int | None = None) -> None:
    """Claim, draw, store. Returns quietly where there is nothing to claim.

    ``attempts`` is how many there had been when the message was sent. A copy of it that turns up after the next attempt
    has failed finds nothing to claim: the wait that a maker asked for is not cut short.
    """
    waiting = Generation.objects.filter(pk=generation_id, status=Status.PENDING)
    if attempts is not None:
        waiting = waiting.filter(attempts=attempts)
    first = waiting.select_related("model").first()
    if first is None or _is_put_off(first):
        return
    if batch := _claim(waiting.select_for_update()):
        batch += _claim_company(batch[0])
        batch = [generation for generation in batch if _reserve(generation)]
    if not batch:
        return
    started = time.monotonic()
    answers = _ask(batch)
    seconds = time.monotonic() - started
    # A drawing can outlast the connection that it was claimed through.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    for generation, answer, stored in zip(batch, answers, store_answers(answers), strict=True):
        _settle_answer(generation, answer, stored, seconds)
    if circuit_breaker.is_vendor(first.model.adapter):
        circuit_breaker.note_answers(first.model.adapter, answers)


def _is_put_off(generation: Generation) -> bool:
    """Whether the maker is not to be called now. The row then waits, and no attempt was made."""
    adapter = generation.model.adapter
    wait = circuit_breaker.find_wait(adapter) if circuit_breaker.is_vendor(adapter) else 0.0
    for _ in range(TURNS_WAITED):
        if 0 < wait <= settings.SWEEP_SECONDS:
            # The row would not be back sooner.
            time.sleep(wait)
            wait = circuit_breaker.find_wait(adapter)
    if wait > 0:
        # Not all at the same moment.
        due_at = timezone.now() + timedelta(seconds=_spread(min(wait, LONGEST_DELAY)))
        as_it_was = Generation.objects.filter(pk=generation.pk, status=Status.PENDING, attempts=generation.attempts)
        as_it_was.update(due_at=due_at, sent_at=None)
    return wait > 0


@transaction.atomic
def _claim(waiting: GenerationQuerySet) -> list[Generation]:
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


def _claim_company(first: Generation) -> list[Generation]:
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
    return _claim(alike.order_by("pk").select_for_update(skip_locked=True)[: capable.max_batch - 1])


def _reserve(generation: Generation) -> bool:
    """Set aside what the call may cost; False when it must not be made, and then the row has ended."""
    if not circuit_breaker.is_vendor(generation.model.adapter):
        return True
    try:
        reserve_charge(generation)
    except BudgetExhausted as exhausted:
        _end(generation, Status.FAILED, reason=BUDGET, message=str(exhausted))
    except AdapterError as error:
        _settle_error(generation, error)
    else:
        return True
    return False


def _ask(batch: Sequence[Generation]) -> Sequence[Answer]:
    """The adapter's answers, whatever it does."""
    unasked: Billed | None = {}
    try:
        requests = [_describe(generation) for generation in batch]
        generator = warm_generator(batch[0].model)
        # From here on the maker may have been called, so nobody knows what an accident cost.
        unasked = None
        answers = list(generator.generate(requests))
        if len(answers) != len(batch):
            raise AdapterError(
                Outcome.INVALID, f"The adapter gave {len(answers)} answers to {len(batch)} requests.", billed=None
            )
        return answers
    except AdapterError as error:
        return [error] * len(batch)
    except (OperationalError, InterfaceError):
        # Our database is away, which says nothing of the image. The claim runs out and the sweeper puts it back.
        raise
    except Exception as error:
        # An adapter may raise anything at all; none of it may leave the row claimed until the lease ends.
        log.exception("generation_crashed", generation=batch[0].pk)
        return [AdapterError(Outcome.INVALID, f"{type(error).__name__}: {error}", billed=unasked)] * len(batch)


def _describe(generation: Generation) -> GenerationRequest:
    prompt = generation.prompt
    try:
        sources = tuple(originals.read(digest) for digest in prompt.sources)
        mask = originals.read(prompt.mask) if prompt.mask else None
    except (FileNotFoundError, originals.CorruptOriginal) as error:
        text = f"An image that prompt {prompt.key} starts from is gone or damaged: {error}"
        raise AdapterError(Outcome.INVALID, text) from error
    except OSError as error:
        text = f"An image that prompt {prompt.key} starts from cannot be read now: {error}"
        raise AdapterError(Outcome.TRANSIENT, text) from error
    return GenerationRequest(prompt.text, generation.seed, generation.width, generation.height, sources, mask)


def _settle_answer(generation: Generation, answer: Answer, stored: StoredImage | AdapterError, seconds: float) -> None:
    try:
        if isinstance(stored, AdapterError):
            raise stored
        _settle_image(generation, cast(GeneratedImage, answer), stored, seconds)
    except AdapterError as error:
        _settle_error(generation, error)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # An adapter may report anything at all, too.
        log.exception("generation_crashed", generation=generation.pk)
        billed = answer.billed if isinstance(answer, GeneratedImage) else None
        _settle_error(generation, AdapterError(Outcome.INVALID, f"{type(error).__name__}: {error}", billed=billed))


def _settle_image(generation: Generation, image: GeneratedImage, stored: StoredImage, seconds: float) -> None:
    with transaction.atomic():
        held = _settle(
            generation,
            status=Status.OK,
            original=stored.digest,
            media_type=stored.media_type,
            reported={**image.reported, "width": stored.width, "height": stored.height},
            provenance=stored.provenance,
            phash=stored.phash,
            seconds=seconds,
            reason="",
            stage="",
            code="",
            message="",
            finished_at=timezone.now(),
        )
        if held:
            settle_charge(generation, image.billed, drawn=True)


def _settle_error(generation: Generation, error: AdapterError) -> None:
    facts: dict[str, Any] = {
        "reason": error.outcome.value,
        "stage": error.stage,
        "code": _clean(error.code)[:100],
        "message": _clean(error.message)[:2000],
    }
    if error.reported:
        facts["reported"] = dict(error.reported)
    may_have_cost = circuit_breaker.is_vendor(generation.model.adapter) and error.billed != {}
    if error.outcome is Outcome.RATE_LIMITED:
        failures, again = generation.failures, generation.attempts < RATE_LIMITED_ATTEMPTS
    else:
        failures = generation.failures + 1
        again = failures < settings.MAX_ATTEMPTS
    if error.outcome.can_be_retried and again and not may_have_cost:
        delay = error.retry_after if error.retry_after is not None else 2.0 ** min(generation.attempts, 8)
        delay = min(max(0.0, delay), LONGEST_DELAY)  # in this order "not a number" becomes 0
        due_at = timezone.now() + timedelta(seconds=_spread(delay))
        with transaction.atomic():
            if _settle(generation, status=Status.PENDING, failures=failures, due_at=due_at, sent_at=None, **facts):
                settle_charge(generation, error.billed)
        return
    if error.outcome.can_be_retried and may_have_cost:
        facts["message"] += f" {PERHAPS_PAID}"
    status = Status.REFUSED if error.outcome is Outcome.REFUSED else Status.FAILED
    with transaction.atomic():
        if _end(generation, status, failures=failures, **facts):
            settle_charge(generation, error.billed)


def _end(generation: Generation, status: Generation.Status, **facts: Any) -> bool:
    return _settle(generation, status=status, finished_at=timezone.now(), **facts)


def _settle(generation: Generation, **changes: Any) -> bool:
    """Write the end of an attempt, unless the claim was taken back in the meantime."""
    attempt = Generation.objects.filter(pk=generation.pk, attempts=generation.attempts)
    held = attempt.filter(status=Status.RUNNING).update(**changes)
    # A paid answer that the sweeper had given up is worth having after all: no other attempt has begun.
    held = held or attempt.filter(status=Status.FAILED, reason=ANSWER_LOST).update(**changes)
    if not held:
        log.warning("claim_lost", generation=generation.pk, attempt=generation.attempts)
    return bool(held)


def _clean(text: str) -> str:
    """Without a maker's key, and without what PostgreSQL's text does not hold: NUL and half of a surrogate pair."""
    return redact(text).replace("\x00", "").encode(errors="replace").decode()


def _spread(seconds: float) -> float:
    """Up to a quarter more, so that those who wait do not all come back together."""
    return seconds * random.uniform(1.0, 1.25)
