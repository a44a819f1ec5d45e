"""Poisson numbers for resampling, each a function of (key, cell, resample) alone.

A bootstrap therefore comes out the same with any number of threads and in blocks of any size, and one resample can be
drawn again by itself. The random bits are SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
generators", figure 15) taken at a counter.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Below this rate: inversion, exact to 2^-32. From it on: the quantile expansion of ``find_deviations``.
SMALL: Final = 16
N_PIECES: Final = 1 << 13


def make_key(seed: int) -> np.uint64:
    """A key from a seed. Raises ValueError unless 0 <= seed < 2^64."""
    from evaluation.ratings.kernels.resampling import mix

    if not 0 <= seed < 2**64:
        raise ValueError(f"A seed is a whole number from 0 to 2^64 - 1, got {seed}.")
    return np.uint64(mix(np.uint64(seed)))


def find_deviations(rate: int, bits: NDArray[np.uint32]) -> NDArray[np.float32]:
    """(B,): the Poisson quantiles of random ``bits`` (B,), minus the rate.

    Rates below 16 use inversion. From 16 on, the quantile expansion of Giles 2016, "Algorithm 955: approximation of the
    inverse Poisson cumulative distribution function", section 2.2, at a normal quantile made of 8,192 straight pieces:
    its total variation from the Poisson distribution is below 0.0004.
    """
    from evaluation.ratings.kernels import resampling

    deviations = np.empty(len(bits), dtype=np.float32)
    resampling.find_deviations(rate, bits, small_thresholds(), normal_pieces(), deviations)
    return deviations


def draw_deviations(
    rates: NDArray[np.int64], cells: NDArray[np.int64], key: np.uint64, first: int, width: int
) -> NDArray[np.float32]:
    """(R, width): Poisson numbers of ``rates`` (R,), minus the rate, for the resamples ``first`` and after.

    ``cells`` (R,) number the random streams. ``find_deviations`` describes the distribution.
    """
    from evaluation.ratings.kernels import resampling

    deviations = np.empty((len(rates), width), dtype=np.float32)
    resampling.draw_deviations(rates, cells, key, first, small_thresholds(), normal_pieces(), deviations)
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
    return np.stack([edges[:-1], np.diff(edges) * N_PIECES / 2.0**32]).astype(np.float32)
