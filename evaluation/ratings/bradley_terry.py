"""Bradley-Terry ratings with sandwich intervals, from counts.

Model (Bradley & Terry 1952): P(i beats j) = 1 / (1 + exp(-(θ_i - θ_j))). A tie and a "both bad" count as half a win for
each side. Maximum likelihood by Newton's method on the counts; the covariance is the sandwich H⁻¹ G H⁻¹ (White 1982),
where H is the Hessian and G collects the squared score of each vote. It is what the public arenas publish.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, log_expit
from scipy.stats import norm

from evaluation.ratings.components import Unrated, find_components
from evaluation.ratings.counts import BOTH_BAD, TIE, Counts


class NotOnOneScale(ValueError):
    """The votes do not put all models on one finite scale. ``unrated`` says which are left out, and why."""

    def __init__(self, unrated: dict[Hashable, Unrated]) -> None:
        named = ", ".join(f"{model} ({reason.value})" for model, reason in unrated.items())
        super().__init__(f"The votes put no finite rating on: {named}. Rate the others apart (find_components).")
        self.unrated = unrated


@dataclass(frozen=True)
class BradleyTerry:
    """Ratings on the arena's scale: ``center + scale / ln(base) * θ``, with mean θ = 0.

    ``ratings`` (M,), ``covariance`` (M, M) of the ratings, ``ci_low`` and ``ci_high`` (M,) at level ``confidence``.
    """

    models: tuple[Hashable, ...]
    ratings: NDArray[np.float64]
    covariance: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    n_votes: int
    iterations: int
    scale: float
    base: float
    center: float
    confidence: float


def fit_bradley_terry(
    counts: Counts, *, scale: float = 400.0, base: float = 10.0, center: float = 1000.0, confidence: float = 0.95
) -> BradleyTerry:
    """Fit all models of ``counts``.

    Raises NotOnOneScale when a model has no votes, is not connected with the others, or never lost (or won); ValueError
    for a table with fewer than two models, or for parameters out of range.
    """
    if len(counts.models) < 2:
        raise ValueError(f"A rating compares at least 2 models, got {len(counts.models)}.")
    if not (scale > 0 and base > 1 and 0 < confidence < 1 and math.isfinite(center)):
        raise ValueError(f"Wanted scale > 0, base > 1, 0 < confidence < 1; got {scale=}, {base=}, {confidence=}.")
    components = find_components(counts)
    if components.unrated:
        raise NotOnOneScale({counts.models[i]: reason for i, reason in components.unrated.items()})
    draws = counts.drawn(TIE) + counts.drawn(BOTH_BAD)
    half_wins = 2.0 * counts.wins + draws
    theta, iterations = _maximize(half_wins / 2.0)
    unit = scale / math.log(base)
    covariance = unit**2 * _sandwich(theta, counts.wins, draws)
    ratings = center + unit * theta
    margin = norm.ppf(0.5 + confidence / 2.0) * np.sqrt(np.diag(covariance))
    return BradleyTerry(
        models=counts.models,
        ratings=ratings,
        covariance=covariance,
        ci_low=ratings - margin,
        ci_high=ratings + margin,
        n_votes=counts.n_votes,
        iterations=iterations,
        scale=scale,
        base=base,
        center=center,
        confidence=confidence,
    )


def _maximize(wins: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """θ with mean 0 that maximises Σ wins_ij log σ(θ_i - θ_j), by Newton steps halved until the likelihood rises."""
    meetings = wins + wins.T
    theta = np.zeros(len(wins))
    likelihood = _log_likelihood(theta, wins)
    for iteration in range(1, 101):
        p = expit(theta[:, None] - theta[None, :])
        gradient = (wins - meetings * p).sum(axis=1)
        step = _solve_centered(_laplacian(meetings * p * (1.0 - p)), gradient[:, None])[:, 0]
        # The rise that this step can still bring is lost in the rounding of the likelihood: after it we are there.
        if gradient @ step <= 1e-13 * (1.0 + abs(likelihood)):
            theta = theta + step
            return theta - theta.mean(), iteration
        while (risen := _log_likelihood(theta + step, wins)) < likelihood:
            step = step / 2.0
        theta, likelihood = theta + step, risen
    raise ArithmeticError("Newton's method did not converge in 100 steps.")


def _log_likelihood(theta: NDArray[np.float64], wins: NDArray[np.float64]) -> float:
    return float((wins * log_expit(theta[:, None] - theta[None, :])).sum())


def _sandwich(theta: NDArray[np.float64], wins: NDArray[np.int64], draws: NDArray[np.int64]) -> NDArray[np.float64]:
    """H⁻¹ G H⁻¹ with the mean of θ fixed."""
    p = expit(theta[:, None] - theta[None, :])
    hessian = _laplacian((wins + wins.T + draws) * p * (1.0 - p))
    squared_scores = wins * (1.0 - p) ** 2 + wins.T * p**2 + draws * (0.5 - p) ** 2
    inverse_times_g = _solve_centered(hessian, _laplacian(squared_scores))
    return _solve_centered(hessian, inverse_times_g.T)


def _laplacian(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    laplacian: NDArray[np.float64] = np.diag(weights.sum(axis=1)) - weights
    return laplacian


def _solve_centered(laplacian: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """x with ``laplacian @ x = right`` and columns of mean 0, for a connected graph.

    Adding a constant to every entry gives the null space (all ones) an eigenvalue of its own without touching the rest.
    """
    m = len(laplacian)
    shift = np.trace(laplacian) / m**2
    solution: NDArray[np.float64] = cho_solve(cho_factor(laplacian + shift), right)
    centered: NDArray[np.float64] = solution - solution.mean(axis=0)
    return centered
