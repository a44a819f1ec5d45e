"""Compiled loops. Import from here only inside a function: this needs numba, which is optional and slow to load.

Every public function has a twin in numpy or plain Python, with the same arguments, in the module that calls it. Nothing
is checked here: an index out of range would read foreign memory. The loops release the interpreter's lock and start no
threads of their own, so that they may run in any thread, and after a fork.
"""

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
F32, U32, U64 = np.float32, np.uint32, np.uint64

# The numbers of evaluation.ratings.poisson; here as constants, which the compiler folds.
GOLDEN: Final = U64(0x9E3779B97F4A7C15)
FACTOR_1: Final = U64(0xBF58476D1CE4E5B9)
FACTOR_2: Final = U64(0x94D049BB133111EB)
SHIFT_27, SHIFT_30, SHIFT_31, SHIFT_32 = U64(27), U64(30), U64(31), U64(32)
PIECE_SHIFT: Final = U32(19)
PIECE_MASK: Final = U32((1 << 19) - 1)
NEVER: Final = U32(0xFFFFFFFF)
THIRD, SIXTH, BY_36, BY_72 = F32(1 / 3), F32(1 / 6), F32(1 / 36), F32(1 / 72)
ONE: Final = F32(1)


def compile_with(**options: Any) -> Callable[[Function], Function]:
    """A decorator: machine code, made at the first call, and kept on disk where a directory can be written."""

    def decorate(function: Function) -> Function:
        make: Any = njit(cache=True, nogil=True, error_model="numpy", **options)
        try:
            kept: Function = make(function)
        except RuntimeError:  # there is none: every process compiles anew
            make = njit(nogil=True, error_model="numpy", **options)
            kept = make(function)
        return kept

    return decorate


compiled: Final = compile_with()


@compiled
def update_elo(
    theta: NDArray[np.float64],
    model_a: NDArray[np.uint32],
    model_b: NDArray[np.uint32],
    winner: NDArray[np.uint8],
    weight: NDArray[np.float64],
    scores: NDArray[np.float64],
    steps: NDArray[np.float64],
) -> None:
    """Twin: elo.update_elo."""
    for vote in range(len(winner)):
        a, b, outcome = model_a[vote], model_b[vote], winner[vote]
        theta_a, theta_b = theta[a], theta[b]
        expected = 1.0 / (1.0 + math.exp(min(theta_b - theta_a, 700.0)))
        move = steps[outcome] * weight[vote] * (scores[outcome] - expected)
        theta[a] = theta_a + move
        theta[b] = theta_b - move


@compiled
def _mix(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> SHIFT_30)) * FACTOR_1
    x = (x ^ (x >> SHIFT_27)) * FACTOR_2
    return x ^ (x >> SHIFT_31)


@compiled
def _draw_cell(
    rate: int,
    key: np.uint64,
    first: int,
    thresholds: NDArray[np.uint32],
    pieces: NDArray[np.float32],
    bits: NDArray[np.uint32],
    deviations: NDArray[np.float32],
) -> None:
    counter = key + U64(first) * GOLDEN
    for b in range(len(bits)):
        bits[b] = U32(_mix(counter) >> SHIFT_32)
        counter += GOLDEN
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
        piece = bits[b] >> PIECE_SHIFT
        w = starts[piece] + F32(np.int32(bits[b] & PIECE_MASK)) * rises[piece]
        bend = w * w * SIXTH - w * (linear + cubic * w * w)
        deviations[b] = np.floor(root * w + THIRD + bend)


@compiled
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
    """Twin: bootstrap.draw_votes."""
    width = totals.shape[1]
    bits, deviations = np.empty(width, U32), np.empty(width, F32)
    for k in range(len(votes)):
        total, slope_left, slope_right = totals[k], slopes[left[k]], slopes[right[k]]
        for outcome in range(3):
            if votes[k, outcome] == 0:
                continue
            cell_key = _mix(key + U64(3 * k + outcome + 1) * GOLDEN)
            _draw_cell(votes[k, outcome], cell_key, first, thresholds, pieces, bits, deviations)
            score = (ONE if outcome == 0 else F32(0) if outcome == 1 else F32(0.5)) - p[k]
            for b in range(width):
                total[b] += deviations[b]
                slope_left[b] += score * deviations[b]
                slope_right[b] -= score * deviations[b]


@compiled
def subtract_expected(
    left: NDArray[np.uint32],
    right: NDArray[np.uint32],
    p: NDArray[np.float32],
    growth: NDArray[np.float32],
    totals: NDArray[np.float32],
    slopes: NDArray[np.float32],
) -> None:
    """Twin: refitting.subtract_expected."""
    for k in range(len(left)):
        total, slope_left, slope_right = totals[k], slopes[left[k]], slopes[right[k]]
        grown_left, grown_right = growth[left[k]], growth[right[k]]
        p_left, p_right = p[k], ONE - p[k]
        for b in range(len(total)):
            risen = p_left * p_right * (grown_left[b] - grown_right[b])
            risen = total[b] * risen / (ONE + p_left * grown_left[b] + p_right * grown_right[b])
            slope_left[b] -= risen
            slope_right[b] += risen


@compiled
def find_largest_differences(noise: NDArray[np.float32], inverse_errors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Twin: ranks.find_largest_differences."""
    largest = np.zeros(noise.shape[1], F32)
    for i in range(len(noise)):
        for j in range(i):
            weight, noise_i, noise_j = inverse_errors[i, j], noise[i], noise[j]
            for b in range(len(largest)):
                largest[b] = max(largest[b], abs(noise_i[b] - noise_j[b]) * weight)
    return largest
