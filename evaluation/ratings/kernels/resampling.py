"""Loops of the bootstrap over the matchups of many resamples, compiled.

Totals (P, B) and slopes (M, B) have the resample as their last axis, so that inner loops run along it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.kernels.compiling import compile_kernel
from evaluation.ratings.kernels.poisson import draw_bits, find_deviations

F32, U32 = np.float32, np.uint32
ONE: Final = F32(1)
# Scores of the left model if it won, lost or drew.
SCORES: Final = (F32(1), F32(0), F32(0.5))


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
