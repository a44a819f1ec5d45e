"""Benchmark of matchmaking: the votes that the arena's choice of matchups saves, in simulation.

    python benchmarks/matchmaking.py

Placing: 29 models have 3,000 votes each, and a new one joins. The figure is the number of votes until its published
95 % interval (Bradley-Terry, sandwich) is ±20 points, with matchmaking for the new model, with matchups drawn uniformly
from all pairs, and with the new model in every battle against a uniformly drawn opponent. Median of many repetitions,
for equal and for different strengths.

Overall: the mean width of all 95 % intervals after the same number of votes, with matchmaking for all models and with
matchups drawn uniformly. The board is empty at the start, or ten of thirty models have nearly all votes.

Votes follow Davidson's model, in which two equal models tie with probability 0.15; the ratings count a tie as half a
win, as the arena does. The table of probabilities is recomputed at every snapshot and stale in between, as on a site.
All random numbers are seeded.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from arena.battles.matchmaking import choose, weigh_matchups
from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.components import DisconnectedModelsError
from evaluation.ratings.counts import Counts
from evaluation.ratings.outcomes import WINNERS

Array = NDArray[np.float64]
# Chooses the next n pairs to vote on (n, 2), from the table of votes so far and n.
Choice = Callable[[NDArray[np.int64], int], NDArray[np.int64]]

TIE = 0.15
GOAL = 40.0


def cast_votes(table: NDArray[np.int64], pairs: NDArray[np.int64], strengths: Array, rng: np.random.Generator) -> None:
    """Add one vote on each of ``pairs`` (n, 2) to ``table`` (M, M, 4), by Davidson's model; strengths in points."""
    a, b = pairs.T
    log_odds = (strengths[a] - strengths[b]) * np.log(10.0) / 400.0
    weights = np.stack([np.exp(log_odds / 2.0), np.exp(-log_odds / 2.0), np.full(len(a), 2.0 * TIE / (1.0 - TIE))])
    limits = (weights / weights.sum(axis=0)).cumsum(axis=0)[:2]
    np.add.at(table, (a, b, (rng.random(len(a)) >= limits).sum(axis=0)), 1)


def find_widths(table: NDArray[np.int64]) -> Array:
    """Width (M,) of each model's published interval, in points; infinite while the votes give no finite rating."""
    try:
        ratings = fit_bradley_terry(Counts(tuple(range(len(table))), table))
    except DisconnectedModelsError:
        return np.full(len(table), np.inf)
    return ratings.ci_high - ratings.ci_low


def choose_informed(rng: random.Random, target_model: int | None = None) -> Choice:
    def choice(table: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        matchup_counts = {
            (int(a), int(b)): dict(zip(WINNERS, table[a, b].tolist(), strict=True))
            for a, b in np.argwhere(table.any(axis=2))
        }
        matchups = weigh_matchups(range(len(table)), matchup_counts, target_model=target_model)
        return np.array([choose(matchups, rng) for _ in range(n)])

    return choice


def choose_uniform(rng: np.random.Generator, model: int | None = None) -> Choice:
    """Choose uniformly from all pairs, or from those of one model."""

    def choice(table: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        m = len(table)
        first = rng.integers(m, size=n) if model is None else np.full(n, model)
        return np.stack([first, (first + rng.integers(1, m, size=n)) % m], axis=1)

    return choice


def place(strengths: Array, n_votes_each: int, choice: Choice, snapshot: int, seed: int) -> tuple[int, Array]:
    """Votes until the last model's interval is GOAL wide, checked every ``snapshot`` votes, and all widths then."""
    rng, m = np.random.default_rng([seed, 1]), len(strengths)
    table = np.zeros((m, m, 4), dtype=np.int64)
    cast_votes(table, choose_uniform(rng)(table[1:], n_votes_each * (m - 1) // 2), strengths, rng)
    used = 0
    while (widths := find_widths(table))[-1] > GOAL:
        cast_votes(table, choice(table, snapshot), strengths, rng)
        used += snapshot
    return used, widths


def spend(table: NDArray[np.int64], strengths: Array, choice: Choice, n_votes: int, snapshot: int, seed: int) -> float:
    """Mean width of all intervals after ``n_votes`` more votes."""
    rng, table = np.random.default_rng([seed, 2]), table.copy()
    for start in range(0, n_votes, snapshot):
        cast_votes(table, choice(table, min(snapshot, n_votes - start)), strengths, rng)
    return float(find_widths(table).mean())


def make_designs(m: int, rng: np.random.Generator) -> Iterator[tuple[str, Array, NDArray[np.int64]]]:
    """Name, strengths (m,) and initial votes of each design of the overall comparison."""
    everyone = {
        "equal": np.zeros(m),
        "spread": rng.normal(0.0, 200.0, m),
        "clustered": np.repeat([-300.0, 0.0, 300.0], m // 3),
    }
    popular = np.where(np.arange(m) % 3 == 0, 10.0, 1.0)
    for name, strengths in everyone.items():
        table = np.zeros((m, m, 4), dtype=np.int64)
        yield f"{name}, empty", strengths, table
        chances = np.triu(np.outer(popular, popular), 1)
        pairs = np.argwhere(chances)
        drawn = rng.choice(len(pairs), size=70 * m, p=chances[chances > 0] / chances.sum())
        unbalanced = table.copy()
        cast_votes(unbalanced, pairs[drawn], strengths, rng)
        yield f"{name}, unbalanced", strengths, unbalanced


def compare_placing(spread: float, repetitions: int, m: int = 30, n_votes_each: int = 3000) -> dict[str, list[int]]:
    """Votes that each way of choosing needs, by repetition; strengths are normal with this deviation, in points."""
    needed: dict[str, list[int]] = {"informed": [], "all pairs": [], "new in every battle": []}
    for seed in range(repetitions):
        rng = np.random.default_rng([seed, 0])
        strengths = rng.normal(0.0, spread, m)
        choices = {
            "informed": (choose_informed(random.Random(seed), m - 1), 50),
            "all pairs": (choose_uniform(rng), 250),
            "new in every battle": (choose_uniform(rng, m - 1), 50),
        }
        for name, (choice, snapshot) in choices.items():
            needed[name].append(place(strengths, n_votes_each, choice, snapshot, seed)[0])
    return needed


def compare_overall(repetitions: int, n_votes: int, snapshot: int, m: int = 30) -> dict[str, list[tuple[float, float]]]:
    """Mean widths (informed, uniform) by repetition, for each design."""
    widths: dict[str, list[tuple[float, float]]] = {}
    for seed in range(repetitions):
        rng = np.random.default_rng([seed, 3])
        for name, strengths, table in make_designs(m, rng):
            choices = choose_informed(random.Random(seed)), choose_uniform(rng)
            informed, uniform = (spend(table, strengths, choice, n_votes, snapshot, seed) for choice in choices)
            widths.setdefault(name, []).append((informed, uniform))
    return widths


def print_placing(repetitions: int) -> bool:
    print(f"Placing one new model among 30 to ± {GOAL / 2:.0f} points, median votes of {repetitions} repetitions")
    good = True
    for spread in (0.0, 150.0, 300.0):
        needed = {name: float(np.median(votes)) for name, votes in compare_placing(spread, repetitions).items()}
        ratio = needed["informed"] / needed["all pairs"]
        harder = needed["informed"] / needed["new in every battle"]
        good &= ratio <= 0.6
        print(
            f"  spread {spread:3.0f}: informed {needed['informed']:6.0f}   all pairs {needed['all pairs']:6.0f} "
            f"(ratio {ratio:.3f}, at most 0.60: {'PASS' if ratio <= 0.6 else 'FAIL'})   "
            f"new in every battle {needed['new in every battle']:6.0f} (ratio {harder:.3f}, no requirement)"
        )
    return good


def print_overall(repetitions: int, n_votes: int, snapshot: int) -> bool:
    print(f"Overall: mean width after {n_votes} votes, a snapshot every {snapshot}, mean of {repetitions} repetitions")
    good = True
    for name, widths in compare_overall(repetitions, n_votes, snapshot).items():
        informed, uniform = np.array(widths).T
        ratio = informed / uniform
        error = ratio.std(ddof=1) / np.sqrt(len(ratio))
        good &= bool(ratio.mean() <= 1.0)
        print(
            f"  {name:22} informed {informed.mean():6.2f}   uniform {uniform.mean():6.2f}   "
            f"ratio {ratio.mean():.4f} ± {error:.4f}: {'PASS' if ratio.mean() <= 1.0 else 'FAIL'}"
        )
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=50)
    repetitions = parser.parse_args().repetitions
    started = time.monotonic()
    good = [print_placing(repetitions), *(print_overall(repetitions, 3000, snapshot) for snapshot in (100, 1000))]
    print(f"{time.monotonic() - started:.0f} s")
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
