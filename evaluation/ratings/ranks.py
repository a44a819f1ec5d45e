"""Ranks with their uncertainty: ranges, simultaneous sets, probabilities."""

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.ratings import Ratings, check_confidence


@dataclass(frozen=True, eq=False)
class RankSets:
    """``best`` and ``worst`` (M,): with probability ``confidence``, the true ranks of all models lie in their sets."""

    models: tuple[Hashable, ...]
    best: NDArray[np.int64]
    worst: NDArray[np.int64]
    confidence: float
    critical_value: float
    draws: int
    seed: int


@dataclass(frozen=True, eq=False)
class RankProbabilities:
    """``at`` (M, M): probability that model i has rank r + 1, given the votes."""

    models: tuple[Hashable, ...]
    at: NDArray[np.float64]
    draws: int
    seed: int

    @property
    def best(self) -> NDArray[np.float64]:
        """(M,): probability that a model is first."""
        return self.top(1)

    def top(self, k: int) -> NDArray[np.float64]:
        """(M,): probability that a model is among the first ``k``."""
        if not 1 <= k <= len(self.models):
            raise ValueError(f"k must be 1 to {len(self.models)}, got {k}.")
        probability: NDArray[np.float64] = self.at[:, :k].sum(axis=1)
        return probability


def rank_ranges(
    ci_low: NDArray[np.float64], ci_high: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Best and worst rank (M,) that each model's interval allows, as the public arenas print them.

    best = 1 + #{models wholly above}, worst = #{models not wholly below, itself included}. Each range has its level
    alone; for ranges that hold for all models at once use ``find_rank_sets``. Raises ValueError for intervals of
    different shapes or with ci_low > ci_high.
    """
    ci_low, ci_high = np.asarray(ci_low), np.asarray(ci_high)
    if ci_low.ndim != 1 or ci_low.shape != ci_high.shape or not (ci_low <= ci_high).all():
        raise ValueError(f"Expected ci_low <= ci_high of one shape (M,), got {ci_low.shape} and {ci_high.shape}.")
    best = 1 + (ci_low[None, :] > ci_high[:, None]).sum(axis=1)
    worst = (ci_high[None, :] >= ci_low[:, None]).sum(axis=1)
    return best.astype(np.int64), worst.astype(np.int64)


def find_rank_sets(ratings: Ratings, *, confidence: float = 0.95, draws: int = 2000, seed: int = 0) -> RankSets:
    """Rank sets that hold for all models at once.

    Every difference of two ratings gets an interval, with one critical value for all: the quantile of the largest
    studentized difference, from draws of the estimates' normal (or t) distribution. A model's set follows from the
    models that are significantly above and below it (Mogstad, Romano, Shaikh & Wilhelm 2024, "Inference for ranks",
    section 3). Differences with other degrees of freedom are compared, and the critical value is reported, as the
    normal deviate of the same probability. Raises ValueError for a confidence out of range and fewer than 100 draws.
    """
    check_type("ratings", ratings, Ratings)
    check_confidence(confidence)
    noise, shrinkage = _draw_noise(ratings, draws, seed)
    return conclude_rank_sets(
        ratings.models, ratings.values, ratings.covariance, noise, confidence, seed, ratings.model_degrees, shrinkage
    )


def conclude_rank_sets(
    models: tuple[Hashable, ...],
    values: NDArray[np.float64],
    covariance: NDArray[np.float64],
    noise: NDArray[np.float32],
    confidence: float,
    seed: int,
    degrees_of_freedom: NDArray[np.float64] | None = None,
    shrinkage: NDArray[np.float32] | None = None,
) -> RankSets:
    """Rank sets of ``values`` (M,) with ``covariance`` (M, M), from the deviations ``noise`` (M, B) of draws.

    With ``degrees_of_freedom`` (M,), ``shrinkage`` (M, B) is by how much the standard error of a model is too small in
    a draw. A difference has those of the model with fewer degrees of freedom.
    """
    variances = np.diag(covariance)
    errors = np.sqrt(np.maximum(variances[:, None] + variances[None, :] - 2.0 * covariance, 0.0))
    # Two models that always move together differ by a known amount, with a standard error of zero.
    known = 1e-6 * errors.max(initial=0.0)
    inverse = np.divide(1.0, errors, where=errors > known, out=np.zeros_like(errors)).astype(np.float32)
    degrees = np.full(len(models), np.inf) if degrees_of_freedom is None else degrees_of_freedom
    # In this order, each model has fewer degrees of freedom than those after it.
    order = np.argsort(degrees, kind="stable")
    largest = np.zeros(noise.shape[1])
    for place, i in enumerate(order[:-1].tolist()):
        others = order[place + 1 :]
        differences = (np.abs(noise[others] - noise[i]) * inverse[i, others, None]).max(axis=0)
        if shrinkage is not None:
            differences /= shrinkage[i]
        np.maximum(largest, _to_deviate(differences.astype(np.float64), degrees[i]), out=largest)
    critical_value = float(np.quantile(largest, confidence, method="higher"))
    critical = _to_difference(critical_value, np.minimum(degrees[:, None], degrees[None, :]))
    above = values[:, None] - values[None, :] > np.maximum(critical * errors, known)
    best, worst = 1 + above.sum(axis=0), len(models) - above.sum(axis=1)
    return RankSets(models, best, worst, confidence, critical_value, noise.shape[1], seed)


def _to_deviate(t: NDArray[np.float64], degrees_of_freedom: float) -> NDArray[np.float64]:
    """The normal deviate of the same tail probability as Student's ``t`` >= 0, to 0.02.

    Source: Wallace 1959, "Bounds on normal approximations to Student's and the chi-square distributions", section 3.
    """
    if math.isinf(degrees_of_freedom):
        return t
    nu = degrees_of_freedom
    deviate: NDArray[np.float64] = np.sqrt(nu * np.log1p(t**2 / nu)) * (8.0 * nu + 1.0) / (8.0 * nu + 3.0)
    return deviate


def _to_difference(deviate: float, degrees_of_freedom: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of ``_to_deviate``, for each number of degrees of freedom."""
    nu = np.minimum(degrees_of_freedom, 1e9)
    with np.errstate(over="ignore"):
        t: NDArray[np.float64] = np.sqrt(nu * np.expm1((deviate * (8.0 * nu + 3.0) / (8.0 * nu + 1.0)) ** 2 / nu))
    return t


def find_rank_probabilities(ratings: Ratings, *, draws: int = 4000, seed: int = 0) -> RankProbabilities:
    """Probability of each rank for each model, from draws of the posterior of the ratings under a flat prior.

    The standard error of a probability p from ``draws`` draws is sqrt(p (1 - p) / draws): at most 0.008 with 4,000.
    Raises ValueError for fewer than 100 draws.
    """
    check_type("ratings", ratings, Ratings)
    noise, shrinkage = _draw_noise(ratings, draws, seed)
    sample = ratings.values[:, None] + (noise if shrinkage is None else noise / shrinkage)
    m = len(ratings.models)
    order = np.argsort(-sample, axis=0)
    at = np.bincount((order * m + np.arange(m)[:, None]).ravel(), minlength=m * m).reshape(m, m) / draws
    return RankProbabilities(ratings.models, at, draws, seed)


def _draw_noise(ratings: Ratings, draws: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """(M, draws): normal deviations with the ratings' covariance, and what to divide them by for Student's t.

    The divisors are √(χ² / degrees of freedom), None if these are infinite. In a draw, the χ² of all models have the
    same probability: with equal degrees of freedom the quotients are a multivariate t.
    """
    if draws < 100:
        raise ValueError(f"Expected at least 100 draws, got {draws}.")
    values, vectors = np.linalg.eigh(ratings.covariance)
    rng = np.random.default_rng(seed)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)
    noise: NDArray[np.float32] = root @ rng.standard_normal((len(root), draws), dtype=np.float32)
    degrees, place = np.unique(ratings.model_degrees, return_inverse=True)
    if np.isinf(degrees).all():
        return noise, None
    from scipy.special import chdtri

    probability = rng.random(draws)
    finite = np.minimum(degrees, 1e6)
    shrinkage = np.stack([np.sqrt(chdtri(dof, probability) / dof) for dof in finite.tolist()])
    return noise, np.maximum(shrinkage, 1e-6).astype(np.float32)[place]
