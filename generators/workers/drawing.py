"""Drawing of a generation: claim, reserve the charge, call the adapter, store the images, settle the rows."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction

from generators.adapters.base import STORAGE, AdapterError, Answer, Billed, GeneratedImage, GenerationRequest, Outcome
from generators.adapters.registry import is_provider
from generators.generations import BUDGET
from generators.images import originals
from generators.images.decoding import UnusableImageError
from generators.images.ingest import StoredImage, store_image
from generators.models import Generation
from generators.providers import circuit_breaker
from generators.providers.budgets import BudgetExhaustedError
from generators.providers.charges import reserve_charge
from generators.providers.servers import find_server
from generators.workers.claims import claim_batch, claim_rows, give_back, lock_claim, put_off_if_paused
from generators.workers.generator_cache import get_generator
from generators.workers.settlement import end_generation, settle_batch, settle_error
from generators.workers.shutdown import holding

log = structlog.get_logger(__name__)

Status = Generation.Status
# Seconds between attempts to store a paid image, which is lost otherwise: two minutes, within the claim.
STORE_PAUSES = (1.0, 4.0, 15.0, 40.0, 60.0)


def produce(generation_id: int, attempts: int | None = None) -> None:
    """Draw a pending generation, with others in the same call if possible. Does nothing if it is not pending.

    Args:
        generation_id: Primary key of the Generation.
        attempts: The row's attempts when the message was sent. A copy of the message that arrives after a later
            attempt finds nothing to claim, so it cannot shorten a wait that the provider asked for.
    """
    waiting = Generation.objects.filter(pk=generation_id, status=Status.PENDING)
    if attempts is not None:
        waiting = waiting.filter(attempts=attempts)
    first = waiting.select_related("model").first()
    if first is None or put_off_if_paused(first):
        return
    batch = claim_rows(waiting.select_for_update())
    with holding(partial(give_back, batch)):
        if batch:
            batch += claim_batch(batch[0])
            draw([generation for generation in batch if reserve_or_end(generation)])


def draw(batch: Sequence[Generation]) -> None:
    """Call the adapter for claimed generations of one model, store the images and settle the rows."""
    if not batch:
        return
    started = time.monotonic()
    answers = ask_adapter(batch)
    seconds = time.monotonic() - started
    # A drawing can outlast the connection through which it was claimed.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    settle_batch(batch, answers, store_answers(answers), seconds)
    if server := find_server(batch[0].model):
        circuit_breaker.note_answers(server, answers)


def reserve_or_end(generation: Generation) -> bool:
    """Reserve the charge of a paid call. If it cannot be reserved, end the generation and return False.

    Also False, without any change, if the claim was given back meanwhile because this worker stops.
    """
    if not is_provider(generation.model.adapter):
        return True
    try:
        with transaction.atomic():
            if not lock_claim(generation):
                return False
            reserve_charge(generation)
    except BudgetExhaustedError as error:
        end_generation(generation, Status.FAILED, reason=BUDGET, message=str(error))
    except AdapterError as error:
        settle_error(generation, error)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # The others of the batch are drawn.
        log.exception("charge_not_reserved", generation=generation.pk)
        settle_error(generation, AdapterError(Outcome.INVALID, f"{type(error).__name__}: {error}"))
    else:
        return True
    return False


def ask_adapter(batch: Sequence[Generation]) -> Sequence[Answer]:
    """One answer per generation from the adapter. An exception of the adapter becomes an error for each."""
    billed: Billed | None = {}
    try:
        requests = [make_request(generation) for generation in batch]
        generator = get_generator(batch[0].model)
        # From here on the provider may have been called, so the cost of an unexpected error is unknown.
        billed = None
        answers = list(generator.generate(requests))
        if len(answers) != len(batch):
            raise AdapterError(
                Outcome.INVALID, f"The adapter gave {len(answers)} answers to {len(batch)} requests.", billed=None
            )
        return answers
    except AdapterError as error:
        return [error] * len(batch)
    except (OperationalError, InterfaceError):
        # The database failed, not the drawing. The claim expires and the sweeper releases it.
        raise
    except Exception as error:
        # An adapter may raise anything. The row must not stay claimed because of it.
        log.exception("generation_crashed", generation=batch[0].pk)
        return [AdapterError(Outcome.INVALID, f"{type(error).__name__}: {error}", billed=billed)] * len(batch)


def make_request(generation: Generation) -> GenerationRequest:
    """The request to the adapter, with the bytes of the source images.

    Raises:
        AdapterError: (invalid, transient) A source image is gone or damaged, or cannot be read now.
    """
    prompt = generation.prompt
    try:
        sources = tuple(originals.read(digest) for digest in prompt.sources)
        mask = originals.read(prompt.mask) if prompt.mask else None
    except (FileNotFoundError, originals.CorruptOriginalError) as error:
        text = f"A source image of prompt {prompt.key} is gone or damaged: {error}"
        raise AdapterError(Outcome.INVALID, text) from error
    except OSError as error:
        text = f"A source image of prompt {prompt.key} cannot be read now: {error}"
        raise AdapterError(Outcome.TRANSIENT, text, code=STORAGE) from error
    return GenerationRequest(prompt.text, generation.seed, generation.width, generation.height, sources, mask)


def store_answers(answers: Sequence[Answer]) -> list[StoredImage | AdapterError]:
    """The stored image of each answer, or the error in its place.

    Uses threads, so that a GPU does not wait while its images are encoded and written one after another.
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
        text = f"The adapter's answer is not a usable image: {error}"
        return AdapterError(Outcome.INVALID, text, billed=answer.billed)
    except OSError as error:
        text = f"The original could not be stored: {error}"
        return AdapterError(Outcome.TRANSIENT, text, code=STORAGE, billed=answer.billed)
    except Exception as error:
        log.exception("image_not_stored")
        return AdapterError(Outcome.INVALID, f"{type(error).__name__}: {error}", billed=answer.billed)
