"""Near-duplicates among images, and the déjà-vu rate: the share of a model's outputs that were, nearly, seen before.

Two images are near when their perceptual hashes differ in few of 64 bits (pHash: the signs of 8 × 8 low frequencies
against their median; Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010). A hash bears
resizing, another encoder and a crop of one hundredth a side. It does not see mirrored or turned copies, nor one figure
in two scenes; and images of one colour are all near each other.

The comparison is exact: every pair is looked at. 100,000 hashes with 100,000 others take a quarter of a minute.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generators.images.decoding import decode_image

Hashes = NDArray[np.uint64]
# Of pairs of near images: indices (n,), indices (n,), distances (n,).
Block = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.uint8]]

# Bits of 64. Unrelated images differ in about 32. Half of a hash's bits are 1, so nearly all distances are even.
MAX_DISTANCE = 6
# A tile of distances stays in the processor's cache.
ROWS, COLUMNS = 16, 2048


@dataclass(frozen=True)
class NearPair:
    """Output ``index`` and the nearest thing it resembles, ``seen``: places in the sequences that were compared."""

    index: int
    seen: int
    distance: int


@dataclass(frozen=True)
class DejaVu:
    """``n_near`` of the ``n`` outputs that could be compared were near something; ``pairs`` has one for each.

    ``rate`` is None where nothing could be compared.
    """

    rate: float | None
    n: int
    n_near: int
    max_distance: int
    pairs: tuple[NearPair, ...]


@dataclass(frozen=True)
class Repetition:
    """What a model repeats of itself: each output against its others, for other prompts and for its own prompt."""

    other_prompts: DejaVu
    same_prompt: DejaVu


def hash_image(data: bytes) -> str:
    """The perceptual hash of an encoded image: 16 hex digits. Raises UnusableImageError.

    Transparent parts are taken as grey; pixels are taken as they are stored, before any turn that EXIF asks for.
    """
    import imagehash

    image: Image.Image = decode_image(data)
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256).convert("L")
    elif image.has_transparency_data:
        flat = Image.new("RGBA", image.size, (128, 128, 128, 255))
        flat.alpha_composite(image.convert("RGBA"))
        image = flat
    return str(imagehash.phash(image))


def find_near_duplicates(hashes: Sequence[str], *, max_distance: int = MAX_DISTANCE) -> Iterator[NearPair]:
    """Every two of ``hashes`` at most ``max_distance`` bits apart, each pair once, the later one as ``seen``."""
    numbers = _read_hashes(hashes)
    for first, second, distances in _compare_within(numbers, _expect_distance(max_distance)):
        for pair in zip(first.tolist(), second.tolist(), distances.tolist(), strict=True):
            yield NearPair(*pair)


def deja_vu_rate(own: Sequence[str], seen: Sequence[str], *, max_distance: int = MAX_DISTANCE) -> DejaVu:
    """The share of ``own`` outputs that are near anything in ``seen``, such as a reference set."""
    blocks = _compare(_read_hashes(own), _read_hashes(seen), _expect_distance(max_distance))
    nearest = _Nearest(len(own))
    for block in blocks:
        nearest.add(*block)
    return nearest.conclude(len(own) if seen else 0, max_distance)


def repetition_rates(
    hashes: Sequence[str], prompts: Sequence[Hashable], *, max_distance: int = MAX_DISTANCE
) -> Repetition:
    """What one model repeats of itself; ``prompts[i]`` stands for what the image of ``hashes[i]`` was asked for.

    Near images for different prompts mean that a model draws what it has learnt, not what it is asked for. Near images
    for one prompt (of other seeds) mean little variety, which can be wanted. An output with nothing to be compared to,
    as the only one of its prompt, is not counted in ``n``.
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
    """For each of ``n`` images the nearest that was added: distance and index in one number, so that the least wins."""

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
    """Near pairs with first < second."""
    for row in range(0, len(hashes), ROWS):
        for first, second, distances in _compare(hashes[row : row + ROWS], hashes[row:], max_distance):
            once = first < second
            yield first[once] + row, second[once] + row, distances[once]


def _compare(own: Hashes, seen: Hashes, max_distance: int) -> Iterator[Block]:
    for row in range(0, len(own), ROWS):
        for column in range(0, len(seen), COLUMNS):
            apart = own[row : row + ROWS, None] ^ seen[None, column : column + COLUMNS]
            distances = np.bitwise_count(apart)
            near = distances <= max_distance
            if near.any():
                first, second = np.nonzero(near)
                yield first + row, second + column, distances[near]


def _read_hashes(hashes: Sequence[str]) -> Hashes:
    for digits in hashes:
        if len(digits) != 16 or not set(digits) <= set("0123456789abcdef"):
            raise ValueError(f"A perceptual hash is 16 hex digits, as hash_image() returns; got {digits!r}.")
    return np.array([int(digits, 16) for digits in hashes], dtype=np.uint64)


def _expect_distance(max_distance: int) -> int:
    if not 0 <= max_distance <= 64:
        raise ValueError(f"A distance is a number of bits, 0 to 64; got {max_distance}.")
    return max_distance
