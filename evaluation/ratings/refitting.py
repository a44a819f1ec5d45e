"""Refitting of many resamples of the same votes at once, by Bradley-Terry.

Each resample is solved by chord-Newton steps from the full fit: Newton steps that all use the Hessian of the full fit.
Arrays have the resample as their last axis, so that inner loops run along it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.components import DisconnectedModelsError
from evaluation.ratings.counts import Counts
from evaluation.ratings.families import sigmoid
from evaluation.ratings.outcomes import BOTH_BAD, MODEL_A, MODEL_B, TIE, WINNERS, Treatment

Array = NDArray[np.float32]

# A resample is solved if further steps move no contrast of ratings by more than this part of its standard error (by the
# Hessian).
TOLERANCE = 3e-4
# Steps before a resample is fitted alone.
MAX_STEPS = 50


@dataclass(frozen=True, eq=False)
class Matchups:
    """P matchups at the full fit ``theta`` (M,): ``votes`` (P, 3) left won, right won, drawn; ``p`` (P,) P(left wins).

    ``inverse`` (M, M) is the inverse Hessian, with an arbitrary value for the sum of θ: slopes always sum to zero.
    ``tree`` (M - 1,) are the matchups of a spanning tree of the models.
    """

    theta: NDArray[np.float64]
    left: NDArray[np.uint32]
    right: NDArray[np.uint32]
    votes: NDArray[Any]
    p: Array
    inverse: Array
    tree: NDArray[np.intp]


def expand(counts: Counts, theta: NDArray[np.float64], *, ties: Treatment, both_bad: Treatment) -> Matchups:
    """The matchups of ``counts`` at its fit ``theta`` (M,)."""
    m, wins = len(counts.models), counts.wins
    drawn = np.zeros_like(wins)
    for treatment, outcome in ((ties, TIE), (both_bad, BOTH_BAD)):
        if treatment == "half":
            drawn = drawn + counts.drawn(outcome)
    left, right = np.nonzero(np.triu(wins + wins.T + drawn))
    votes = np.stack([wins[left, right], wins[right, left], drawn[left, right]], axis=1)
    p = sigmoid(theta[left] - theta[right])
    weights = np.zeros((m, m))
    weights[left, right] = votes.sum(axis=1) * p * (1.0 - p)
    weights += weights.T
    hessian = np.diag(weights.sum(axis=1)) - weights
    inverse = np.linalg.inv(hessian + np.trace(hessian) / m**2)
    number = np.zeros((m, m), dtype=np.intp)
    number[left, right] = number[right, left] = np.arange(len(left))
    tree = number[_span(weights)]
    sides = left.astype(np.uint32), right.astype(np.uint32)
    return Matchups(theta, *sides, votes, p.astype(np.float32), inverse.astype(np.float32), tree)


def _span(weights: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The two ends (M - 1,) of each branch of the heaviest spanning tree of a graph (M, M) (Prim 1957).

    For every cut of the models in two parts, the heaviest matchup between the parts is a branch.
    """
    m = len(weights)
    joined, nearest, weight = np.arange(m) == 0, np.zeros(m, dtype=np.intp), weights[0]
    reached = np.zeros(m - 1, dtype=np.intp)
    for k in range(m - 1):
        reached[k] = new = int(np.where(joined, -1.0, weight).argmax())
        joined[new] = True
        nearest = np.where(~joined & (weights[new] > weight), new, nearest)
        weight = np.maximum(weight, weights[new])
    return reached, nearest[reached]


def start_totals(matchups: Matchups, width: int) -> tuple[Array, Array]:
    """Totals (P, B) of the votes as cast, and slopes (M, B) of the likelihood at the full fit, which are zero."""
    totals = np.repeat(matchups.votes.sum(axis=1, keepdims=True).astype(np.float32), width, axis=1)
    return totals, np.zeros((len(matchups.theta), width), dtype=np.float32)


def refit(
    matchups: Matchups, totals: Array, slopes: Array, find_votes: Callable[[int], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """(R, M): θ, up to its sum, of the R of B resamples that have a finite fit.

    ``totals`` (P, B) are the votes of each matchup, ``slopes`` (M, B) those of the likelihood at the full fit.
    Resamples that chord steps do not solve are fitted alone, from ``find_votes(b)`` (P, 3).
    """
    shifts, solved = take_chord_steps(matchups, totals, slopes)
    # If a branch of the tree has lost its votes, the models may be in two pieces, with no slope between them. Sums of
    # weights can differ from zero by rounding.
    solved &= (totals[matchups.tree] > 1e-4 * matchups.votes[matchups.tree].sum(axis=1)[:, None]).all(axis=0)
    thetas = matchups.theta + shifts.T.astype(np.float64)
    for b in np.flatnonzero(~solved).tolist():
        theta = _fit_alone(matchups, find_votes(b))
        if theta is not None:
            thetas[b], solved[b] = theta, True
    rated: NDArray[np.float64] = thetas[solved]
    return rated


def take_chord_steps(matchups: Matchups, totals: Array, slopes: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Shifts of θ (M, B) from the full fit, and which resamples (B,) are solved.

    The size of a step is the root of g H⁻¹ g: no contrast moves by more standard errors than that (Cauchy & Schwarz).
    If sizes fall by a factor r each step, the steps to come add up to r / (1 - r) times the last. If a group won
    everything, the k-th step has size 1 / k, which never counts as solved.
    """
    from evaluation.ratings.kernels.resampling import subtract_expected

    shifts, solved = np.zeros_like(slopes), np.zeros(slopes.shape[1], dtype=bool)
    active, last, gradient = np.arange(slopes.shape[1]), np.zeros(slopes.shape[1], dtype=np.float32), slopes
    for _ in range(MAX_STEPS):
        steps = matchups.inverse @ gradient
        shifts[:, active] += steps
        size = np.sqrt(np.maximum((gradient * steps).sum(axis=0), 0.0))
        solved[active] = size**2 <= TOLERANCE * (last - size)
        left = ~solved[active]
        if not left.any():
            break
        if 2 * left.sum() < len(active):
            active, size, totals, slopes = active[left], size[left], totals[:, left].copy(), slopes[:, left].copy()
        # Shifts are clipped for resamples that diverge. Those are fitted alone later.
        growth = np.expm1(shifts[:, active].clip(-40.0, 40.0))
        gradient, last = slopes.copy(), size
        subtract_expected(matchups.left, matchups.right, matchups.p, growth, totals, gradient)
    return shifts, solved


def _fit_alone(matchups: Matchups, votes: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """θ (M,) of one resample, or None if it has no finite fit."""
    m = len(matchups.theta)
    table = np.zeros((m, m, len(WINNERS)))
    for outcome, column in zip((MODEL_A, MODEL_B, TIE), votes.T, strict=True):
        table[matchups.left, matchups.right, outcome] = column
    try:
        return fit_bradley_terry(Counts(tuple(range(m)), table, table)).theta
    except DisconnectedModelsError:
        return None
