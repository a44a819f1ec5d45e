"""Rules that choose the pairs of simulated votes: plans, our matchmaking, and rules that look at the ratings."""

import random
from collections.abc import Callable

import numpy as np

from arena.battles.matchmaking import choose, weigh_matchups
from evaluation.ratings.families import sigmoid
from evaluation.ratings.information import approximate_posterior
from evaluation.ratings.outcomes import MODEL_A, MODEL_B
from evaluation.ratings.votes import Votes

M = 6
TRUTH = np.linspace(-0.5, 0.5, M)
# Chooses a pair from the wins so far (M, M) and the number of votes.
Rule = Callable[[np.random.Generator, np.ndarray, int], tuple[int, int]]


def simulate(rule: Rule, seed: int, n: int = 1500, start: int = 60) -> Votes:
    """Votes whose pairs are random at the start and in one of ten votes, and else follow the rule."""
    rng = np.random.default_rng(seed)
    wins, rows = np.zeros((M, M)), np.empty((3, n), dtype=np.int64)
    for k in range(n):
        a, b = uniform(rng, wins, k) if k < start or rng.random() < 0.1 else rule(rng, wins, k)
        winner = MODEL_A if rng.random() < sigmoid(TRUTH[[a]] - TRUTH[[b]])[0] else MODEL_B
        wins[(a, b) if winner == MODEL_A else (b, a)] += 1
        rows[:, k] = a, b, winner
    return Votes(tuple(range(M)), *rows)


def uniform(rng: np.random.Generator, wins: np.ndarray, k: int) -> tuple[int, int]:
    a, b = rng.choice(M, 2, replace=False).tolist()
    return a, b


def popular(rng: np.random.Generator, wins: np.ndarray, k: int) -> tuple[int, int]:
    a, b = rng.choice(M, 2, replace=False, p=np.array([1, 2, 3, 4, 10, 20]) / 40).tolist()
    return a, b


def planned_neighbours(rng: np.random.Generator, wins: np.ndarray, k: int) -> tuple[int, int]:
    a = int(rng.integers(M - 1))
    return a, a + 1


def one_against_all(rng: np.random.Generator, wins: np.ndarray, k: int) -> tuple[int, int]:
    return M - 1, int(rng.integers(M - 1))


def joining(rng: np.random.Generator, wins: np.ndarray, k: int) -> tuple[int, int]:
    a, b = rng.choice(min(M, 2 + k // 200), 2, replace=False).tolist()
    return a, b


class Matchmaking:
    """Our own, with the leaderboard of every hundred votes."""

    def __init__(self) -> None:
        self.draw = random.Random(0)

    def __call__(self, rng: np.random.Generator, wins: np.ndarray, k: int) -> tuple[int, int]:
        if k % 100 == 0 or k == 60 or not hasattr(self, "matchups"):
            met = np.argwhere(wins + wins.T > 0).tolist()
            counts = {(i, j): {"model_a": int(wins[i, j]), "model_b": int(wins[j, i])} for i, j in met if i < j}
            self.matchups = weigh_matchups(range(M), counts, floor=50)
        return choose(self.matchups, self.draw)


class Rated:
    """A rule that looks at the ratings of every twenty votes."""

    def __init__(self, choose: Callable[[np.random.Generator, np.ndarray], tuple[int, int]]) -> None:
        self.choose, self.theta = choose, np.zeros(M)

    def __call__(self, rng: np.random.Generator, wins: np.ndarray, k: int) -> tuple[int, int]:
        if k % 20 == 0:
            self.theta = approximate_posterior(wins).theta
        return self.choose(rng, self.theta)


def meet_nearest(rng: np.random.Generator, theta: np.ndarray) -> tuple[int, int]:
    a = int(rng.integers(M))
    distance = np.where(np.arange(M) == a, np.inf, np.abs(theta - theta[a]))
    return a, int(distance.argmin())


def meet_challenger(rng: np.random.Generator, theta: np.ndarray) -> tuple[int, int]:
    second, first = np.argsort(theta)[-2:].tolist()
    return first, second
