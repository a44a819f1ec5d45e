"""Information of one more vote: how much it is expected to narrow the intervals, for each matchup.

A vote on models i and j adds the Fisher information v = p (1 - p) about θ_i - θ_j, p the probability that i wins. With
d the variance of that difference so far, C its covariance matrix and e_i the unit vectors, the variance of a contrast
cᵀθ falls by (cᵀ C (e_i - e_j))² v / (1 + v d) (Sherman & Morrison 1950, "Adjustment of an inverse matrix corresponding
to a change in one element of a given matrix"). That is the step of a greedy optimal design (Fedorov 1972, "Theory of
optimal experiments", chapter 3): c-optimal for one contrast, A-optimal for the sum of several.

Votes determine only differences of models, so C may be relative to any origin: the mean of all, or one model.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.families import BRADLEY_TERRY, sigmoid
from evaluation.ratings.fitting import Pairs, invert, maximize

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Posterior:
    """``theta`` (M,) with mean zero and its ``covariance`` (M, M), both in natural log-odds, under a prior."""

    theta: Array
    covariance: Array
    prior_sd: float


def approximate_posterior(wins: Array, *, prior_sd: float = 1.5) -> Posterior:
    """Strengths for choosing votes, finite for every model. Do not publish them: they depend on the prior.

    ``wins`` (M, M): how often the row's model beat the column's, an undecided vote as half a win for each. Every pair
    gets 4 / (M prior_sd²) additional ties. For nearly equal strengths that is a normal prior of standard deviation
    ``prior_sd`` about the mean of all models (1.5 log-odds are 260 points), with the longer tails of the logistic. The
    covariance is the inverse Hessian at the maximum (Laplace's approximation).

    Raises ValueError for fewer than two models, entries that are negative or not finite, or a model that beat itself.
    """
    m = _check_square("wins", wins)
    if m < 2:
        raise ValueError(f"Strengths need at least 2 models, got {m}.")
    if wins.min() < 0 or wins.diagonal().any():
        raise ValueError("Wins must be 0 or more, and 0 on the diagonal.")
    if not 0 < prior_sd < math.inf:
        raise ValueError(f"The prior's standard deviation must be above 0 and finite, got {prior_sd}.")
    left, right = np.triu_indices(m, 1)
    ties = np.full(len(left), 4.0 / (m * prior_sd**2))
    votes = np.stack([wins[left, right], wins[right, left], ties]).astype(np.float64)
    optimum = maximize(BRADLEY_TERRY, Pairs(m, left, right, votes, votes, side=False))
    return Posterior(optimum.theta, invert(optimum.hessian, m), prior_sd)


def find_information(theta: Array) -> Array:
    """(M, M): p (1 - p) of a vote on each pair of models, from log-strengths (M,); 0 on the diagonal.

    Raises ValueError for log-strengths of another shape, or that are not finite.
    """
    if theta.ndim != 1 or theta.dtype.kind not in "fiu" or not np.isfinite(theta).all():
        raise ValueError(f"Log-strengths must be finite, of shape (M,); got shape {theta.shape} of {theta.dtype}.")
    p = sigmoid(theta[:, None] - theta[None, :])
    information: Array = p * p.T
    np.fill_diagonal(information, 0.0)
    return information


def predict_reduction(covariance: Array, information: Array, contrasts: Array) -> Array:
    """(M, M): the expected reduction of Σ_k Var(c_kᵀ θ) by one vote on models i and j.

    ``covariance`` (M, M) of θ, ``information`` (M, M) of one vote on each pair of models, ``contrasts`` (K, M): one row
    for each contrast; the identity for the variances of all models. O(K M²). Raises ValueError for other shapes,
    numbers that are not finite, or negative information.
    """
    m = _check_square("covariance", covariance)
    if _check_square("information", information) != m or (m and information.min() < 0):
        raise ValueError(f"The information of {m} models must have shape ({m}, {m}) and be 0 or more.")
    if contrasts.ndim != 2 or contrasts.shape[1] != m or not np.isfinite(contrasts).all():
        raise ValueError(f"Contrasts of {m} models must be finite, of shape (any, {m}); got {contrasts.shape}.")
    carried = contrasts @ covariance
    fall = _spread(carried.T @ carried)
    reduction: Array = fall * information / (1.0 + information * _spread(covariance))
    return reduction


def update_covariance(covariance: Array, i: int, j: int, information: float, n_votes: float = 1.0) -> Array:
    """(M, M): the covariance after ``n_votes`` more votes on models i and j, each with this information.

    With infinite ``n_votes`` the difference becomes exactly known. Raises ValueError for models that are the same or
    out of range, and for negative numbers.
    """
    m = _check_square("covariance", covariance)
    if i == j or not (0 <= i < m and 0 <= j < m):
        raise ValueError(f"A vote needs two different models from 0 to {m - 1}, got {i} and {j}.")
    if not (0 <= information < math.inf and n_votes >= 0):
        raise ValueError(f"Expected information and votes of 0 or more, got {information=}, {n_votes=}.")
    information, n_votes = float(information), float(n_votes)
    towards = covariance[:, i] - covariance[:, j]
    variance = float(towards[i] - towards[j])
    # A variance that is zero up to rounding cannot fall further.
    known = variance <= 1e-14 * float(covariance[i, i] + covariance[j, j])
    if known or information == 0.0 or n_votes == 0.0:
        return covariance.copy()
    gain = 1.0 / (1.0 / information / n_votes + variance)
    updated: Array = covariance - gain * np.outer(towards, towards)
    return updated


def _spread(products: Array) -> Array:
    """(M, M): (e_i - e_j)ᵀ products (e_i - e_j), with rounding errors below zero set to zero."""
    own = products.diagonal()
    spread: Array = np.maximum(own[:, None] + own[None, :] - 2.0 * products, 0.0)
    return spread


def _check_square(name: str, matrix: NDArray[Any]) -> int:
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and matrix.dtype.kind in "fiu"
    if not (square and np.isfinite(matrix).all()):
        raise ValueError(
            f"The {name} must be a square matrix of finite numbers, got shape {matrix.shape} of {matrix.dtype}."
        )
    return len(matrix)
