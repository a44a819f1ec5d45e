"""Usable rates: how often a model's image is usable at all, estimated from "both bad" votes.

Model: model i's image is usable with probability u_i, independently of the other image; a vote is "both bad" if neither
is usable. So log P(both bad) = log(1 - u_i) + log(1 - u_j), a log-linear binomial model (Wacholder 1986), concave in
log(1 - u). Each model also has Jeffreys' Beta(½, ½) prior on u, the weight of one vote. The prior makes the rate finite
for a model that was never in a "both bad", and unique for a vote graph without odd cycles. The strength among usable
images has parameters of its own: fit it with both_bad="drop".
"""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.counts import Counts, check_clusters
from evaluation.ratings.families import sigmoid
from evaluation.ratings.fitting import Pairs, pair_up
from evaluation.ratings.jackknife import Clustered, Indices, Information, Rows, find_clustered
from evaluation.ratings.outcomes import BOTH_BAD
from evaluation.ratings.ratings import check_confidence, find_quantiles, quantile
from evaluation.ratings.votes import Votes

Array = NDArray[np.float64]
PRIOR = 0.5


@dataclass(frozen=True, eq=False)
class UsableRates:
    """``values``, ``ci_low``, ``ci_high`` (M,): share of usable images, NaN for models without votes.

    ``covariance`` (M, M) is that of the log-odds of the rates. ``n_votes`` (M,) counts the votes of each model.
    """

    models: tuple[Hashable, ...]
    values: Array
    ci_low: Array
    ci_high: Array
    covariance: Array
    n_votes: Array
    confidence: float
    prior: float = PRIOR


def fit_usable_rates(counts: Counts, *, clusters: Votes | None = None, confidence: float = 0.95) -> UsableRates:
    """The usable rate of each model: the posterior's mode in log(1 - u), and an interval on the log-odds scale.

    Without ``clusters``, votes are assumed independent. With them (the same votes with their columns of clusters), the
    interval is clustered as that of fit_bradley_terry, and never narrower than for independent votes. Raises ValueError
    without votes, and for a confidence out of range; TooFewClustersError if all votes belong to one cluster.
    """
    check_type("counts", counts, Counts)
    check_confidence(confidence)
    if not counts.n_votes:
        raise ValueError("Usable rates need votes, got none.")
    pairs = pair_up(counts, ties=True, both_bad=True)
    bad = counts.drawn(BOTH_BAD)[pairs.left, pairs.right].astype(np.float64)
    other = pairs.votes.sum(axis=0) - bad
    phi = _maximize(pairs, bad, other)
    # Not the sandwich: for a model that was never in a "both bad" it would be far too small.
    covariance: Array = np.linalg.inv(_derive(pairs, bad, other, phi)[1]).astype(np.float64, copy=False)
    # The log-odds of u are log(1 - q) - log q with q = e^φ; their slope in φ is -1 / (1 - q).
    slope = 1.0 / -np.expm1(phi)
    covariance = slope[:, None] * covariance * slope[None, :]
    logit = np.log(-np.expm1(phi)) - phi
    margin = quantile(confidence) * np.sqrt(np.diag(covariance))
    if clusters is not None:
        check_clusters(clusters, counts)
        found = _cluster(clusters, phi, covariance / np.outer(slope, slope), confidence)
        covariance = slope[:, None] * found.covariance * slope[None, :]
        # A model that was never in a "both bad" has hardly any slopes: its clusters tell less than its prior.
        errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        margin = np.maximum(margin, find_quantiles(confidence, found.degrees_of_freedom) * errors)
    n_votes = counts.meetings.sum(axis=1).astype(np.float64)
    values, low, high = (np.where(n_votes > 0, sigmoid(x), np.nan) for x in (logit, logit - margin, logit + margin))
    return UsableRates(counts.models, values, low, high, covariance, n_votes, confidence)


def _cluster(votes: Votes, phi: Array, inverse: Array, confidence: float) -> Clustered:
    """The clustered covariance (M, M) of φ."""
    weight = np.ones(len(votes)) if votes.weight is None else votes.weight.astype(np.float64)
    kept = np.flatnonzero(weight > 0)

    def read(rows: Indices) -> Rows:
        chosen, n = kept[rows], np.arange(len(rows))
        a, b, bad = votes.model_a[chosen], votes.model_b[chosen], votes.winner[chosen] == BOTH_BAD
        odds, both = 1.0 / np.expm1(-(phi[a] + phi[b])), np.zeros((len(rows), len(phi)))
        both[n, a] = both[n, b] = 1.0
        slopes = both * (weight[chosen] * np.where(bad, 1.0, -odds))[:, None]
        return Rows(
            slopes, (both * np.sqrt(weight[chosen] * np.where(bad, 0.0, odds * (1.0 + odds)))[:, None])[:, None]
        )

    information = Information(inverse, inverse, read, weight[kept], np.eye(len(phi)))
    return find_clustered(information, {name: codes[kept] for name, codes in votes.clusters.items()}, confidence)


def _maximize(pairs: Pairs, bad: Array, other: Array) -> Array:
    """φ = log(1 - u) (M,) at the maximum of log-likelihood plus log-prior."""
    phi = np.full(pairs.n_models, np.log(0.5))
    value = _log_posterior(pairs, bad, other, phi)
    for _ in range(200):
        gradient, hessian = _derive(pairs, bad, other, phi)
        step = np.linalg.solve(hessian, gradient)
        if gradient @ step <= 1e-13 * (1.0 + abs(value)):
            return phi
        while not (risen := _log_posterior(pairs, bad, other, phi + step)) >= value:
            step = step / 2.0
        phi, value = phi + step, risen
    raise ArithmeticError("Newton's method did not converge in 200 steps.")


def _log_posterior(pairs: Pairs, bad: Array, other: Array, phi: Array) -> float:
    if (phi >= 0).any():
        return -np.inf
    both = phi[pairs.left] + phi[pairs.right]
    prior = PRIOR * (phi + np.log(-np.expm1(phi))).sum()
    return float((bad * both + other * np.log(-np.expm1(both))).sum() + prior)


def _derive(pairs: Pairs, bad: Array, other: Array, phi: Array) -> tuple[Array, Array]:
    """Gradient (M,) and minus the second derivatives (M, M) of the log-posterior."""
    both = phi[pairs.left] + phi[pairs.right]
    odds, own = 1.0 / np.expm1(-both), 1.0 / np.expm1(-phi)  # q / (1 - q)
    gradient = _add_to_both(pairs, bad - other * odds) + PRIOR * (1.0 - own)
    hessian = _laplacian(pairs, other * odds * (1.0 + odds))
    hessian[np.diag_indices_from(hessian)] += PRIOR * own * (1.0 + own)
    return gradient, hessian


def _add_to_both(pairs: Pairs, values: Array) -> Array:
    m = pairs.n_models
    total: Array = np.bincount(pairs.left, values, m).astype(np.float64)
    return total + np.bincount(pairs.right, values, m)


def _laplacian(pairs: Pairs, weights: Array) -> Array:
    """(M, M): Σ weight (e_i + e_j)(e_i + e_j)ᵀ, the signless Laplacian."""
    matrix = np.zeros((pairs.n_models, pairs.n_models))
    matrix[pairs.left, pairs.right] = weights
    matrix += matrix.T
    total: Array = matrix + np.diag(matrix.sum(axis=1))
    return total
