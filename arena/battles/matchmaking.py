"""Which two models meet next. Pure: numbers in, a choice out.

A choice is two steps, because it is made for every page and its reasons change with every snapshot only:
``weigh_matchups`` gives each pair a probability, ``choose`` draws one. The pair is always drawn by lot: nobody can
foretell it, and battles that open between two snapshots do not pile up on one pair.
"""

import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the site starts without numpy, which is loaded with the first table
    import numpy as np
    from numpy.typing import NDArray

# Drawn uniformly from all pairs: every pair keeps meeting, whatever the estimates say.
UNIFORM_SHARE = 0.1
# Set apart for models below the floor while there are any.
FLOOR_SHARE = 0.3
# What an answer is worth to model A; the rest is B's.
WORTH = {"model_a": 1.0, "model_b": 0.0, "tie": 0.5, "both_bad": 0.5}


@dataclass(frozen=True)
class Matchups:
    """``pairs`` of model ids and the running sum of their probabilities, with what they were made for."""

    pairs: tuple[tuple[int, int], ...]
    cumulative: tuple[float, ...]
    target_model: int | None
    floor: int

    @property
    def probabilities(self) -> dict[tuple[int, int], float]:
        """The probability that a pair is the next to meet."""
        return {
            pair: high - low for pair, (low, high) in zip(self.pairs, pairwise((0.0, *self.cumulative)), strict=True)
        }


def weigh_matchups(
    models: Sequence[int],
    matchup_counts: Mapping[tuple[int, int], Mapping[str, int]],
    *,
    target_model: int | None = None,
    floor: int = 300,
    weights: Mapping[int, float] | None = None,
) -> Matchups:
    """How likely each pair of ``models`` shall be the next to meet.

    ``matchup_counts`` holds the votes so far as {(model a, model b): {winner: votes}}, also those on models that meet no more.
    A pair's probability is proportional to what one vote on it is expected to take from the variances of all ratings
    together, or, with the ``target_model`` a model, from the variance of its distance to its neighbours: the average of the
    others, in which a model weighs the more the nearer it is in strength and the better its distance is known
    (evaluation.ratings.information, which puts a prior on models without a finite rating; for this choice only). As
    long as a model has fewer votes than ``floor``, FLOOR_SHARE of the battles go to such models, by the votes that they
    lack. UNIFORM_SHARE is uniform. Last, a pair's probability is multiplied by the ``weights`` (default 1) of its
    models; 0 takes a model out.

    For a snapshot, not for a page: 3 ms for 30 models, 70 ms for 200. Raises ValueError for fewer than two models (of
    weight above 0), an unknown target_model, a negative floor, weight or number of votes, a model that met itself, or an
    unknown winner.
    """
    import numpy as np

    active_models = tuple(dict.fromkeys(models))
    if len(active_models) < 2:
        raise ValueError(f"A matchup needs at least 2 models, got {len(active_models)}.")
    if target_model is not None and target_model not in active_models:
        raise ValueError(
            f"The target_model {target_model} is not among the models that meet: {', '.join(map(str, active_models))}."
        )
    if floor < 0:
        raise ValueError(f"A floor is 0 votes or more, got {floor}.")
    known = tuple(dict.fromkeys([*active_models, *(model for pair in matchup_counts for model in pair)]))
    wins = _count_wins(known, matchup_counts)
    left, right = np.triu_indices(len(active_models), 1)
    shares = _share(
        wins, len(active_models), None if target_model is None else active_models.index(target_model), floor
    )
    weight = np.array(_read_weights(active_models, weights or {}))
    chances = shares[left, right] * weight[left] * weight[right]
    cumulative = np.cumsum(chances / chances.sum())
    pairs = tuple((active_models[i], active_models[j]) for i, j in zip(left.tolist(), right.tolist(), strict=True))
    return Matchups(pairs, tuple(cumulative.tolist()), target_model, floor)


def choose(matchups: Matchups, rng: random.Random) -> tuple[int, int]:
    """Draw a pair; the order of the two says nothing. Takes some microseconds, whatever the number of models."""
    # From above 0 up to the total: a pair whose probability is 0 is never met.
    point = (1.0 - rng.random()) * matchups.cumulative[-1]
    return matchups.pairs[bisect_left(matchups.cumulative, point)]


def _read_weights(models: Sequence[int], weights: Mapping[int, float]) -> list[float]:
    """One a model, the largest 1."""
    found = [weights.get(model, 1.0) for model in models]
    for model, weight in zip(models, found, strict=True):
        if not (isfinite(weight) and weight >= 0):
            raise ValueError(f"The weight of model {model} is {weight}; a weight is finite and 0 or more.")
    if sum(weight > 0 for weight in found) < 2:
        raise ValueError("A matchup needs at least 2 models with a weight above 0.")
    return [weight / max(found) for weight in found]


def _count_wins(
    models: Sequence[int], matchup_counts: Mapping[tuple[int, int], Mapping[str, int]]
) -> "NDArray[np.float64]":
    """(M, M): how often the row's model beat the column's; an undecided vote is half a win for each."""
    import numpy as np

    place = {model: i for i, model in enumerate(models)}
    rows, columns, points = [], [], []
    for (model_a, model_b), outcome_counts in matchup_counts.items():
        if model_a == model_b:
            raise ValueError(f"Model {model_a} meets itself.")
        if not outcome_counts.keys() <= WORTH.keys() or min(outcome_counts.values(), default=0) < 0:
            raise ValueError(
                f"Models {model_a} and {model_b}: {dict(outcome_counts)}; wanted votes by {', '.join(WORTH)}."
            )
        won = sum(WORTH[winner] * n for winner, n in outcome_counts.items())
        rows += [place[model_a], place[model_b]]
        columns += [place[model_b], place[model_a]]
        points += [won, sum(outcome_counts.values()) - won]
    wins = np.zeros((len(models), len(models)))
    np.add.at(wins, (np.array(rows, dtype=np.intp), np.array(columns, dtype=np.intp)), points)
    return wins


def _share(wins: "NDArray[np.float64]", m: int, target_model: int | None, floor: int) -> "NDArray[np.float64]":
    """(m, m), symmetric: how the battles are shared between the pairs of the first ``m`` models."""
    import numpy as np

    from evaluation.ratings.information import approximate_posterior, find_information, predict_reduction

    posterior = approximate_posterior(wins)
    information = find_information(posterior.theta)
    n_votes = (wins + wins.T).sum(axis=1)[:m]
    lacking = np.maximum(floor - n_votes, 0.0)
    contrasts = np.eye(len(wins))[:m]
    if target_model is not None:
        # Equal weights would send the target_model's battles to whichever neighbour is least known.
        variances = posterior.covariance.diagonal() + posterior.covariance[target_model, target_model]
        near = information[target_model] / np.maximum(variances - 2.0 * posterior.covariance[target_model], 1e-12)
        contrasts = contrasts[[target_model]] - near[:m] / near[:m].sum() @ contrasts
    reduction = predict_reduction(posterior.covariance, information, contrasts)[:m, :m]
    floor_share = FLOOR_SHARE if lacking.any() else 0.0
    shares: NDArray[np.float64] = (1.0 - UNIFORM_SHARE - floor_share) * reduction / reduction.sum()
    shares += UNIFORM_SHARE * (1.0 - np.eye(m)) / (m * (m - 1))
    if floor_share:
        asked = (lacking[:, None] + lacking[None, :]) * information[:m, :m]
        shares += floor_share * asked / asked.sum()
    return shares
