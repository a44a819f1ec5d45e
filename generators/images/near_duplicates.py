"""Near-duplicates among images, and the déjà-vu rate: the share of a model's outputs that resemble earlier images.

Two images are near if their perceptual hashes differ in few of 64 bits (pHash: the signs of 8 × 8 low frequencies
against their median; Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010). A hash hardly
changes when the image is resized, encoded again or cropped by 1 % on each side. It misses mirrored or rotated copies,
and one figure in two scenes. Images of a single colour are all near each other.

The comparison is exact: every pair is compared. 100,000 hashes against 100,000 others take 15 s.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generators.images.decoding import FOLDER_FORMATS
from generators.images.srgb import decode_shown

Hashes = NDArray[np.uint64]
# Near pairs: indices (n,), indices (n,), distances (n,).
Block = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.uint8]]

# Bits of 64. Unrelated images differ in about 32. Half of a hash's bits are 1, so nearly all distances are even.
MAX_DISTANCE = 6
# A tile of distances fits into the processor's cache.
ROWS, COLUMNS = 16, 2048


@dataclass(frozen=True)
class NearPair:
    """Output ``index`` and the image nearest to it, ``seen``: indices in the compared sequences."""

    index: int
    seen: int
    distance: int


@dataclass(frozen=True)
class DejaVu:
    """``n_near`` of the ``n`` compared outputs are near another image; ``pairs`` has one entry for each.

    ``rate`` is ``n_near / n``, or None if nothing could be compared.
    """

    rate: float | None
    n: int
    n_near: int
    max_distance: int
    pairs: tuple[NearPair, ...]


@dataclass(frozen=True)
class Repetition:
    """Repetition within a model: its outputs compared with its others, for other prompts and for the same prompt."""

    other_prompts: DejaVu
    same_prompt: DejaVu


def hash_image(data: bytes) -> str:
    """The perceptual hash of an encoded image, as 16 hex digits.

    It is that of the image as it is shown: in sRGB, upright, transparent parts on grey.

    Raises:
        UnusableImageError: The bytes are not a usable image.
    """
    import imagehash

    return str(imagehash.phash(decode_shown(data, FOLDER_FORMATS)))


def deja_vu_rate(own: Sequence[str], seen: Sequence[str], *, max_distance: int = MAX_DISTANCE) -> DejaVu:
    """The share of the outputs ``own`` that are near an image in ``seen``, such as a reference set."""
    blocks = _compare(_read_hashes(own), _read_hashes(seen), _expect_distance(max_distance))
    nearest = _Nearest(len(own))
    for block in blocks:
        nearest.add(*block)
    return nearest.conclude(len(own) if seen else 0, max_distance)


def repetition_rates(
    hashes: Sequence[str], prompts: Sequence[Hashable], *, max_distance: int = MAX_DISTANCE
) -> Repetition:
    """How much a model repeats itself.

    Near images for different prompts mean that the model draws what it has learnt, not what the prompt says. Near
    images for one prompt (with other seeds) mean little variety, which may be intended.

    Args:
        hashes: Perceptual hashes of N outputs.
        prompts: N keys; outputs with equal keys were drawn from the same prompt.
        max_distance: Bits in which near hashes differ at most.

    Returns:
        Both rates. An output without others to compare with, such as the only one of its prompt, is not in ``n``.
    """
    numbers: dict[Hashable, int] = {}
    groups = np.array([numbers.setdefault(prompt, len(numbers)) for prompt in prompts], dtype=np.int64)
    sizes = np.bincount(groups)
    other, same = _Nearest(len(hashes)), _Nearest(len(hashes))
    for first, second, distances in _compare_within(_read_hashes(hashes), _expect_distance(max_distance)):
        together = groups[first] == groups[second]
        for nearest, chosen in ((same, together), (other, ~together)):
            nearest.add(first[chosen], second[chosen], distances[chosen])
            nearest.add(second[chosen], first[chosen], distances[chosen])
    return Repetition(
        other_prompts=other.conclude(len(hashes) if len(sizes) > 1 else 0, max_distance),
        same_prompt=same.conclude(int(sizes[sizes > 1].sum()), max_distance),
    )


class _Nearest:
    """The nearest image found so far for each of ``n`` images: distance and index, packed into one int64."""

    def __init__(self, n: int) -> None:
        self.best = np.full(n, np.iinfo(np.int64).max)

    def add(self, own: NDArray[np.intp], seen: NDArray[np.intp], distances: NDArray[np.uint8]) -> None:
        np.minimum.at(self.best, own, (distances.astype(np.int64) << 40) | seen)

    def conclude(self, n: int, max_distance: int) -> DejaVu:
        near = np.flatnonzero(self.best < np.iinfo(np.int64).max)
        order = near[np.argsort(self.best[near] >> 40, kind="stable")]
        pairs = tuple(NearPair(int(i), int(self.best[i] & ((1 << 40) - 1)), int(self.best[i] >> 40)) for i in order)
        return DejaVu(len(pairs) / n if n else None, n, len(pairs), max_distance, pairs)


def _compare_within(hashes: Hashes, max_distance: int) -> Iterator[Block]:
    """Yield near pairs with first < second."""
    for row in range(0, len(hashes), ROWS):
        for first, second, distances in _compare(hashes[row : row + ROWS], hashes[row:], max_distance):
            once = first < second
            yield first[once] + row, second[once] + row, distances[once]


def _compare(own: Hashes, seen: Hashes, max_distance: int) -> Iterator[Block]:
    for row in range(0, len(own), ROWS):
        for column in range(0, len(seen), COLUMNS):
            differing = own[row : row + ROWS, None] ^ seen[None, column : column + COLUMNS]
            distances = np.bitwise_count(differing)
            near = distances <= max_distance
            if near.any():
                first, second = np.nonzero(near)
                yield first + row, second + column, distances[near]


def _read_hashes(hashes: Sequence[str]) -> Hashes:
    for digits in hashes:
        if len(digits) != 16 or not set(digits) <= set("0123456789abcdef"):
            raise ValueError(f"A perceptual hash has 16 hex digits; got {digits!r}. Use hash_image().")
    return np.array([int(digits, 16) for digits in hashes], dtype=np.uint64)


def _expect_distance(max_distance: int) -> int:
    if not 0 <= max_distance <= 64:
        raise ValueError(f"The distance is {max_distance}. It must be 0 to 64 bits.")
    return max_distance
