"""Bradley-Terry ratings from counts, as the arenas publish them, and two models with ties."""

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.components import DisconnectedModelsError, find_components
from evaluation.ratings.counts import Counts, check_clusters
from evaluation.ratings.covariances import cluster_votes, find_sandwich
from evaluation.ratings.families import BRADLEY_TERRY, DAVIDSON, RAO_KUPPER, Family
from evaluation.ratings.fitting import Optimum, invert, maximize, pair_up
from evaluation.ratings.outcomes import Treatment, check_treatment
from evaluation.ratings.ratings import Estimate, Ratings, check_confidence, estimate
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes

Interval = Literal["sandwich", "inverse_hessian"]


class NoTiesError(ValueError):
    """A tie parameter cannot be fitted: no vote is a tie, or every vote is."""


def fit_bradley_terry(
    counts: Counts,
    *,
    ties: Treatment = "half",
    both_bad: Treatment = "half",
    side: bool = False,
    interval: Interval = "sandwich",
    clusters: Votes | None = None,
    scale: Scale = Scale(),
    confidence: float = 0.95,
) -> Ratings:
    """Bradley & Terry 1952: P(i beats j) = 1 / (1 + exp(-(θ_i - θ_j))), by maximum likelihood.

    Args:
        counts: The votes on M models.
        ties: Count a tie as half a win for each side, or drop it.
        both_bad: The same for "both bad".
        side: Fit an intercept for the model shown as A ("side" in the coefficients, in log-odds).
        interval: The covariance behind the intervals.
        clusters: The same votes with their columns of clusters. Makes the covariance cluster-robust instead.
        scale: The points of the ratings.
        confidence: Level of the intervals.

    Raises:
        DisconnectedModelsError: A model has no votes, is not connected to the others, or never lost (or won).
        NoFiniteFitError: With ``side``, one side won every vote.
        TooFewClustersError: With ``clusters``, all votes belong to one cluster of a column.
        ValueError: Fewer than two models, a parameter out of range, or clusters with other votes than ``counts``.
    """
    check_treatment(ties=ties, both_bad=both_bad)
    return _fit(BRADLEY_TERRY, counts, ties, both_bad, side, interval, clusters, scale, confidence)


def fit_davidson(
    counts: Counts,
    *,
    both_bad: Treatment = "drop",
    side: bool = False,
    interval: Interval = "sandwich",
    clusters: Votes | None = None,
    scale: Scale = Scale(),
    confidence: float = 0.95,
) -> Ratings:
    """Davidson 1970: win, loss and tie have odds π_i : π_j : ν √(π_i π_j), π = exp θ. "tie" in the coefficients is ν.

    Two equal models tie with probability ν / (2 + ν). ``both_bad="half"`` takes those votes as ties. All other
    arguments are those of fit_bradley_terry.

    Raises the errors of fit_bradley_terry, NoTiesError, and NoFiniteFitError if wins and ties never overlap.
    """
    check_treatment(both_bad=both_bad)
    return _fit(DAVIDSON, counts, "model", both_bad, side, interval, clusters, scale, confidence)


def fit_rao_kupper(
    counts: Counts,
    *,
    both_bad: Treatment = "drop",
    side: bool = False,
    interval: Interval = "sandwich",
    clusters: Votes | None = None,
    scale: Scale = Scale(),
    confidence: float = 0.95,
) -> Ratings:
    """Rao & Kupper 1967: P(i beats j) = π_i / (π_i + κ π_j), a tie otherwise. "tie" in the coefficients is κ ≥ 1.

    Two equal models tie with probability (κ - 1) / (κ + 1). Arguments and errors are those of fit_davidson.
    """
    check_treatment(both_bad=both_bad)
    return _fit(RAO_KUPPER, counts, "model", both_bad, side, interval, clusters, scale, confidence)


def _fit(
    family: Family,
    counts: Counts,
    ties: str,
    both_bad: Treatment,
    side: bool,
    interval: Interval,
    clusters: Votes | None,
    scale: Scale,
    confidence: float,
) -> Ratings:
    check_type("counts", counts, Counts)
    check_type("scale", scale, Scale)
    if clusters is not None:
        check_type("clusters", clusters, Votes)
    check_confidence(confidence)
    if interval not in get_args(Interval):
        raise ValueError(f"interval must be {' or '.join(map(repr, get_args(Interval)))}, got {interval!r}.")
    if len(counts.models) < 2:
        raise ValueError(f"Ratings need at least 2 models, got {len(counts.models)}.")
    components = find_components(counts, ties="drop" if ties == "drop" else "half", both_bad=both_bad)
    if components.unrated:
        raise DisconnectedModelsError({counts.models[i]: reason for i, reason in components.unrated.items()})
    counted = {"ties": ties != "drop", "both_bad": both_bad == "half"}
    pairs = pair_up(counts, **counted, side=side)
    if family.models_ties and not (pairs.votes[2].any() and pairs.votes[:2].any()):
        raise NoTiesError("A tie parameter needs both decided votes and ties. Use fit_bradley_terry instead.")
    optimum = maximize(family, pairs)
    degrees_of_freedom = np.full(len(optimum.hessian), math.inf)
    if clusters is not None:
        check_clusters(clusters, counts)
        found = cluster_votes(
            family, clusters, pairs, optimum, **counted, side=side, scale=scale, confidence=confidence
        )
        covariance, degrees_of_freedom = found.covariance, found.degrees_of_freedom
    elif interval == "sandwich":
        covariance = find_sandwich(family, pairs, optimum)
    else:
        covariance = invert(optimum.hessian, pairs.n_models)
    m = pairs.n_models
    values, spread = scale.place(counts.models, optimum.theta, covariance[:m, :m])
    return Ratings(
        models=counts.models,
        values=values,
        covariance=spread,
        method=family.name,
        ties=ties,
        both_bad=both_bad,
        interval=interval if clusters is None else "+".join(clusters.clusters),
        n_votes=counts.n_votes,
        scale=scale,
        confidence=confidence,
        degrees_of_freedom=degrees_of_freedom[:m],
        coefficients=_coefficients(family, optimum, covariance, side, confidence, degrees_of_freedom),
        iterations=optimum.iterations,
    )


def _coefficients(
    family: Family,
    optimum: Optimum,
    covariance: NDArray[np.float64],
    side: bool,
    confidence: float,
    degrees_of_freedom: NDArray[np.float64],
) -> dict[str, Estimate]:
    errors, dof = np.sqrt(np.maximum(np.diag(covariance), 0.0)).tolist(), degrees_of_freedom.tolist()
    m, found = len(optimum.theta), {}
    if side:
        found["side"] = estimate(optimum.side, errors[m], confidence, dof[m])
    if family.models_ties:
        log = estimate(optimum.tau, errors[-1], confidence, dof[-1])
        ratio, low, high = (math.exp(x) for x in (log.value, log.ci_low, log.ci_high))
        found["tie"] = Estimate(ratio, ratio * log.standard_error, low, high, log.p_value, confidence)
    return found
