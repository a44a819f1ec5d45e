"""What raters said of the same samples in the arena."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np

from evaluation.metrics.base import Declaration, Measurement, Rows, SampleInputs, SampleMetric, SetMetric, UnscoredError
from evaluation.ratings.families import sigmoid
from evaluation.ratings.scales import Scale

# Of a win, as the ratings have it by default: nobody won a tie, nor where both were bad, so each side has half of it.
POINTS: Final = {"win": 1.0, "tie": 0.5, "both_bad": 0.5, "loss": 0.0}


class WinRate(SampleMetric):
    """Share of votes that the run's images won; a tie and "both bad" are half a win. 0.5 is as good as the others."""

    declaration = Declaration(
        title="Win rate",
        unit="share",
        higher_is_better=True,
        min_samples=30,
        source="Paragone: votes in the arena; undecided ones are half a win, as in its Bradley-Terry ratings",
    )
    columns: ClassVar[tuple[str, ...]] = ("win rate", "points", "votes")

    def measure(self, sample: SampleInputs) -> Measurement:
        votes: list[str] = [vote.outcome for vote in sample.votes]
        if not votes:
            raise UnscoredError("nobody has voted on it")
        points = sum(POINTS[outcome] for outcome in votes)
        counted = Counter(votes)
        note = ", ".join(f"{counted[outcome]} {outcome.replace('_', ' ')}" for outcome in POINTS if counted[outcome])
        return Measurement((points / len(votes), points, float(len(votes))), note)

    def aggregate(self, rows: Rows) -> float:
        return float(rows[:, 1].sum() / rows[:, 2].sum())


@dataclass(frozen=True)
class RatedVotes:
    """How often each outcome came out against opponents of each rating; ``n_unrated`` votes had no rated opponent."""

    counts: Counter[tuple[float, str]] = field(default_factory=Counter)
    n_unrated: int = 0

    def __add__(self, other: RatedVotes) -> RatedVotes:
        return RatedVotes(self.counts + other.counts, self.n_unrated + other.n_unrated)


class ArenaRating(SetMetric):
    """The strength, on the board's scale, that makes the votes on the run's images likeliest.

    Opponents stand where the board rates them; a vote against one without a rating is left out.
    """

    declaration = Declaration(
        title="Arena rating",
        unit="points",
        higher_is_better=True,
        min_samples=30,
        source="Bradley & Terry 1952, by maximum likelihood in one unknown; 400 points are odds of 10 to 1",
    )

    def check(self, sample: SampleInputs) -> None:
        if not sample.votes:
            raise UnscoredError("nobody has voted on it")
        if all(vote.opponent_rating is None for vote in sample.votes):
            raise UnscoredError("no opponent that it was voted against has a rating")

    def summarize(self, samples: Iterable[SampleInputs]) -> RatedVotes:
        votes = [vote for sample in samples for vote in sample.votes]
        rated = Counter((v.opponent_rating, v.outcome) for v in votes if v.opponent_rating is not None)
        return RatedVotes(Counter({(float(r), o): n for (r, o), n in rated.items()}), len(votes) - rated.total())

    def compute(self, statistic: RatedVotes, reference: Any = None) -> float:
        """Raises UnscoredError where no finite strength is likeliest: all votes won, or none."""
        if not statistic.counts:
            raise UnscoredError("no vote against an opponent with a rating")
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
    """The rating R with Σ votes (points - P(R beats opponent)) = 0: the maximum of the Bradley-Terry likelihood.

    All are (K,): an opponent's rating, points of a vote against it, and how many such votes. Raises UnscoredError.
    """
    from scipy.optimize import brentq

    unit = Scale().unit
    won, n = float(points @ votes), float(votes.sum())
    if won in {0.0, n}:
        raise UnscoredError(
            f"never {'won' if won == 0.0 else 'lost'}: any strength {'below' if won == 0.0 else 'above'} fits"
        )

    def exceed(strength: float) -> float:
        return won - float(votes @ sigmoid((strength - opponents) / unit))

    # Were all opponents as weak as the weakest, the odds would be the points' odds; so with the strongest.
    odds = unit * float(np.log(won / (n - won)))
    low, high = float(opponents.min()) + odds, float(opponents.max()) + odds
    return float(brentq(exceed, low - 1.0, high + 1.0, xtol=1e-9, rtol=1e-14))
