"""Planning of votes: how many more, and on which matchups, bring an interval to a given width."""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.counts import Counts
from evaluation.ratings.information import find_information, predict_reduction, update_covariance
from evaluation.ratings.ratings import Ratings, find_quantiles

Array = NDArray[np.float64]

# A batch is this share of the votes planned so far, so that a million votes take a few hundred steps.
BATCH = 0.02
MOST_VOTES = 10**9


class UnreachableWidthError(ValueError):
    """No number of votes up to a billion on the permitted models brings the interval to the width."""


@dataclass(frozen=True, eq=False)
class Plan:
    """``matchups``: the votes to cast on each pair of models, most first; empty if the width is already reached.

    Widths are ci_high - ci_low in points, at level ``confidence``: ``width`` is the requested one, ``width_now`` the
    current one of ``model`` or ``pair`` (the widest of all models if neither is given), ``expected_width`` the same
    after the plan, and ``expected_widths`` (M,) those of all ``models``. ``design_effect``: see find_design_effect.
    """

    models: tuple[Hashable, ...]
    matchups: Mapping[tuple[Hashable, Hashable], int]
    width: float
    model: Hashable | None
    pair: tuple[Hashable, Hashable] | None
    weights: Mapping[Hashable, float]
    width_now: float
    expected_width: float
    expected_widths: Array
    design_effect: float
    confidence: float

    @property
    def n_votes(self) -> int:
        """Votes to cast in all."""
        return sum(self.matchups.values())


def plan_votes(
    ratings: Ratings,
    counts: Counts,
    *,
    width: float,
    model: Hashable | None = None,
    pair: tuple[Hashable, Hashable] | None = None,
    weights: Mapping[Hashable, float] | None = None,
) -> Plan:
    """Approximately the fewest further votes that bring an interval to ``width`` points from end to end.

    A greedy optimal design (Fedorov 1972, "Theory of optimal experiments") in growing batches: each batch goes to the
    matchups that are expected to reduce the variance most. It starts from the published covariance, which includes
    clusters and ties. A vote counts as 1 / find_design_effect of the information p (1 - p), which assumes that future
    votes depend on each other as the votes so far do. The plan relies on the current ratings: plan again as votes come
    in.

    Args:
        ratings: The current ratings.
        counts: The votes that ``ratings`` were fitted to.
        width: The requested width, in points.
        model: Plan for the interval of this model. With neither ``model`` nor ``pair``, plan for every model.
        pair: Plan for the interval of the difference of this pair (b, a).
        weights: How much votes on each model are preferred (default 1). A model of weight 0 gets no more votes.

    Raises:
        UnreachableWidthError: Models of weight 0 keep the interval wide, or it would take more than a billion votes.
        ValueError: A width that is not above 0, an unknown model, both ``model`` and ``pair``, weights below 0 or for
            fewer than two models, or counts of other models.
    """
    check_type("ratings", ratings, Ratings)
    if not 0 < width < inf:
        raise ValueError(f"The width must be above 0 and finite, in points; got {width}.")
    contrasts, preferences = _find_contrasts(ratings, model, pair), _find_preferences(ratings, weights or {})
    # Contrasts in units of the interval's width: their standard errors are widths.
    degrees = [ratings.model_degrees[contrast != 0.0].min() for contrast in contrasts]
    contrasts = contrasts * (2.0 * ratings.scale.unit * find_quantiles(ratings.confidence, np.array(degrees))[:, None])
    limit = width**2
    information, design_effect = find_information(ratings.theta), find_design_effect(ratings, counts)
    now = after = ratings.covariance / ratings.scale.unit**2
    votes: dict[tuple[int, int], int] = {}
    if _widest(contrasts, now) > limit:
        _check_reachable(contrasts, now, preferences, width)
        votes, after = _allocate(contrasts, now, information / design_effect, preferences, limit)
    margins = 2.0 * ratings.scale.unit * find_quantiles(ratings.confidence, ratings.model_degrees)
    most_first = sorted(votes, key=lambda matchup: -votes[matchup])
    return Plan(
        models=ratings.models,
        matchups={(ratings.models[i], ratings.models[j]): votes[i, j] for i, j in most_first},
        width=width,
        model=model,
        pair=pair,
        weights=dict(weights or {}),
        width_now=_widest(contrasts, now) ** 0.5,
        expected_width=_widest(contrasts, after) ** 0.5,
        expected_widths=margins * np.sqrt(np.maximum(after.diagonal(), 0.0)),
        design_effect=design_effect,
        confidence=ratings.confidence,
    )


def find_design_effect(ratings: Ratings, counts: Counts) -> float:
    """The number of votes like these that are worth one independent, decided vote.

    It is the mean of the eigenvalues of (published covariance × information), where the information is p (1 - p) for
    each vote of ``counts``, including undecided and dropped ones. It is 1 for independent votes without ties, more with
    clusters, less if ties count as half a win. Raises ValueError for counts of other models.

    Source: Rao & Scott 1981, "The analysis of categorical data from complex sample surveys".
    """
    check_type("counts", counts, Counts)
    check_type("ratings", ratings, Ratings)
    if counts.models != ratings.models:
        raise ValueError("The counts and the ratings must have the same models in the same order.")
    met = counts.meetings * find_information(ratings.theta)
    laplacian = np.diag(met.sum(axis=1)) - met
    return float((laplacian * ratings.covariance).sum() / ratings.scale.unit**2 / (len(met) - 1))


def _allocate(
    contrasts: Array, covariance: Array, information: Array, preferences: Array, limit: float
) -> tuple[dict[tuple[int, int], int], Array]:
    """Votes by (i, j) with i < j, and the covariance after them."""
    votes: dict[tuple[int, int], int] = {}
    pair_preferences = np.triu(np.outer(preferences, preferences))
    while (above := _variances(contrasts, covariance) > limit).any():
        reduction = predict_reduction(covariance, information, contrasts[above]) * pair_preferences
        chosen = _choose_disjoint(reduction)
        if not chosen or sum(votes.values()) > MOST_VOTES:
            raise UnreachableWidthError(f"This width takes more than {MOST_VOTES:,} votes. Choose a larger one.")
        cast = partial(_cast, covariance, information, chosen)
        batch = max(len(chosen), int(BATCH * sum(votes.values())))
        if _widest(contrasts, cast(batch)) <= limit:
            batch = _shorten(contrasts, cast, batch, limit)
        covariance = cast(batch)
        for matchup, n in _split_evenly(chosen, batch):
            votes[matchup] = votes.get(matchup, 0) + n
    return votes, covariance


def _shorten(contrasts: Array, cast: Callable[[int], Array], batch: int, limit: float) -> int:
    """The smallest number of votes with which the last batch still reaches the limit."""
    return bisect_left(range(batch), True, key=lambda n: _widest(contrasts, cast(n)) <= limit)


def _cast(covariance: Array, information: Array, matchups: list[tuple[int, int]], n_votes: int) -> Array:
    """The covariance after ``n_votes``, spread equally over the matchups."""
    for (i, j), n in _split_evenly(matchups, n_votes):
        covariance = update_covariance(covariance, i, j, float(information[i, j]), n)
    return covariance


def _split_evenly(matchups: list[tuple[int, int]], n_votes: int) -> list[tuple[tuple[int, int], int]]:
    """Each matchup with its equal share of the votes, leaving out those with none. The first ones get the remainder."""
    each, over = divmod(n_votes, len(matchups))
    shares = ((matchup, each + (k < over)) for k, matchup in enumerate(matchups))
    return [(matchup, n) for matchup, n in shares if n]


def _choose_disjoint(reduction: Array) -> list[tuple[int, int]]:
    """The best matchup, and others at least half as good, with no model in two of them."""
    left = reduction.copy()
    enough = reduction.max() / 2.0
    chosen: list[tuple[int, int]] = []
    while left.max() >= enough > 0.0:
        i, j = divmod(int(left.argmax()), len(left))
        chosen.append((i, j))
        left[[i, j]] = left[:, [i, j]] = 0.0
    return chosen


def _find_contrasts(ratings: Ratings, model: Hashable | None, pair: tuple[Hashable, Hashable] | None) -> Array:
    """(K, M): the contrasts to plan for."""
    identity = np.eye(len(ratings.models))
    if model is not None and pair is not None:
        raise ValueError("Give a model or a pair of models, not both.")
    if model is not None:
        return identity[[ratings.index(model)]]
    if pair is not None:
        b, a = (ratings.index(name) for name in pair)
        if a == b:
            raise ValueError(f"A pair must be two different models, got {pair[0]!r} twice.")
        return identity[[b]] - identity[[a]]
    return identity


def _find_preferences(ratings: Ratings, weights: Mapping[Hashable, float]) -> Array:
    preferences = np.ones(len(ratings.models))
    for name, weight in weights.items():
        if not (isfinite(weight) and weight >= 0):
            raise ValueError(f"The weight of {name!r} is {weight}; weights must be finite and 0 or more.")
        preferences[ratings.index(name)] = weight
    if (preferences > 0).sum() < 2:
        raise ValueError("At least 2 models must have a weight above 0.")
    return preferences


def _check_reachable(contrasts: Array, covariance: Array, preferences: Array, width: float) -> None:
    if preferences.all():
        return
    first, *others = np.flatnonzero(preferences).tolist()
    for other in others:
        covariance = update_covariance(covariance, first, other, 1.0, inf)
    remaining = _widest(contrasts, covariance) ** 0.5
    if remaining >= width:
        raise UnreachableWidthError(
            f"Without votes on the models of weight 0 the interval stays at least {remaining:.4g} points wide, above "
            f"the requested {width:g}. Give those models a weight, or choose a larger width."
        )


def _variances(contrasts: Array, covariance: Array) -> Array:
    variances: Array = np.maximum(((contrasts @ covariance) * contrasts).sum(axis=1), 0.0)
    return variances


def _widest(contrasts: Array, covariance: Array) -> float:
    return float(_variances(contrasts, covariance).max())
