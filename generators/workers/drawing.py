"""Drawing of claimed generations: reserve the charge, call the adapter, store the images, settle the rows."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, cast

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from generators.adapters.base import AdapterError, Answer, Billed, GeneratedImage, GenerationRequest, Outcome
from generators.adapters.registry import is_provider
from generators.generations import ANSWER_LOST, BUDGET, PERHAPS_PAID
from generators.images import originals
from generators.images.decoding import UnusableImageError
from generators.images.ingest import StoredImage, store_image
from generators.models import Generation
from generators.providers import circuit_breaker
from generators.providers.charges import BudgetExhaustedError, reserve_charge, settle_charge
from generators.providers.redaction import redact
from generators.workers.claims import LONGEST_DELAY, claim_batch, claim_rows, put_off_if_paused, spread
from generators.workers.generator_cache import get_generator

log = structlog.get_logger(__name__)

Status = Generation.Status
# A rate limit says nothing of the image, but nobody asks for ever.
RATE_LIMITED_ATTEMPTS = 50

# Seconds between attempts to store an image that was paid for: a full disk may be emptied in time.
STORE_PAUSES = (1.0, 4.0)


def produce(generation_id: int, attempts: int | None = None) -> None:
    """Claim, draw, store. Returns quietly where there is nothing to claim.

    ``attempts`` is how many there had been when the message was sent. A copy of it that turns up after the next attempt
    has failed finds nothing to claim: the wait that a provider asked for is not cut short.
    """
    waiting = Generation.objects.filter(pk=generation_id, status=Status.PENDING)
    if attempts is not None:
        waiting = waiting.filter(attempts=attempts)
    first = waiting.select_related("model").first()
    if first is None or put_off_if_paused(first):
        return
    if batch := claim_rows(waiting.select_for_update()):
        batch += claim_batch(batch[0])
        batch = [generation for generation in batch if _reserve(generation)]
    if not batch:
        return
    started = time.monotonic()
    answers = ask_adapter(batch)
    seconds = time.monotonic() - started
    # A drawing can outlast the connection that it was claimed through.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    for generation, answer, stored in zip(batch, answers, store_answers(answers), strict=True):
        _settle_answer(generation, answer, stored, seconds)
    if is_provider(first.model.adapter):
        circuit_breaker.note_answers(first.model.adapter, answers)


def _reserve(generation: Generation) -> bool:
    """Set aside what the call may cost; False when it must not be made, and then the row has ended."""
    if not is_provider(generation.model.adapter):
        return True
    try:
        reserve_charge(generation)
    except BudgetExhaustedError as exhausted:
        _end(generation, Status.FAILED, reason=BUDGET, message=str(exhausted))
    except AdapterError as error:
        _settle_error(generation, error)
    else:
        return True
    return False


def ask_adapter(batch: Sequence[Generation]) -> Sequence[Answer]:
    """The adapter's answers, whatever it does."""
    unasked: Billed | None = {}
    try:
        requests = [_describe(generation) for generation in batch]
        generator = get_generator(batch[0].model)
        # From here on the provider may have been called, so nobody knows what an accident cost.
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
    except (FileNotFoundError, originals.CorruptOriginalError) as error:
        text = f"An image that prompt {prompt.key} starts from is gone or damaged: {error}"
        raise AdapterError(Outcome.INVALID, text) from error
    except OSError as error:
        text = f"An image that prompt {prompt.key} starts from cannot be read now: {error}"
        raise AdapterError(Outcome.TRANSIENT, text) from error
    return GenerationRequest(prompt.text, generation.seed, generation.width, generation.height, sources, mask)


def store_answers(answers: Sequence[Answer]) -> list[StoredImage | AdapterError]:
    """The stored image of each answer, or the error in its place.

    In threads, so that a GPU does not wait while its images are encoded and written one after another.
    """
    if len(answers) == 1:
        return [_store_answer(answers[0])]
    with ThreadPoolExecutor(min(len(answers), os.cpu_count() or 1)) as threads:
        return list(threads.map(_store_answer, answers))


def _store_answer(answer: Answer) -> StoredImage | AdapterError:
    if isinstance(answer, AdapterError):
        return answer
    if not isinstance(answer, GeneratedImage) or not isinstance(answer.data, bytes):
        return AdapterError(Outcome.INVALID, "The adapter's answer is not an image: it has no bytes.", billed=None)
    try:
        return store_image(answer.data, pauses=STORE_PAUSES if answer.billed else ())
    except UnusableImageError as error:
        text = f"The adapter's answer is not an image that can be used: {error}"
        return AdapterError(Outcome.INVALID, text, billed=answer.billed)
    except OSError as error:
        text = f"The original could not be stored: {error}"
        return AdapterError(Outcome.TRANSIENT, text, billed=answer.billed)
    except Exception as error:
        log.exception("image_not_stored")
        return AdapterError(Outcome.INVALID, f"{type(error).__name__}: {error}", billed=answer.billed)


def _settle_answer(generation: Generation, answer: Answer, stored: StoredImage | AdapterError, seconds: float) -> None:
    try:
        if isinstance(stored, AdapterError):
            raise stored
        settle_image(generation, cast(GeneratedImage, answer), stored, seconds)
    except AdapterError as error:
        _settle_error(generation, error)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # An adapter may report anything at all, too.
        log.exception("generation_crashed", generation=generation.pk)
        billed = answer.billed if isinstance(answer, GeneratedImage) else None
        _settle_error(generation, AdapterError(Outcome.INVALID, f"{type(error).__name__}: {error}", billed=billed))


def settle_image(generation: Generation, image: GeneratedImage, stored: StoredImage, seconds: float) -> None:
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
    may_have_cost = is_provider(generation.model.adapter) and error.billed != {}
    if error.outcome is Outcome.RATE_LIMITED:
        failures, again = generation.failures, generation.attempts < RATE_LIMITED_ATTEMPTS
    else:
        failures = generation.failures + 1
        again = failures < settings.MAX_ATTEMPTS
    if error.outcome.can_be_retried and again and not may_have_cost:
        delay = error.retry_after if error.retry_after is not None else 2.0 ** min(generation.attempts, 8)
        delay = min(max(0.0, delay), LONGEST_DELAY)  # in this order "not a number" becomes 0
        due_at = timezone.now() + timedelta(seconds=spread(delay))
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
    """Without a provider's key, and without what PostgreSQL's text does not hold: NUL and half of a surrogate pair."""
    return redact(text).replace("\x00", "").encode(errors="replace").decode()
