"""Alarms of judge_pair_choice, and coverage of the intervals, by the rule that chooses pairs.

    python benchmarks/pair_choice.py [--arenas 200] [--votes 1500] [--spread 0.5] [--explored 0.1] [RULE ...]

Each arena has models with strengths equally spaced from -SPREAD to SPREAD log-odds, and 10 % ties. Rules that look at
the ratings see them every 20 votes, after 60 votes on random pairs; the share EXPLORED of the later votes is on random
pairs, too. With --raters, as many raters of different taste (sd 0.5) vote one after the other.
"""

import argparse
import os
import random

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from arena.battles.matchmaking import Matchups, choose, weigh_matchups
from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.components import find_components
from evaluation.ratings.counts import count_votes
from evaluation.ratings.families import sigmoid
from evaluation.ratings.information import Posterior, approximate_posterior
from evaluation.ratings.outcomes import MODEL_A, MODEL_B, TIE
from evaluation.ratings.pair_choice import judge_pair_choice
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes

NATURAL = Scale(1.0, np.e, 0.0)
REFRESH, START, TIES, TASTE = 20, 60, 0.1, 0.5


class Arena:
    """A simulated arena: each rule below chooses the next pair from what is known."""

    def __init__(self, options: argparse.Namespace, seed: int) -> None:
        self.rng, self.m, self.n = np.random.default_rng(seed), options.models, options.votes
        m, self.explored = self.m, options.explored
        self.truth = np.linspace(-options.spread, options.spread, m)
        self.wins, self.elo = np.zeros((m, m)), np.zeros(m)
        self.posterior: Posterior = approximate_posterior(self.wins)
        self.matchups: Matchups | None = None
        self.draw = random.Random(seed)
        self.popularity = self.rng.dirichlet(np.ones(m)) + 0.02
        self.tastes = self.rng.normal(0.0, TASTE, (max(options.raters, 1), m)) * bool(options.raters)
        self.cast = 0

    def uniform(self) -> tuple[int, int]:
        a, b = self.rng.choice(self.m, 2, replace=False).tolist()
        return a, b

    def popular(self) -> tuple[int, int]:
        """Some models are shown far more often than others, by a plan."""
        a, b = self.rng.choice(self.m, 2, replace=False, p=self.popularity / self.popularity.sum()).tolist()
        return a, b

    def joining(self) -> tuple[int, int]:
        """Models join one after the other."""
        a, b = self.rng.choice(min(self.m, 2 + int(1.5 * self.m * self.cast / self.n)), 2, replace=False).tolist()
        return a, b

    def planned_neighbours(self) -> tuple[int, int]:
        """Close models meet more often, by a plan: a random one of four votes apart, each meets its neighbour."""
        if self.rng.random() < 0.25:
            return self.uniform()
        a = int(self.rng.integers(self.m - 1))
        return a, a + 1

    def matchmaking(self, target: int | None = None) -> tuple[int, int]:
        """Our own."""
        if self.cast % REFRESH == 0 or self.matchups is None:
            met = [(i, j) for i in range(self.m) for j in range(i) if self.wins[i, j] + self.wins[j, i]]
            counts = {(i, j): {"model_a": self.wins[i, j], "model_b": self.wins[j, i]} for i, j in met}
            self.matchups = weigh_matchups(range(self.m), counts, floor=50, target_model=target)
        return choose(self.matchups, self.draw)

    def target_model(self) -> tuple[int, int]:
        """Our own, for one model."""
        return self.matchmaking(0)

    def nearest_rating(self) -> tuple[int, int]:
        return self._meet_nearest(self.posterior.theta)

    def nearest_elo(self) -> tuple[int, int]:
        """By online Elo, which changes with each vote."""
        return self._meet_nearest(self.elo)

    def leader_challenger(self) -> tuple[int, int]:
        """The two highest ratings."""
        second, first = np.argsort(self.posterior.theta)[-2:].tolist()
        return first, second

    def leader_upper_bound(self) -> tuple[int, int]:
        """The highest rating against the highest upper bound of the others."""
        upper = self.posterior.theta + np.sqrt(self.posterior.covariance.diagonal())
        first = int(self.posterior.theta.argmax())
        upper[first] = -np.inf
        return first, int(upper.argmax())

    def _meet_nearest(self, ratings: "np.ndarray") -> tuple[int, int]:
        a = int(self.rng.integers(self.m))
        distance = np.abs(ratings - ratings[a])
        distance[a] = np.inf
        return a, int(distance.argmin())

    def simulate(self, rule: str) -> Votes:
        looks = rule not in PLANS
        rows = np.empty((3, self.n), dtype=np.int64)
        for cast in range(self.n):
            self.cast = cast
            if self.cast % REFRESH == 0 and looks:
                self.posterior = approximate_posterior(self.wins)
            blind = looks and (self.cast < START or self.rng.random() < self.explored)
            a, b = self.uniform() if blind else getattr(self, rule)()
            if self.rng.random() < 0.5:
                a, b = b, a
            taste = self.tastes[self.cast * len(self.tastes) // self.n]
            p = float(sigmoid(np.array(self.truth[a] - self.truth[b] + taste[a] - taste[b])))
            winner = TIE if self.rng.random() < TIES else MODEL_A if self.rng.random() < p else MODEL_B
            share = {MODEL_A: 1.0, MODEL_B: 0.0, TIE: 0.5}[winner]
            self.wins[a, b] += share
            self.wins[b, a] += 1.0 - share
            step = 0.1 * (share - float(sigmoid(np.array(self.elo[a] - self.elo[b]))))
            self.elo[[a, b]] += step, -step
            rows[:, self.cast] = a, b, winner
        return Votes(tuple(range(self.m)), *rows)


PLANS = ("uniform", "popular", "joining", "planned_neighbours")
RULES = (
    *PLANS,
    "matchmaking",
    "target_model",
    "nearest_rating",
    "nearest_elo",
    "leader_challenger",
    "leader_upper_bound",
)


def judge(rule: str, options: argparse.Namespace) -> str:
    alarms, covered = [], []
    for seed in range(options.arenas):
        arena = Arena(options, seed)
        votes = arena.simulate(rule)
        alarms.append(judge_pair_choice(votes).rule != "")
        counts = count_votes(votes)
        if not find_components(counts, ties="drop").unrated:
            fit = fit_bradley_terry(counts, ties="drop", scale=NATURAL)
            covered.append((fit.ci_low <= arena.truth) & (arena.truth <= fit.ci_high))
    return f"{rule:<20} alarms {np.mean(alarms):6.1%}   naive 95 % intervals cover {np.mean(covered):6.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rules", nargs="*", metavar="RULE", help=f"default: all of {', '.join(RULES)}")
    for name, default in {
        "arenas": 200,
        "models": 6,
        "votes": 1500,
        "raters": 0,
        "spread": 0.5,
        "explored": 0.1,
    }.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"default {default}")
    options = parser.parse_args()
    for rule in options.rules or RULES:
        print(judge(rule, options), flush=True)


if __name__ == "__main__":
    main()
