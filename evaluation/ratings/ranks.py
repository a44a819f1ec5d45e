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
    section 3). Raises ValueError for a confidence out of range and fewer than 100 draws.
    """
    check_type("ratings", ratings, Ratings)
    check_confidence(confidence)
    noise = _draw_noise(ratings, draws, seed)
    return conclude_rank_sets(ratings.models, ratings.values, ratings.covariance, noise, confidence, seed)


def conclude_rank_sets(
    models: tuple[Hashable, ...],
    values: NDArray[np.float64],
    covariance: NDArray[np.float64],
    noise: NDArray[np.float32],
    confidence: float,
    seed: int,
) -> RankSets:
    """Rank sets of ``values`` (M,) with ``covariance`` (M, M), from the deviations ``noise`` (M, B) of draws."""
    variances = np.diag(covariance)
    errors = np.sqrt(np.maximum(variances[:, None] + variances[None, :] - 2.0 * covariance, 0.0))
    # Two models that always move together differ by a known amount, with a standard error of zero.
    known = 1e-6 * errors.max(initial=0.0)
    inverse = np.divide(1.0, errors, where=errors > known, out=np.zeros_like(errors)).astype(np.float32)
    largest = find_largest_differences(noise, inverse)
    critical_value = float(np.quantile(largest, confidence, method="higher"))
    above = values[:, None] - values[None, :] > np.maximum(critical_value * errors, known)
    best, worst = 1 + above.sum(axis=0), len(models) - above.sum(axis=1)
    return RankSets(models, best, worst, confidence, critical_value, noise.shape[1], seed)


def find_largest_differences(noise: NDArray[np.float32], inverse_errors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(B,): max over pairs of |noise_i - noise_j| / error_ij, for ``noise`` (M, B) and 1 / error (M, M)."""
    largest = np.zeros(noise.shape[1], dtype=np.float32)
    for i in range(len(noise) - 1):
        difference = noise[i + 1 :] - noise[i]
        np.abs(difference, out=difference)
        difference *= inverse_errors[i, i + 1 :, None]
        np.maximum(largest, difference.max(axis=0), out=largest)
    return largest


def find_rank_probabilities(ratings: Ratings, *, draws: int = 4000, seed: int = 0) -> RankProbabilities:
    """Probability of each rank for each model, from draws of the posterior of the ratings under a flat prior.

    The standard error of a probability p from ``draws`` draws is sqrt(p (1 - p) / draws): at most 0.008 with 4,000.
    Raises ValueError for fewer than 100 draws.
    """
    check_type("ratings", ratings, Ratings)
    sample = ratings.values[:, None] + _draw_noise(ratings, draws, seed)
    m = len(ratings.models)
    order = np.argsort(-sample, axis=0)
    at = np.bincount((order * m + np.arange(m)[:, None]).ravel(), minlength=m * m).reshape(m, m) / draws
    return RankProbabilities(ratings.models, at, draws, seed)


def _draw_noise(ratings: Ratings, draws: int, seed: int) -> NDArray[np.float32]:
    """(M, draws) deviations with the ratings' covariance; with few degrees of freedom, of a multivariate t."""
    if draws < 100:
        raise ValueError(f"Expected at least 100 draws, got {draws}.")
    values, vectors = np.linalg.eigh(ratings.covariance)
    rng = np.random.default_rng(seed)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)
    noise: NDArray[np.float32] = root @ rng.standard_normal((len(root), draws), dtype=np.float32)
    dof = ratings.degrees_of_freedom
    if not math.isinf(dof):
        noise /= np.sqrt(rng.chisquare(dof, draws) / dof).astype(np.float32)
    return noise
