"""Matchmaking: the choice of the two models of the next battle. Pure functions of numbers.

The choice has two steps: ``weigh_matchups`` gives each pair a probability, once per snapshot, and ``choose`` draws a
pair for each battle. The draw is random, so that raters cannot predict it and the battles between two snapshots do not
all go to one pair.
"""

import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the site starts without numpy; the first leaderboard loads it
    import numpy as np
    from numpy.typing import NDArray

# Share drawn uniformly from all pairs, so that every pair keeps meeting whatever the estimates.
UNIFORM_SHARE = 0.1
# Share reserved for models below the floor, while there are any.
FLOOR_SHARE = 0.3
# Points of model A by winner; model B gets the rest.
POINTS_A = {"model_a": 1.0, "model_b": 0.0, "tie": 0.5, "both_bad": 0.5}


@dataclass(frozen=True)
class Matchups:
    """``pairs`` of model ids with the running sum of their probabilities, and the arguments that gave them."""

    pairs: tuple[tuple[int, int], ...]
    cumulative: tuple[float, ...]
    target_model: int | None
    floor: int

    @property
    def probabilities(self) -> dict[tuple[int, int], float]:
        """Probability of each pair to meet next."""
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
    """Give each pair of ``models`` its probability to meet next. Takes 3 ms for 30 models, 70 ms for 200.

    A pair's probability is proportional to the expected reduction by one vote of the summed variances of all ratings,
    or, with a ``target_model``, of the variance of its distance to its neighbours: the average of the other models,
    each weighted the more the closer it is in strength and the better its distance is known (evaluation.ratings.
    information, whose prior covers models without a finite rating).

    Args:
        models: Ids of the models that can meet.
        matchup_counts: Votes so far as {(model a, model b): {winner: votes}}; may include other models.
        target_model: The model to measure first; None measures all of them.
        floor: While a model has fewer votes, FLOOR_SHARE of the battles go to such models, by the votes they lack.
        weights: Factors of the models' probabilities (default 1, 0 excludes a model).

    Raises:
        ValueError: Fewer than two models have a weight above 0; ``target_model`` is not in ``models``; the floor, a
            weight or a number of votes is negative; a model met itself; a winner is unknown.
    """
    import numpy as np

    active_models = tuple(dict.fromkeys(models))
    if len(active_models) < 2:
        raise ValueError(f"A matchup needs at least 2 models, got {len(active_models)}.")
    if target_model is not None and target_model not in active_models:
        raise ValueError(
            f"The target model {target_model} is not one of the models: {', '.join(map(str, active_models))}."
        )
    if floor < 0:
        raise ValueError(f"The floor must be at least 0 votes, got {floor}.")
    known = tuple(dict.fromkeys([*active_models, *(model for pair in matchup_counts for model in pair)]))
    wins = _count_wins(known, matchup_counts)
    left, right = np.triu_indices(len(active_models), 1)
    shares = _share_battles(
        wins, len(active_models), None if target_model is None else active_models.index(target_model), floor
    )
    weight = np.array(_read_weights(active_models, weights or {}))
    chances = shares[left, right] * weight[left] * weight[right]
    cumulative = np.cumsum(chances / chances.sum())
    pairs = tuple((active_models[i], active_models[j]) for i, j in zip(left.tolist(), right.tolist(), strict=True))
    return Matchups(pairs, tuple(cumulative.tolist()), target_model, floor)


def choose(matchups: Matchups, rng: random.Random) -> tuple[int, int]:
    """Draw a pair. The order of its models has no meaning. Takes microseconds for any number of models."""
    # The point lies above 0, so that a pair of probability 0 is never drawn.
    point = (1.0 - rng.random()) * matchups.cumulative[-1]
    return matchups.pairs[bisect_left(matchups.cumulative, point)]


def _read_weights(models: Sequence[int], weights: Mapping[int, float]) -> list[float]:
    """The weight of each model, scaled so that the largest is 1."""
    found = [weights.get(model, 1.0) for model in models]
    for model, weight in zip(models, found, strict=True):
        if not (isfinite(weight) and weight >= 0):
            raise ValueError(f"The weight of model {model} is {weight}. It must be finite and at least 0.")
    if sum(weight > 0 for weight in found) < 2:
        raise ValueError("A matchup needs at least 2 models with a weight above 0.")
    return [weight / max(found) for weight in found]


def _count_wins(
    models: Sequence[int], matchup_counts: Mapping[tuple[int, int], Mapping[str, int]]
) -> "NDArray[np.float64]":
    """Wins of the row's model over the column's, shape (M, M). A tie or "both bad" is half a win for each."""
    import numpy as np

    index = {model: i for i, model in enumerate(models)}
    rows, columns, points = [], [], []
    for (model_a, model_b), outcome_counts in matchup_counts.items():
        if model_a == model_b:
            raise ValueError(f"Model {model_a} meets itself.")
        if not outcome_counts.keys() <= POINTS_A.keys() or min(outcome_counts.values(), default=0) < 0:
            raise ValueError(
                f"Models {model_a} and {model_b} have the votes {dict(outcome_counts)}. Expected counts by"
                f" {', '.join(POINTS_A)}, each at least 0."
            )
        won = sum(POINTS_A[winner] * n for winner, n in outcome_counts.items())
        rows += [index[model_a], index[model_b]]
        columns += [index[model_b], index[model_a]]
        points += [won, sum(outcome_counts.values()) - won]
    wins = np.zeros((len(models), len(models)))
    np.add.at(wins, (np.array(rows, dtype=np.intp), np.array(columns, dtype=np.intp)), points)
    return wins


def _share_battles(wins: "NDArray[np.float64]", m: int, target_model: int | None, floor: int) -> "NDArray[np.float64]":
    """Shares of the battles between the pairs of the first ``m`` models, shape (m, m), symmetric."""
    import numpy as np

    from evaluation.ratings.information import approximate_posterior, find_information, predict_reduction

    posterior = approximate_posterior(wins)
    information = find_information(posterior.theta)
    n_votes = (wins + wins.T).sum(axis=1)[:m]
    lacking = np.maximum(floor - n_votes, 0.0)
    contrasts = np.eye(len(wins))[:m]
    if target_model is not None:
        # With equal weights, the least known neighbour would get most of the target model's battles.
        variances = posterior.covariance.diagonal() + posterior.covariance[target_model, target_model]
        near = information[target_model] / np.maximum(variances - 2.0 * posterior.covariance[target_model], 1e-12)
        contrasts = contrasts[[target_model]] - near[:m] / near[:m].sum() @ contrasts
    reduction = predict_reduction(posterior.covariance, information, contrasts)[:m, :m]
    floor_share = FLOOR_SHARE if lacking.any() else 0.0
    shares: NDArray[np.float64] = (1.0 - UNIFORM_SHARE - floor_share) * reduction / reduction.sum()
    shares += UNIFORM_SHARE * (1.0 - np.eye(m)) / (m * (m - 1))
    if floor_share:
        wanted = (lacking[:, None] + lacking[None, :]) * information[:m, :m]
        shares += floor_share * wanted / wanted.sum()
    return shares
