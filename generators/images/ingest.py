"""Ingest of images: checks the bytes, stores them as an original, hashes them and reads their provenance."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from generators.images import originals
from generators.images.decoding import read_image
from generators.images.near_duplicates import hash_image
from generators.images.provenance import read_provenance


@dataclass(frozen=True)
class StoredImage:
    digest: str
    media_type: str
    width: int
    height: int
    provenance: dict[str, Any]
    phash: str


def store_image(data: bytes, *, pauses: Sequence[float] = ()) -> StoredImage:
    """Check the bytes of an encoded image and store them as an original.

    Args:
        data: The encoded image.
        pauses: Seconds to wait before each further attempt when the store cannot write.

    Raises:
        UnusableImageError: The bytes are not a usable image.
        OSError: The last attempt to write failed, too.
    """
    info = read_image(data)
    digest = _store(data, pauses)
    return StoredImage(digest, info.media_type, info.width, info.height, read_provenance(data), hash_image(data))


def _store(data: bytes, pauses: Sequence[float]) -> str:
    for pause in pauses:
        try:
            return originals.store(data)
        except OSError:
            time.sleep(pause)
    return originals.store(data)
