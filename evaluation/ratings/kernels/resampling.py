"""Loops of the bootstrap, compiled: Poisson numbers from SplitMix64, and their sums over the matchups of resamples.

evaluation.ratings.poisson describes the numbers. Totals (P, B) and slopes (M, B) have the resample as their last axis,
so that inner loops run along it.
"""

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
ONE: Final = F32(1)
# Scores of the left model if it won, lost or drew.
SCORES: Final = (F32(1), F32(0), F32(0.5))


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


@compile_kernel
def add_row(
    votes: NDArray[np.float32],
    score: np.float32,
    total: NDArray[np.float32],
    slope_left: NDArray[np.float32],
    slope_right: NDArray[np.float32],
) -> None:
    """``add_votes`` for one matchup: all arrays are (B,), ``score`` is the left model's, minus the expected one."""
    for b in range(len(votes)):
        total[b] += votes[b]
        slope_left[b] += score * votes[b]
        slope_right[b] -= score * votes[b]


@compile_kernel
def add_votes(
    left: NDArray[np.uint32],
    right: NDArray[np.uint32],
    p: NDArray[np.float32],
    outcome: int,
    votes: NDArray[np.float32],
    totals: NDArray[np.float32],
    slopes: NDArray[np.float32],
) -> None:
    """Add ``votes`` (P, B) to totals (P, B) and slopes (M, B), in place. Negative votes are taken away.

    ``outcome``: 0 left won, 1 right won, 2 drawn.
    """
    for k in range(len(left)):
        add_row(votes[k], SCORES[outcome] - p[k], totals[k], slopes[left[k]], slopes[right[k]])


@compile_kernel
def draw_votes(
    votes: NDArray[np.int64],
    left: NDArray[np.uint32],
    right: NDArray[np.uint32],
    p: NDArray[np.float32],
    key: np.uint64,
    first: int,
    thresholds: NDArray[np.uint32],
    pieces: NDArray[np.float32],
    totals: NDArray[np.float32],
    slopes: NDArray[np.float32],
) -> None:
    """Resample ``votes`` (P, 3), and add the changes to totals (P, B) and slopes (M, B), in place.

    The votes of matchup k with outcome o are cell 3k + o of ``poisson.draw_deviations``.
    """
    bits, deviations = np.empty(totals.shape[1], U32), np.empty(totals.shape[1], F32)
    for k in range(len(votes)):
        for outcome in range(3):
            if votes[k, outcome] == 0:
                continue
            draw_bits(key, 3 * k + outcome, first, bits)
            find_deviations(votes[k, outcome], bits, thresholds, pieces, deviations)
            add_row(deviations, SCORES[outcome] - p[k], totals[k], slopes[left[k]], slopes[right[k]])


@compile_kernel
def subtract_expected(
    left: NDArray[np.uint32],
    right: NDArray[np.uint32],
    p: NDArray[np.float32],
    growth: NDArray[np.float32],
    totals: NDArray[np.float32],
    slopes: NDArray[np.float32],
) -> None:
    """Subtract from slopes (M, B), in place, what they lose when θ moves by log(1 + growth), (M, B).

    σ(Δ + δ) - σ(Δ) = p q (u_l - u_r) / (p u_l + q u_r), where p = σ(Δ), q = 1 - p, u = exp(shift of θ). This takes no
    exp for each matchup, and with u - 1 in place of u no digits are lost where the shifts are small.
    """
    for k in range(len(left)):
        total, slope_left, slope_right = totals[k], slopes[left[k]], slopes[right[k]]
        grown_left, grown_right = growth[left[k]], growth[right[k]]
        p_left, p_right = p[k], ONE - p[k]
        for b in range(len(total)):
            risen = p_left * p_right * (grown_left[b] - grown_right[b])
            risen = total[b] * risen / (ONE + p_left * grown_left[b] + p_right * grown_right[b])
            slope_left[b] -= risen
            slope_right[b] += risen
