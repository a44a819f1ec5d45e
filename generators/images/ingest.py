"""From what an adapter gave to an original in the store, looked at from all sides before the row says OK."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import structlog

from generators.adapters.base import AdapterError, Answer, GeneratedImage, Outcome
from generators.images import originals
from generators.images.decoding import UnusableImage, read_image
from generators.images.near_duplicates import hash_image
from generators.images.provenance import read_provenance

log = structlog.get_logger(__name__)

# Seconds between tries to store an image. One that was paid for is not given up at the first full disk.
PAUSES = (1.0, 4.0)


@dataclass(frozen=True)
class StoredImage:
    digest: str
    media_type: str
    width: int
    height: int
    provenance: dict[str, Any]
    phash: str


def store_answers(answers: Sequence[Answer]) -> list[StoredImage | AdapterError]:
    """What became of each image. Side by side: a GPU waits while its last images are encoded and written."""
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
        return store_image(answer)
    except AdapterError as error:
        return error
    except Exception as error:
        log.exception("image_not_stored")
        return AdapterError(Outcome.INVALID, f"{type(error).__name__}: {error}", billed=answer.billed)


def store_image(image: GeneratedImage) -> StoredImage:
    """Raises AdapterError: invalid for what is no image, transient where it cannot be stored. Both say what it cost."""
    try:
        facts = read_image(image.data)
    except UnusableImage as error:
        text = f"The adapter's answer is not an image that can be used: {error}"
        raise AdapterError(Outcome.INVALID, text, billed=image.billed) from error
    return StoredImage(
        _store(image),
        facts.media_type,
        facts.width,
        facts.height,
        read_provenance(image.data),
        hash_image(image.data),
    )


def _store(image: GeneratedImage) -> str:
    for pause in PAUSES if image.billed else ():
        try:
            return originals.store(image.data)
        except OSError:
            time.sleep(pause)
    try:
        return originals.store(image.data)
    except OSError as error:
        raise AdapterError(
            Outcome.TRANSIENT, f"The original could not be stored: {error}", billed=image.billed
        ) from error
