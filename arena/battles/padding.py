"""Padding of derivatives: each battle serves its own bytes, and all images of a battle have one length.

Without it, a rater could keep a table of the digests or lengths of the files that were named after a vote, and name the
same files in later battles. A JPEG may carry application segments, which decoders skip, so the pixels stay the same.
docs/blinding.md says what this does not hide.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from arena.battles import blinding
from arena.models import Battle

APPLICATION_SEGMENT: Final = b"\xff\xef"
# Marker, length and payload: the length is of two bytes, and counts itself.
LONGEST_SEGMENT: Final = 2 + 0xFFFF
# The start of the first payload, which differs in every battle.
NONCE_BYTES: Final = 32
SHORTEST_PADDING: Final = 4 + NONCE_BYTES
# Noise, so that a proxy that compresses does not show the length of the image. The same in all processes, so that a
# reload serves the same bytes.
FILLER: Final = hashlib.shake_128(b"paragone padding").digest(LONGEST_SEGMENT)


def read_image(battle: Battle, name: str, original: str) -> bytes:
    """The derivative of an original as this battle serves it. ``name`` tells the images of the battle apart.

    Raises:
        UnviewableImageError: One of the battle's images cannot be shown.
    """
    try:
        return _read(battle, name, original)
    except FileNotFoundError:
        return _read(battle, name, original)  # retention removed a derivative meanwhile: it is made again


def _read(battle: Battle, name: str, original: str) -> bytes:
    canvas = battle.board.canvas_width, battle.board.canvas_height
    served = [*battle.prompt.sources]
    if battle.can_be_served:
        served += [battle.generation_a.original, battle.generation_b.original]
    files = {original: blinding.derive(original, *canvas) for original in served}
    length = find_length((file.stat().st_size for file in files.values()), *canvas)
    # Of nothing but the battle's address: a person who has an original must not recognise it.
    nonce = hashlib.sha256(f"{battle.token}/{name}".encode()).digest()
    return pad(files[original].read_bytes(), length, nonce)


def find_length(sizes: Iterable[int], width: int, height: int) -> int:
    """The length of all images of a battle: one byte for each pixel of the canvas, doubled until the largest fits.

    Nearly all derivatives have less than one byte a pixel, so that nearly all battles of a board have the same length.
    """
    length, needed = width * height, max(sizes) + SHORTEST_PADDING
    while length < needed:
        length *= 2
    return length


def pad(jpeg: bytes, length: int, nonce: bytes) -> bytes:
    """A JPEG with the same pixels and this length, at least SHORTEST_PADDING more than before."""
    missing = length - len(jpeg)
    n_segments = -(-missing // LONGEST_SEGMENT)
    shortest, n_longer = divmod(missing, n_segments)
    segments = []
    for index in range(n_segments):
        n_payload = shortest + (index < n_longer) - 4
        start = nonce if index == 0 else b""
        segments += [
            APPLICATION_SEGMENT,
            (n_payload + 2).to_bytes(2, "big"),
            start,
            FILLER[: n_payload - len(start)],
        ]
    # After the first segment: the JFIF header comes before all others.
    end = 4 + int.from_bytes(jpeg[4:6], "big")
    return b"".join([jpeg[:end], *segments, jpeg[end:]])
