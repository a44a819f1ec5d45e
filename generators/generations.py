"""The life of a Generation: asked for, claimed, drawn, stored. The only place that changes its state.

::

    PENDING -> RUNNING -> OK
       ^          |-----> REFUSED | FAILED
       '----------'  claim ran out, or an error that may pass: a bounded number of times

A message in the broker is only a hint to look at a row; the row is the truth. A lost message is sent again by
``sweep``, a doubled one finds nothing to claim. A claim carries the number of its attempt, so a worker that comes back
after its claim ran out changes nothing.
"""

import io
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone
from PIL import Image

from generators import originals
from generators.adapters.base import AdapterError, GeneratedImage, GenerationRequest, Generator, Outcome
from generators.adapters.registry import load_generator
from generators.models import Generation, ImageModel, Prompt

log = structlog.get_logger(__name__)

Status = Generation.Status
# A sweep sends at most this many messages, so that a long backlog is not doubled at every tick.
SWEEP_BATCH = 500
# The reason of a generation whose worker never came back, beside the outcomes an adapter can report.
WORKER_LOST = "worker_lost"
# However long a maker's server asks to be left alone, the next attempt is due by then.
LONGEST_DELAY = 24 * 3600.0


def request_generations(
    wanted: Iterable[tuple[ImageModel, Prompt, int]], *, width: int, height: int
) -> list[Generation]:
    """The generations of (model, prompt, seed), made and dispatched where they do not exist yet.

    In the order asked for. The worker hears of new ones when the surrounding transaction commits.
    """
    wanted = list(wanted)
    due_at = timezone.now() + timedelta(seconds=settings.REDISPATCH_SECONDS)
    rows = [
        Generation(model=model, prompt=prompt, seed=seed, width=width, height=height, due_at=due_at)
        for model, prompt, seed in wanted
    ]
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
    return {(row.model_id, row.prompt_id, row.seed): row for row in rows}


def dispatch(generations: Iterable[Generation]) -> None:
    """Tell the workers about these rows once the transaction commits. A broker that is away loses nothing."""
    hints = [(generation.pk, generation.attempts) for generation in generations]

    def send() -> None:
        for hint in hints:
            # A drawing that outlives its claim is ended, so that its worker is there for the next one.
            current_app.send_task("generators.produce", args=hint, time_limit=settings.CLAIM_SECONDS)

    # robust: an unreachable broker is logged; the row stays PENDING and the sweeper sends it later.
    transaction.on_commit(send, robust=True)


def produce(generation_id: int, attempts: int | None = None) -> None:
    """Claim, draw, store. Returns quietly where there is nothing to claim.

    ``attempts`` is how many there had been when the message was sent. A copy of it that turns up after the next attempt
    has failed finds nothing to claim: the wait that a maker asked for is not cut short.
    """
    claim = _claim(generation_id, attempts)
    if claim is None:
        return
    generation, attempt = claim
    started = time.monotonic()
    try:
        image = _generator_of(generation).generate(
            GenerationRequest(generation.prompt.text, generation.seed, generation.width, generation.height)
        )
        seconds = time.monotonic() - started
        drawn = _store(image)
        _settle(
            generation,
            attempt,
            status=Status.OK,
            original=drawn.digest,
            media_type=drawn.media_type,
            reported={**image.reported, "width": drawn.width, "height": drawn.height},
            seconds=seconds,
            reason="",
            message="",
            finished_at=timezone.now(),
        )
    except AdapterError as error:
        _settle_error(generation, attempt, error)
    except (OperationalError, InterfaceError):
        # Our database is away, which says nothing of the image. The claim runs out and the sweeper puts it back.
        raise
    except Exception as error:
        # An adapter may raise, or report, anything at all; none of it may leave the row claimed until the lease ends.
        log.exception("generation_crashed", generation=generation_id)
        _settle_error(generation, attempt, AdapterError(Outcome.INVALID, f"{type(error).__name__}: {error}"))


def _claim(generation_id: int, attempts: int | None) -> tuple[Generation, int] | None:
    now = timezone.now()
    waiting = Generation.objects.filter(pk=generation_id, status=Status.PENDING)
    if attempts is not None:
        waiting = waiting.filter(attempts=attempts)
    claimed = waiting.update(
        status=Status.RUNNING,
        attempts=F("attempts") + 1,
        claimed_at=now,
        due_at=now + timedelta(seconds=settings.CLAIM_SECONDS),
    )
    if not claimed:
        return None
    generation = Generation.objects.select_related("model", "prompt").get(pk=generation_id)
    return generation, generation.attempts


def _settle(generation: Generation, attempt: int, **changes: Any) -> bool:
    """Write the end of an attempt, unless the claim was taken back in the meantime."""
    # A drawing can outlast the connection that it was claimed through.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    held = Generation.objects.filter(pk=generation.pk, status=Status.RUNNING, attempts=attempt).update(**changes)
    if not held:
        log.warning("claim_lost", generation=generation.pk, attempt=attempt)
    return bool(held)


def _settle_error(generation: Generation, attempt: int, error: AdapterError) -> None:
    # PostgreSQL's text holds neither NUL nor half of a surrogate pair; what makers' servers say holds both.
    message = error.message.replace("\x00", "").encode(errors="replace").decode()
    reason = {"reason": error.outcome.value, "message": message[:2000]}
    if error.outcome.can_be_retried and attempt < settings.MAX_ATTEMPTS:
        delay = error.retry_after if error.retry_after is not None else 2.0**attempt
        delay = min(max(0.0, delay), LONGEST_DELAY)  # in this order "not a number" becomes 0
        _settle(generation, attempt, status=Status.PENDING, due_at=timezone.now() + timedelta(seconds=delay), **reason)
        return
    status = Status.REFUSED if error.outcome is Outcome.REFUSED else Status.FAILED
    _settle(generation, attempt, status=status, finished_at=timezone.now(), **reason)


def _generator_of(generation: Generation) -> Generator:
    model = generation.model
    if not model.adapter:
        raise AdapterError(Outcome.INVALID, f"Model {model.slug} has no adapter: its images are made elsewhere.")
    return _warm_generator(model.pk, model.adapter, repr(sorted(model.settings.items())))


@lru_cache(maxsize=8)
def _warm_generator(model_id: int, adapter: str, settings_key: str) -> Generator:
    """Kept per worker process; ``settings_key`` is there so that edited settings are picked up."""
    return load_generator(adapter, ImageModel.objects.get(pk=model_id).settings)


@dataclass(frozen=True)
class StoredImage:
    digest: str
    media_type: str
    width: int
    height: int


def _store(image: GeneratedImage) -> StoredImage:
    try:
        with Image.open(io.BytesIO(image.data)) as decoded:
            decoded.load()
            width, height = decoded.size
            media_type = decoded.get_format_mimetype() or image.media_type
    except Exception as error:
        # Pillow raises many kinds of errors on hostile bytes; all of them mean: this is not an image.
        raise AdapterError(Outcome.INVALID, f"The adapter's answer is not an image: {error}") from error
    try:
        return StoredImage(originals.store(image.data), media_type, width, height)
    except OSError as error:
        raise AdapterError(Outcome.TRANSIENT, f"The original could not be stored: {error}") from error


def sweep(now: datetime | None = None) -> int:
    """Put overdue claims back (or give them up), send overdue messages again; the number of rows sent."""
    now = now or timezone.now()
    expired = Generation.objects.overdue(now).filter(status=Status.RUNNING)
    given_up = expired.filter(attempts__gte=settings.MAX_ATTEMPTS).update(
        status=Status.FAILED,
        reason=WORKER_LOST,
        message=f"A worker took this {settings.MAX_ATTEMPTS} times and was lost, or ran out of time, each time.",
        finished_at=now,
    )
    put_back = expired.update(status=Status.PENDING, due_at=now)
    waiting = list(Generation.objects.overdue(now).filter(status=Status.PENDING).order_by("due_at")[:SWEEP_BATCH])
    Generation.objects.filter(pk__in=[row.pk for row in waiting], status=Status.PENDING).update(
        due_at=now + timedelta(seconds=settings.REDISPATCH_SECONDS)
    )
    dispatch(waiting)
    if given_up or put_back:
        log.warning("claims_expired", given_up=given_up, put_back=put_back)
    return len(waiting)
