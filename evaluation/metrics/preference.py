"""Preference metrics: win rate and rating from arena votes on the images of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np

from evaluation.metrics.base import Declaration, Measurement, Rows, SampleInputs, SampleMetric, SetMetric, UnscoredError
from evaluation.ratings.families import sigmoid
from evaluation.ratings.scales import Scale

# Share of a win per outcome, as in the ratings by default: ties and both bad are half a win for each side.
POINTS: Final = {"win": 1.0, "tie": 0.5, "both_bad": 0.5, "loss": 0.0}


class WinRate(SampleMetric):
    """Share of votes won by the images of the run; a tie and both bad are half a win. 50 % means equal quality."""

    declaration = Declaration(
        title="Win rate",
        unit="share",
        higher_is_better=True,
        min_samples=30,
        source="Paragone: arena votes; a tie and both bad are half a win, as in its Bradley-Terry ratings",
    )
    columns: ClassVar[tuple[str, ...]] = ("win rate", "points", "votes")

    def measure(self, sample: SampleInputs) -> Measurement:
        votes: list[str] = [vote.outcome for vote in sample.votes]
        if not votes:
            raise UnscoredError("there are no votes on it")
        points = sum(POINTS[outcome] for outcome in votes)
        counted = Counter(votes)
        note = ", ".join(f"{counted[outcome]} {outcome.replace('_', ' ')}" for outcome in POINTS if counted[outcome])
        return Measurement((points / len(votes), points, float(len(votes))), note)

    def aggregate(self, rows: Rows) -> float:
        return float(rows[:, 1].sum() / rows[:, 2].sum())


@dataclass(frozen=True)
class RatedVotes:
    """Number of votes per opponent's rating and outcome; ``n_unrated`` votes had an opponent without a rating."""

    counts: Counter[tuple[float, str]] = field(default_factory=Counter)
    n_unrated: int = 0

    def __add__(self, other: RatedVotes) -> RatedVotes:
        return RatedVotes(self.counts + other.counts, self.n_unrated + other.n_unrated)


class ArenaRating(SetMetric):
    """Maximum likelihood rating of the run on the board's scale, from the votes on its images.

    The ratings of the opponents are those of the board; votes against opponents without a rating are ignored.
    """

    declaration = Declaration(
        title="Arena rating",
        unit="points",
        higher_is_better=True,
        min_samples=30,
        source="Bradley & Terry 1952, maximum likelihood with fixed opponents; 400 points are odds of 10 to 1",
    )

    def check(self, sample: SampleInputs) -> None:
        if not sample.votes:
            raise UnscoredError("there are no votes on it")
        if all(vote.opponent_rating is None for vote in sample.votes):
            raise UnscoredError("none of its opponents has a rating")

    def summarize(self, samples: Iterable[SampleInputs]) -> RatedVotes:
        votes = [vote for sample in samples for vote in sample.votes]
        rated = Counter((v.opponent_rating, v.outcome) for v in votes if v.opponent_rating is not None)
        return RatedVotes(Counter({(float(r), o): n for (r, o), n in rated.items()}), len(votes) - rated.total())

    def compute(self, statistic: RatedVotes, reference: Any = None) -> float:
        """Raises UnscoredError if no finite rating has maximum likelihood: all votes are won, or all are lost."""
        if not statistic.counts:
            raise UnscoredError("there are no votes against an opponent with a rating")
        ratings = np.array([rating for rating, _ in statistic.counts])
        points = np.array([POINTS[outcome] for _, outcome in statistic.counts])
        return find_strength(ratings, points, np.array(list(statistic.counts.values()), dtype=np.float64))

    def replay_inputs(self) -> dict[str, Any]:
        return {"estimator": "bradley_terry", "points": POINTS}


def find_strength(
    opponents: np.ndarray[Any, np.dtype[np.float64]],
    points: np.ndarray[Any, np.dtype[np.float64]],
    votes: np.ndarray[Any, np.dtype[np.float64]],
) -> float:
    """Rating R with Σ votes · (points - P(R beats opponent)) = 0, the maximum of the Bradley-Terry likelihood.

    Args:
        opponents: Ratings of opponents, shape (K,).
        points: Share of a win, shape (K,).
        votes: Number of votes with this opponent and outcome, shape (K,).

    Raises:
        UnscoredError: All votes are won, or all are lost.
    """
    from scipy.optimize import brentq

    unit = Scale().unit
    won, n = float(points @ votes), float(votes.sum())
    if won in {0.0, n}:
        raise UnscoredError(
            "all votes are lost, so the rating has no lower bound"
            if won == 0.0
            else "all votes are won, so the rating has no upper bound"
        )

    def find_excess(rating: float) -> float:
        return won - float(votes @ sigmoid((rating - opponents) / unit))

    # The solution lies between those for opponents that are all as weak as the weakest, or as strong as the strongest.
    odds = unit * float(np.log(won / (n - won)))
    low, high = float(opponents.min()) + odds, float(opponents.max()) + odds
    return float(brentq(find_excess, low - 1.0, high + 1.0, xtol=1e-9, rtol=1e-14))
