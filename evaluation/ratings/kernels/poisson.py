"""Poisson numbers from SplitMix64, compiled. evaluation.ratings.poisson describes the method."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.kernels.compiling import compile_kernel

F32, U32, U64 = np.float32, np.uint32, np.uint64

# Constants of SplitMix64.
GOLDEN: Final = U64(0x9E3779B97F4A7C15)
FACTOR_1: Final = U64(0xBF58476D1CE4E5B9)
FACTOR_2: Final = U64(0x94D049BB133111EB)
SHIFT_27, SHIFT_30, SHIFT_31, SHIFT_32 = U64(27), U64(30), U64(31), U64(32)
# 32 random bits are the number of a piece of the normal quantile and a step within it.
STEP_BITS: Final = U32(19)
STEP_MASK: Final = U32((1 << 19) - 1)
# Padding of the thresholds.
NEVER: Final = U32(0xFFFFFFFF)
THIRD, SIXTH, BY_36, BY_72 = F32(1 / 3), F32(1 / 6), F32(1 / 36), F32(1 / 72)


@compile_kernel
def mix(x: np.uint64) -> np.uint64:
    """The output function of SplitMix64."""
    x = (x ^ (x >> SHIFT_30)) * FACTOR_1
    x = (x ^ (x >> SHIFT_27)) * FACTOR_2
    return x ^ (x >> SHIFT_31)


@compile_kernel
def draw_bits(key: np.uint64, cell: int, first: int, bits: NDArray[np.uint32]) -> None:
    """Fill ``bits`` (B,) with the random bits of a cell for the resamples ``first`` and after."""
    counter = mix(key + U64(cell + 1) * GOLDEN) + U64(first) * GOLDEN
    for b in range(len(bits)):
        bits[b] = U32(mix(counter) >> SHIFT_32)
        counter += GOLDEN


@compile_kernel
def find_deviations(
    rate: int,
    bits: NDArray[np.uint32],
    thresholds: NDArray[np.uint32],
    pieces: NDArray[np.float32],
    deviations: NDArray[np.float32],
) -> None:
    """Fill ``deviations`` (B,) with the Poisson quantiles of random ``bits`` (B,), minus the rate."""
    if rate < len(thresholds):
        deviations[:] = F32(-rate)
        for threshold in thresholds[rate]:
            if threshold == NEVER:
                break
            for b in range(len(bits)):
                deviations[b] += F32(bits[b] >= threshold)
        return
    starts, rises = pieces[0], pieces[1]
    root = F32(math.sqrt(rate))
    linear, cubic = BY_36 / root, BY_72 / root
    for b in range(len(bits)):
        piece = bits[b] >> STEP_BITS
        w = starts[piece] + F32(np.int32(bits[b] & STEP_MASK)) * rises[piece]
        bend = w * w * SIXTH - w * (linear + cubic * w * w)
        deviations[b] = np.floor(root * w + THIRD + bend)


@compile_kernel
def draw_deviations(
    rates: NDArray[np.int64],
    cells: NDArray[np.int64],
    key: np.uint64,
    first: int,
    thresholds: NDArray[np.uint32],
    pieces: NDArray[np.float32],
    deviations: NDArray[np.float32],
) -> None:
    """Fill ``deviations`` (R, B) with Poisson numbers of ``rates`` (R,), minus the rate."""
    bits = np.empty(deviations.shape[1], U32)
    for row in range(len(rates)):
        draw_bits(key, cells[row], first, bits)
        find_deviations(rates[row], bits, thresholds, pieces, deviations[row])
