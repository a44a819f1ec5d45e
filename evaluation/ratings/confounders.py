"""Confounder control: ratings adjusted for differences between two images other than the models that drew them.

logit P(A wins) = θ_a - θ_b + β + z · γ: z (K,) are differences "A minus B" between a vote's two images, and β is the
advantage of being shown as A. A column is divided by its root mean square and never centered: a difference changes its
sign with the sides, so that subtracting a mean would make the ratings depend on which image was A.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.bradley_terry import Interval
from evaluation.ratings.components import DisconnectedModelsError, find_components
from evaluation.ratings.counts import Counts, count_votes
from evaluation.ratings.families import BRADLEY_TERRY, sigmoid
from evaluation.ratings.fitting import invert, maximize, pair_up
from evaluation.ratings.jackknife import Clustered, Indices, Information, Rows, find_clustered
from evaluation.ratings.outcomes import Treatment, check_treatment
from evaluation.ratings.ratings import Ratings, check_confidence, estimate
from evaluation.ratings.regression import Design, Optimum, climb, lay_out
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes

Array = NDArray[np.float64]

# More votes than these are worth a first fit to a sample of them: one block in SAMPLE.
MANY = 1 << 19
SAMPLE = 12


@dataclass(frozen=True, eq=False)
class Controlled(Ratings):
    """Ratings of fit_controlled. Its coefficients are "side" and the covariates by name.

    The coefficient of a covariate is in log-odds per root mean square of its column. ``scales`` holds these root mean
    squares: coefficient / scale is the log-odds per original unit. ``prior_sd`` is the argument of the fit.
    """

    scales: Mapping[str, float] = field(default_factory=dict)
    prior_sd: float | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of Ratings, with the names of the coefficients, the scales and the prior."""
        more = {"coefficients": list(self.coefficients), "scales": dict(self.scales), "prior_sd": self.prior_sd}
        return super().parameters | more


def fit_controlled(
    votes: Votes,
    covariates: Mapping[str, NDArray[Any]] | None = None,
    *,
    side: bool = True,
    ties: Treatment = "half",
    both_bad: Treatment = "half",
    prior_sd: float | None = None,
    interval: Interval = "sandwich",
    clustered: bool = False,
    scale: Scale = Scale(),
    confidence: float = 0.95,
) -> Controlled:
    """Bradley-Terry ratings of images that are equal in ``covariates`` and in the side they are shown on.

    The ratings are those of the maximum to 1e-9 of their unit. Their covariance is exact to a part in 1e8, or to a part
    in 1e5 with more than half a million votes.

    Args:
        votes: N votes on M models.
        covariates: Columns (N,) of differences "A minus B" by name, of any numeric type. Each is divided by its root
            mean square over the votes that count, with their weights.
        side: Fit an intercept for the model shown as A.
        ties: As for fit_bradley_terry, like ``both_bad``, ``interval``, ``scale`` and ``confidence``.
        prior_sd: Standard deviation, in log-odds per scaled unit, of a normal prior with mean zero on the coefficients
            of the covariates alone. Σ γ² / (2 prior_sd²) is subtracted from the sum of the log-likelihood over the
            votes, not from its mean, so that the prior matters less the more votes there are.
        clustered: Make the intervals robust to votes that depend on each other within each column of
            ``votes.clusters``.

    Raises:
        DisconnectedModelsError: As for fit_bradley_terry.
        NoFiniteFitError: The covariates or the side predict votes without error.
        TooFewClustersError: With ``clustered``, all votes belong to one cluster of a column.
        ValueError: Fewer than two models, a parameter out of range, or a column of another length, with a value that is
            not finite, zero throughout, or that is a combination of other columns, the models or the side.
    """
    check_type("votes", votes, Votes)
    check_type("scale", scale, Scale)
    check_type("clustered", clustered, bool)
    if covariates is not None:
        check_type("covariates", covariates, Mapping)
    check_treatment(ties=ties, both_bad=both_bad)
    _check_parameters(interval, prior_sd, confidence)
    columns = dict(covariates or {})
    if "side" in columns:
        raise ValueError("A covariate cannot be named 'side', the coefficient of being shown as A. Rename it.")
    if clustered and not votes.clusters:
        raise ValueError("The votes have no clusters. Name the rater or the prompt of each vote in Votes.clusters.")
    counts = count_votes(votes)
    _check_connected(counts, ties, both_bad)

    counted = {"ties": ties == "half", "both_bad": both_bad == "half"}
    design = lay_out(votes, columns, side=side, **counted)
    m, free = len(votes.models), np.zeros(len(votes.models) + side)
    precision = np.append(free, np.full(len(columns), 0.0 if prior_sd is None else prior_sd**-2.0))
    theta = maximize(BRADLEY_TERRY, pair_up(counts, **counted)).theta
    optimum = _fit(design, np.append(theta, np.zeros(len(design.names))), precision)
    covariance, degrees_of_freedom = _find_covariance(design, optimum, interval, clustered, scale, confidence)
    values, spread = scale.place(votes.models, optimum.x[:m], covariance[:m, :m])
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return Controlled(
        models=votes.models,
        values=values,
        covariance=spread,
        method="controlled",
        ties=ties,
        both_bad=both_bad,
        interval="+".join(votes.clusters) if clustered else interval,
        n_votes=counts.n_votes,
        scale=scale,
        confidence=confidence,
        degrees_of_freedom=degrees_of_freedom[:m],
        coefficients={
            name: estimate(float(optimum.x[q]), float(errors[q]), confidence, float(degrees_of_freedom[q]))
            for q, name in enumerate(design.names, m)
        },
        iterations=optimum.iterations,
        scales=dict(zip(columns, design.scales.tolist(), strict=True)),
        prior_sd=prior_sd,
    )


def _check_parameters(interval: str, prior_sd: float | None, confidence: float) -> None:
    check_confidence(confidence)
    if interval not in get_args(Interval):
        raise ValueError(f"interval must be {' or '.join(map(repr, get_args(Interval)))}, got {interval!r}.")
    if prior_sd is not None and not 0 < prior_sd < math.inf:
        raise ValueError(f"prior_sd must be a finite number above 0, or None for no prior; got {prior_sd}.")


def _check_connected(counts: Counts, ties: Treatment, both_bad: Treatment) -> None:
    if len(counts.models) < 2:
        raise ValueError(f"Ratings need at least 2 models, got {len(counts.models)}.")
    components = find_components(counts, ties=ties, both_bad=both_bad)
    if components.unrated:
        raise DisconnectedModelsError({counts.models[i]: reason for i, reason in components.unrated.items()})


def _fit(design: Design, start: Array, precision: Array) -> Optimum:
    if len(design.votes) <= MANY:
        return climb(design, start, precision, np.zeros_like(start), tolerance=1e-8, squares=True)
    # A first fit to a sample saves one or two passes over all votes. A prior of one vote's weight on each parameter
    # keeps it finite, because models may be missing from the sample.
    near = climb(design.sample(SAMPLE), start, np.ones_like(start), start, tolerance=0.05).x
    return climb(design, near, precision, np.zeros_like(start), tolerance=1e-5, squares=True)


def _find_covariance(
    design: Design, optimum: Optimum, interval: Interval, clustered: bool, scale: Scale, confidence: float
) -> tuple[Array, Array]:
    """Covariance (Q, Q) and degrees of freedom (Q,), as in evaluation.ratings.covariances."""
    inverse = invert(optimum.hessian, len(design.votes.models))
    independent = inverse if optimum.squares is None else inverse @ optimum.squares @ inverse
    if clustered:
        found = _cluster(design, optimum.x, inverse, independent, scale, confidence)
        return found.covariance, found.degrees_of_freedom
    return independent if interval == "sandwich" else inverse, np.full(len(inverse), math.inf)


def _cluster(
    design: Design, x: Array, inverse: Array, independent: Array, scale: Scale, confidence: float
) -> Clustered:
    """The clustered covariance; votes that are dropped are in no cluster."""
    votes, m = design.votes, len(design.votes.models)
    kept = np.flatnonzero(design.weigh(slice(None)) > 0)

    def read(rows: Indices) -> Rows:
        chosen = kept[rows]
        a, b, lean, z = design.read(chosen)
        p, weight, n = sigmoid(design.predict(x, a, b, z)), design.weigh(chosen), np.arange(len(rows))
        in_eta = np.zeros((len(rows), len(x)))
        in_eta[n, a], in_eta[n, b], in_eta[:, m:] = 1.0, -1.0, z.T
        slopes = in_eta * (weight * (lean + 0.5 - p))[:, None]
        return Rows(slopes, (in_eta * np.sqrt(weight * p * (1.0 - p))[:, None])[:, None])

    weight = np.ones(len(kept)) if votes.weight is None else votes.weight[kept].astype(np.float64)
    information = Information(inverse, independent, read, weight, scale.contrast(votes.models, len(inverse)))
    return find_clustered(information, {name: codes[kept] for name, codes in votes.clusters.items()}, confidence)
