"""Settlement of an attempt: writes its outcome to the generation and to its charge, in one transaction."""

from collections.abc import Sequence
from typing import Any, cast

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from generators.adapters.base import STORAGE, AdapterError, Answer, GeneratedImage, Outcome
from generators.adapters.registry import is_provider
from generators.generations import ANSWER_LOST, PERHAPS_PAID
from generators.images.ingest import StoredImage
from generators.models import Generation
from generators.providers.charges import settle_charge
from generators.providers.redaction import redact
from generators.workers.claims import find_due_time

log = structlog.get_logger(__name__)

Status = Generation.Status
# A rate limit is not a failure of the image, but retries end at some point.
RATE_LIMITED_ATTEMPTS = 50


def settle_batch(
    batch: Sequence[Generation], answers: Sequence[Answer], stored: Sequence[StoredImage | AdapterError], seconds: float
) -> None:
    """Settle each generation of a batch, even if one of them cannot be settled: its claim expires.

    Raises:
        Exception: The last error.
    """
    failed: Exception | None = None
    for generation, answer, image in zip(batch, answers, stored, strict=True):
        try:
            settle_answer(generation, answer, image, seconds)
        except Exception as error:
            log.exception("generation_not_settled", generation=generation.pk)
            failed = error
    if failed:
        raise failed


def settle_answer(generation: Generation, answer: Answer, stored: StoredImage | AdapterError, seconds: float) -> None:
    """Settle a claimed generation.

    Args:
        generation: The claimed row. If its claim was taken back meanwhile, nothing changes.
        answer: What the adapter returned.
        stored: The stored image of the answer, or the error.
        seconds: Duration of the adapter call.

    Raises:
        OperationalError, InterfaceError: The database failed. The claim expires.
    """
    try:
        if isinstance(stored, AdapterError):
            raise stored
        settle_image(generation, cast(GeneratedImage, answer), stored, seconds)
    except AdapterError as error:
        settle_error(generation, error)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # An adapter may report values that cannot be stored.
        log.exception("generation_crashed", generation=generation.pk)
        billed = answer.billed if isinstance(answer, GeneratedImage) else None
        settle_error(generation, AdapterError(Outcome.INVALID, f"{type(error).__name__}: {error}", billed=billed))


def settle_image(generation: Generation, image: GeneratedImage, stored: StoredImage, seconds: float) -> None:
    """Record a stored image and what the provider billed for it."""
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


def settle_error(generation: Generation, error: AdapterError) -> None:
    """Record a failed attempt: the row becomes due again, or ends as refused or failed."""
    changes: dict[str, Any] = {
        "reason": error.outcome.value,
        "stage": error.stage,
        "code": _clean(error.code)[:100],
        "message": _clean(error.message)[:2000],
    }
    if error.reported:
        changes["reported"] = dict(error.reported)
    may_have_cost = is_provider(generation.model.adapter) and error.billed != {}
    if error.outcome is Outcome.RATE_LIMITED:
        failures, again = generation.failures, generation.attempts < RATE_LIMITED_ATTEMPTS
    elif error.code == STORAGE:
        # A full disk must not use up the attempts of every image; the pauses between them grow.
        failures, again = generation.failures, True
    else:
        failures = generation.failures + 1
        again = failures < settings.MAX_ATTEMPTS
    if error.outcome.can_be_retried and again and not may_have_cost:
        delay = error.retry_after if error.retry_after is not None else 2.0 ** min(generation.attempts, 8)
        changes |= {"failures": failures, "due_at": find_due_time(delay), "sent_at": None}
        with transaction.atomic():
            if _settle(generation, status=Status.PENDING, **changes):
                settle_charge(generation, error.billed)
        return
    if error.outcome.can_be_retried and may_have_cost:
        changes["message"] += f" {PERHAPS_PAID}"
    status = Status.REFUSED if error.outcome is Outcome.REFUSED else Status.FAILED
    with transaction.atomic():
        if end_generation(generation, status, failures=failures, **changes):
            settle_charge(generation, error.billed)


def end_generation(generation: Generation, status: Generation.Status, **changes: Any) -> bool:
    """End a claimed generation. Returns False if its claim was taken back meanwhile."""
    return _settle(generation, status=status, finished_at=timezone.now(), **changes)


def _settle(generation: Generation, **changes: Any) -> bool:
    attempt = Generation.objects.filter(pk=generation.pk, attempts=generation.attempts)
    held = attempt.filter(status=Status.RUNNING).update(**changes)
    # A paid answer that arrives after the sweeper gave it up is kept: no other attempt has begun.
    held = held or attempt.filter(status=Status.FAILED, reason=ANSWER_LOST).update(**changes)
    if not held:
        log.warning("claim_lost", generation=generation.pk, attempt=generation.attempts)
    return bool(held)


def _clean(text: str) -> str:
    """The text without keys, and without NUL and lone surrogates, which PostgreSQL cannot store."""
    return redact(text).replace("\x00", "").encode(errors="replace").decode()
