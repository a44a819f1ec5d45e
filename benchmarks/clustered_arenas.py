"""Simulated arenas whose votes depend on each other: raters (or prompts) of unequal activity, with tastes of their own.

The truth is the rating that infinitely many votes of new raters would give: the average over tastes. It is less spread
out than the strengths for an average rater.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.components import find_components
from evaluation.ratings.counts import Counts, count_votes
from evaluation.ratings.families import sigmoid
from evaluation.ratings.ranks import find_rank_probabilities, find_rank_sets
from evaluation.ratings.ratings import Ratings, find_quantiles
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes

Array = np.ndarray
NATURAL = Scale(1.0, np.e, 0.0)
ACTIVITIES: Final[dict[str, Callable[[int], Array]]] = {
    "equal": np.ones,
    "1/k": lambda n: 1.0 / np.arange(1, n + 1),
    "one has half": lambda n: np.append(np.ones(n - 1), n - 1.0),
}


@dataclass(frozen=True)
class Column:
    """Clusters of one kind: their number, their activity (a key of ACTIVITIES) and the spread of their tastes."""

    n_clusters: int
    activity: str
    spread: float


@dataclass(frozen=True)
class Arena:
    """One simulated arena: its votes, the same votes counted, and the true ratings (M,) with mean zero."""

    votes: Votes
    counts: Counts
    truth: Array


@dataclass
class Held:
    """What held in the arenas so far: a share for each arena. ``last`` is that of the last model's interval alone.

    ``leader`` is the probability of being first that the leader of the table had, and ``led`` whether it was first.
    """

    ratings: list[float] = field(default_factory=list)
    last: list[bool] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    rank_sets: list[bool] = field(default_factory=list)
    leader: list[float] = field(default_factory=list)
    led: list[bool] = field(default_factory=list)

    def add(self, fit: Ratings, truth: Array, draws: int) -> None:
        """Compare a fit with the truth."""
        covered = (fit.ci_low <= truth) & (truth <= fit.ci_high)
        self.ratings.append(float(covered.mean()))
        self.last.append(bool(covered[-1]))
        self.differences.append(cover_differences(fit, truth))
        sets = find_rank_sets(fit, draws=draws)
        first, last = 1 + (truth[None] > truth[:, None]).sum(1), (truth[None] >= truth[:, None]).sum(1)
        self.rank_sets.append(bool(((sets.best <= first) & (last <= sets.worst)).all()))
        best = find_rank_probabilities(fit, draws=draws).best
        self.leader.append(float(best.max()))
        self.led.append(bool(truth[best.argmax()] == truth.max()))


def cover_differences(fit: Ratings, truth: Array) -> float:
    """Share of the intervals of all differences that cover the truth, as Ratings.difference gives them."""
    i, j = np.triu_indices(len(truth), 1)
    variances = fit.covariance[i, i] + fit.covariance[j, j] - 2.0 * fit.covariance[i, j]
    degrees = np.minimum(fit.model_degrees[i], fit.model_degrees[j])
    missed = np.abs((fit.values[i] - fit.values[j]) - (truth[i] - truth[j]))
    return float(np.mean(missed <= find_quantiles(fit.confidence, degrees) * np.sqrt(np.maximum(variances, 0.0))))


def find_marginal_truth(theta: Array, spread: float) -> Array:
    """θ of the Bradley-Terry model closest to E[σ(θ_i - θ_j + N(0, 2 spread²))], the average over tastes."""
    m = len(theta)
    nodes, weights = np.polynomial.hermite_e.hermegauss(32)
    eta = theta[:, None, None] - theta[None, :, None] + np.sqrt(2.0) * spread * nodes
    p = (sigmoid(eta) * weights).sum(axis=2) / weights.sum()
    table = np.zeros((m, m, 4))
    table[:, :, 0], table[:, :, 1] = p, 1.0 - p
    table[np.arange(m), np.arange(m)] = 0.0
    return fit_bradley_terry(Counts(tuple(range(m)), table, table.copy()), scale=NATURAL).values


def draw_arena(
    rng: np.random.Generator, columns: Mapping[str, Column], n_models: int, n_votes: int, few: int | None
) -> Arena:
    """An arena with random pairs, drawn again if a model has no finite rating.

    With ``few``, the last model is new: only the votes of so many clusters on it are kept.
    """
    while True:
        theta = rng.normal(0.0, 0.5, n_models)
        a = rng.integers(0, n_models, n_votes)
        b = (a + rng.integers(1, n_models, n_votes)) % n_models
        eta, clusters = theta[a] - theta[b], {}
        for name, column in columns.items():
            activity = ACTIVITIES[column.activity](column.n_clusters)
            code = clusters[name] = rng.choice(column.n_clusters, n_votes, p=activity / activity.sum())
            taste = rng.normal(0.0, column.spread, (column.n_clusters, n_models))
            eta += taste[code, a] - taste[code, b]
        winner = (rng.random(n_votes) >= sigmoid(eta)).astype(np.int8)
        kept = np.ones(n_votes, dtype=bool)
        if few is not None:
            kept = (np.maximum(a, b) < n_models - 1) | (next(iter(clusters.values())) < few)
        a, b, winner = a[kept], b[kept], winner[kept]
        clusters = {name: codes[kept] for name, codes in clusters.items()}
        votes = Votes(tuple(range(n_models)), a, b, winner, None, clusters)
        counts = count_votes(votes)
        if not find_components(counts).unrated:
            spread = float(np.sqrt(sum(column.spread**2 for column in columns.values())))
            return Arena(votes, counts, find_marginal_truth(theta, spread))


def measure(
    columns: Mapping[str, Column],
    n_models: int,
    arenas: int,
    *,
    n_votes: int = 1500,
    few: int | None = None,
    draws: int = 500,
) -> tuple[Held, Held]:
    """What the intervals for independent votes held, and the clustered ones. ``few``: see draw_arena."""
    # Each design has draws of its own, so that the errors of their figures are independent.
    rng = np.random.default_rng([n_models, few or 0, *str(columns).encode()])
    naive, clustered = Held(), Held()
    for _ in range(arenas):
        arena = draw_arena(rng, columns, n_models, n_votes, few)
        naive.add(fit_bradley_terry(arena.counts, scale=NATURAL), arena.truth, draws)
        clustered.add(fit_bradley_terry(arena.counts, clusters=arena.votes, scale=NATURAL), arena.truth, draws)
    return naive, clustered
