"""Poisson numbers for resampling: each is a function of (key, cell, resample) alone.

So a bootstrap comes out the same on any number of threads, in any blocks, compiled or not, and one resample can be
drawn again by itself. The random bits are SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
generators", figure 15) taken at a counter.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
# Below this rate: inversion, exact to 2^-32. From it on: the expansion of ``draw_deviations``.
SMALL: Final = 16
N_PIECES: Final = 1 << 13
FRACTION_BITS: Final = 32 - 13


def make_key(seed: int) -> np.uint64:
    """A key from a seed. Raises ValueError unless 0 <= seed < 2^64."""
    if not 0 <= seed < 2**64:
        raise ValueError(f"A seed is a whole number from 0 to 2^64 - 1, got {seed}.")
    key: np.uint64 = _mix(np.array([seed], dtype=np.uint64))[0]
    return key


def draw_deviations(
    rates: NDArray[np.int64], cells: NDArray[np.int64], key: np.uint64, first: int, width: int
) -> NDArray[np.float32]:
    """(R, width): a Poisson number of each rate (R,), minus the rate, for the resamples ``first`` and after.

    ``cells`` (R,) number the streams. Whole rates below 16 are drawn by inversion. Above, by the quantile expansion of
    Giles 2016, "Algorithm 955: approximation of the inverse Poisson cumulative distribution function", section 2.2,
    at a normal quantile made of 8,192 straight pieces: its total variation from Poisson is below 0.0004.
    """
    bits = _draw_bits(cells, key, first, width)
    thresholds, (starts, rises) = small_thresholds(), normal_pieces()
    deviations = np.zeros(bits.shape, dtype=np.float32)
    for rate in range(1, SMALL):
        rows = np.flatnonzero(rates == rate)
        # The padding is a threshold too, passed once in 2^32: the compiled loop stops before it.
        steps = thresholds[rate][thresholds[rate] < thresholds.max()]
        deviations[rows] = np.searchsorted(steps, bits[rows], side="right") - np.float32(rate)
    rows = np.flatnonzero(rates >= SMALL)
    bits, root = bits[rows], np.sqrt(rates[rows]).astype(np.float32)[:, None]
    linear, cubic = np.float32(1 / 36) / root, np.float32(1 / 72) / root
    piece = bits >> np.uint32(FRACTION_BITS)
    w = starts[piece] + (bits & np.uint32(2**FRACTION_BITS - 1)).astype(np.float32) * rises[piece]
    bend = w * w * np.float32(1 / 6) - w * (linear + cubic * w * w)
    deviations[rows] = np.floor(root * w + np.float32(1 / 3) + bend)
    return deviations


@cache
def small_thresholds() -> NDArray[np.uint32]:
    """(16, L): for each rate, where 32 random bits pass from one number to the next; padded with 2^32 - 1."""
    from scipy.special import pdtr

    rates, numbers = np.arange(SMALL)[:, None], np.arange(4 * SMALL)[None, :]
    thresholds = np.minimum(np.round(pdtr(numbers, rates) * 2.0**32), 2.0**32 - 1)
    return thresholds.astype(np.uint32)


@cache
def normal_pieces() -> NDArray[np.float32]:
    """(2, 8192): the normal quantile at the start of each piece, and its rise for one of the 2^19 steps within it."""
    from scipy.special import ndtri

    inner = ndtri(np.arange(1, N_PIECES) / N_PIECES)
    # The outermost pieces end where their mean is that of the normal tail: φ(a) / (1 - Φ(a)).
    end = 2.0 * N_PIECES * np.exp(-(inner[-1] ** 2) / 2.0) / np.sqrt(2.0 * np.pi) - inner[-1]
    edges = np.concatenate([[-end], inner, [end]])
    return np.stack([edges[:-1], np.diff(edges) / 2**FRACTION_BITS]).astype(np.float32)


def _draw_bits(cells: NDArray[np.int64], key: np.uint64, first: int, width: int) -> NDArray[np.uint32]:
    keys = _mix(key + (cells + 1).astype(np.uint64) * GOLDEN)
    counters = np.arange(first, first + width, dtype=np.uint64) * GOLDEN
    return (_mix(keys[:, None] + counters) >> np.uint64(32)).astype(np.uint32)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
