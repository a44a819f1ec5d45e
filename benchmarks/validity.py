"""Coverage of the intervals, in simulated arenas with known truth.

    python benchmarks/validity.py [--arenas 1000]

Each design simulates arenas, fits them, and counts how often an interval covers the truth. A 95 % interval passes with
93.5 to 96.5 %. For votes that depend on each other, a table shows the share of ratings and of differences that the
clustered interval covers (93.5 to 97.5 % passes: it holds for the least favourable variances), how often the rank sets
hold at once, and how likely the leader was to be first and how often it was. The naive figures are in parentheses.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

# One thread per process: two thread pools on the same cores are slower than one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from clustered_arenas import ACTIVITIES, NATURAL, Column, measure
from evaluation.ratings.best_of_n import correct_best
from evaluation.ratings.bootstrap import bootstrap_ratings
from evaluation.ratings.bradley_terry import fit_bradley_terry, fit_davidson
from evaluation.ratings.counts import count_votes
from evaluation.ratings.families import sigmoid
from evaluation.ratings.ranks import find_rank_sets
from evaluation.ratings.ratings import Ratings
from evaluation.ratings.sequential import watch
from evaluation.ratings.usable_rates import fit_usable_rates
from evaluation.ratings.votes import Votes

Array = np.ndarray
M = 8
MODELS = tuple(range(M))
THETA = np.linspace(-0.8, 0.8, M)


@dataclass(frozen=True)
class Line:
    """A figure with its requirement: ``low <= value <= high`` passes.

    With ``low`` None, coverage must be outside 93.5 to 96.5 %. With ``low`` infinite, there is no requirement.
    """

    text: str
    value: float
    low: float | None = 0.935
    high: float = 0.965

    def __str__(self) -> str:
        if self.low is None:
            verdict = "fails, as expected" if not 0.935 <= self.value <= 0.965 else "COVERS, UNEXPECTEDLY"
        elif np.isinf(self.low):
            verdict = ""
        else:
            passed = self.low <= self.value <= self.high
            verdict = "PASS" if passed else f"MISSED, expected {self.low:g} to {self.high:g}"
        return f"{self.text:<74} {self.value:8.4g}  {verdict}"


def draw_pairs(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    a = rng.integers(0, M, n)
    return a, (a + rng.integers(1, M, n)) % M


def draw_winner(rng: np.random.Generator, eta: Array) -> Array:
    return (rng.random(len(eta)) >= sigmoid(eta)).astype(np.int8)


def share(fits: list[Ratings], truth: Array) -> float:
    """Share of intervals that cover the truth (mean zero), over all models and arenas."""
    return float(np.mean([(fit.ci_low <= truth) & (truth <= fit.ci_high) for fit in fits]))


def independent(arenas: int) -> Iterator[Line]:
    rng = np.random.default_rng(1)
    fits: dict[str, list[Ratings]] = {"sandwich": [], "inverse_hessian": []}
    boot = []
    for arena in range(arenas):
        a, b = draw_pairs(rng, 1500)
        counts = count_votes(Votes(MODELS, a, b, draw_winner(rng, THETA[a] - THETA[b])))
        for interval, found in fits.items():
            found.append(fit_bradley_terry(counts, interval=interval, scale=NATURAL))
        resampled = bootstrap_ratings(counts, n=400, seed=arena, scale=NATURAL)
        boot.append((resampled.ci_low <= THETA) & (resampled.ci_high >= THETA))
    for interval, found in fits.items():
        yield Line(f"independent votes, {interval}", share(found, THETA))
    yield Line("independent votes, bootstrap percentiles", float(np.mean(boot)))


def compare(
    text: str, columns: dict[str, Column], n_models: int, arenas: int, *, most: float = 0.975, **options: int
) -> Iterator[Line | str]:
    """A line of the table of clustered intervals: what each kind of interval held."""
    naive, clustered = measure(columns, n_models, arenas, **options)
    cells = [
        f"{np.mean(getattr(clustered, name)):.3f} ({np.mean(getattr(naive, name)):.3f})"
        for name in ("ratings", "differences", "rank_sets", "leader", "led")
    ]
    held = [float(np.mean(clustered.ratings)), float(np.mean(clustered.differences))]
    passed = all(0.935 <= share <= most for share in held) and np.mean(clustered.rank_sets) >= 0.95
    yield f"{text:<44}" + "".join(f"{cell:<16}" for cell in cells) + ("PASS" if passed else "MISSED")
    if "few" in options:
        new = f"{np.mean(clustered.last):.3f} ({np.mean(naive.last):.3f})"
        yield f"{'  the rating of the new model alone':<44}{new}"


def cross(name: str, spread: float, n_models: int, arenas: int) -> Iterator[Line | str]:
    """Clusters of each number and activity. The figures in parentheses are those of the naive interval."""
    heads = ("ratings", "differences", "rank sets", "P(first) leader", "leader is first")
    yield f"{f'{n_models} models, clustered (naive)':<44}" + "".join(f"{head:<16}" for head in heads)
    for activity in ACTIVITIES:
        for n in (5, 8, 12, 40):
            columns = {name: Column(n, activity, spread)}
            yield from compare(f"  {n} {name}s, activity: {activity}", columns, n_models, arenas)


def two_way(arenas: int) -> Iterator[Line | str]:
    """Raters and prompts both have tastes; the truth is the average over both."""
    for n_raters, n_prompts, activity in ((60, 60, "equal"), (8, 40, "equal"), (12, 12, "equal"), (12, 12, "1/k")):
        columns = {"rater": Column(n_raters, activity, 0.4), "prompt": Column(n_prompts, activity, 0.3)}
        yield from compare(f"  {n_raters} raters x {n_prompts} prompts, {activity}", columns, 6, arenas, n_votes=3000)


def no_tastes(arenas: int) -> Iterator[Line | str]:
    """Raters who do not differ: the naive interval is right, and the clustered one must not be much wider."""
    for activity in ACTIVITIES:
        columns = {"rater": Column(12, activity, 0.0)}
        yield from compare(f"  12 raters without tastes, {activity}", columns, 6, arenas, most=0.985)


def new_model(arenas: int) -> Iterator[Line | str]:
    """A board of 40 raters, and a new model that few of them have seen. The votes of a single one count as one."""
    for few in (1, 2, 3, 6):
        text, most = f"  40 raters, {few} of whom saw a new model", 1.0 if few < 3 else 0.975
        yield from compare(text, {"rater": Column(40, "equal", 0.5)}, 6, arenas, most=most, few=few)


def davidson(arenas: int) -> Iterator[Line]:
    rng = np.random.default_rng(4)
    nu = 0.8
    fits: list[Ratings] = []
    halves: list[Ratings] = []
    ties = []
    for _ in range(arenas):
        a, b = draw_pairs(rng, 1500)
        left = np.exp((THETA[a] - THETA[b]) / 2.0)
        p = np.stack([left, 1.0 / left]) / (left + 1.0 / left + nu)
        u = rng.random(1500)
        winner = np.where(u < p[0], 0, np.where(u < p[0] + p[1], 1, 2)).astype(np.int8)
        counts = count_votes(Votes(MODELS, a, b, winner))
        fits.append(fit_davidson(counts, scale=NATURAL))
        halves.append(fit_bradley_terry(counts, scale=NATURAL))
        tie = fits[-1].coefficients["tie"]
        ties.append(tie.ci_low <= nu <= tie.ci_high)
    yield Line("Davidson ties, Davidson's model", share(fits, THETA))
    yield Line("Davidson ties, tie parameter", float(np.mean(ties)))
    yield Line("Davidson ties, ties as half wins", share(halves, THETA), None)
    slope = float(np.mean([np.polyfit(THETA, fit.values, 1)[0] for fit in halves]))
    yield Line("  slope of half-win ratings against the true strengths", slope, 0.0, 0.95)


def rank_sets(arenas: int) -> Iterator[Line]:
    """Three of the eight models are equal and others close. All true ranks must be covered at once."""
    rng = np.random.default_rng(5)
    theta = np.array([-0.9, -0.3, -0.1, -0.1, -0.1, 0.3, 0.4, 0.8])
    first, last = 1 + (theta[None] > theta[:, None]).sum(1), (theta[None] >= theta[:, None]).sum(1)
    at_once, resampled = [], []
    for arena in range(arenas):
        a, b = draw_pairs(rng, 2000)
        counts = count_votes(Votes(MODELS, a, b, draw_winner(rng, theta[a] - theta[b])))
        fit = fit_bradley_terry(counts)
        sets = find_rank_sets(fit, seed=arena)
        at_once.append(((sets.best <= first) & (last <= sets.worst)).all())
        sets = bootstrap_ratings(counts, n=400, seed=arena).rank_sets()
        resampled.append(((sets.best <= first) & (last <= sets.worst)).all())
    yield Line("simultaneous rank sets (covariance)", float(np.mean(at_once)), 0.95, 1.0)
    yield Line("simultaneous rank sets (bootstrap)", float(np.mean(resampled)), 0.95, 1.0)


def usable(arenas: int) -> Iterator[Line]:
    rng = np.random.default_rng(6)
    rate = np.linspace(0.5, 0.95, M)
    held = []
    for _ in range(arenas):
        a, b = draw_pairs(rng, 3000)
        bad = rng.random(3000) < (1 - rate[a]) * (1 - rate[b])
        fit = fit_usable_rates(
            count_votes(Votes(MODELS, a, b, np.where(bad, 3, draw_winner(rng, THETA[a] - THETA[b]))))
        )
        held.append((fit.ci_low <= rate) & (rate <= fit.ci_high))
    yield Line("usable rates", float(np.mean(held)))


def best_of_n(arenas: int) -> Iterator[Line]:
    """Ten equal variants are tried and the best is shown."""
    rng = np.random.default_rng(7)
    corrected, naive, above = [], [], []
    for _ in range(arenas):
        values = rng.normal(size=10)
        found = correct_best(values, np.eye(10))
        corrected.append(found.ci_low <= 0.0 <= found.ci_high)
        naive.append(found.naive_low <= 0.0 <= found.naive_high)
        above.append(found.value > 0.0)
    yield Line("best of 10 equal variants, as shown", float(np.mean(naive)), None)
    yield Line("best of 10 equal variants, corrected", float(np.mean(corrected)))
    yield Line("  share of corrected values above the truth", float(np.mean(above)), 0.46, 0.54)


def sequential(arenas: int) -> Iterator[Line]:
    """A test that is read after every vote, up to 5,000 votes."""
    rng = np.random.default_rng(8)
    for threshold in (0.5, 0.7):
        outcomes = (rng.random((arenas, 5000)) < threshold).astype(float)
        alarms = float((watch(outcomes, threshold=threshold).votes > 0).mean())
        yield Line(f"sequential test, false alarms at p = threshold = {threshold}", alarms, 0.0, 0.05)
    for p, fixed in ((0.55, 783), (0.6, 194), (0.7, 47)):
        found = watch((rng.random((arenas, 8000)) < p).astype(float)).votes
        found = np.where(found == 0, 8000, found)
        yield Line(
            f"  median votes to a verdict at p = {p} (fixed sample, 80 % power: {fixed})",
            float(np.median(found)),
            -np.inf,
        )


# The dependent designs take minutes, and so come first.
DESIGNS: tuple[Callable[[int], Iterator[Line | str]], ...] = (
    *(partial(cross, name, spread, m) for name, spread in (("rater", 0.5), ("prompt", 0.4)) for m in (3, 6, 20)),
    two_way, no_tastes, new_model, independent, davidson, rank_sets, usable, best_of_n, sequential,
)  # fmt: skip


def run(design: Callable[[int], Iterator[Line | str]], arenas: int) -> list[Line | str]:
    return list(design(arenas))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arenas", type=int, default=1000, help="simulated arenas per design (default 1000)")
    arenas = parser.parse_args().arenas
    print(f"{arenas} arenas per design, 95 % intervals")
    with ProcessPoolExecutor() as pool:
        for lines in pool.map(run, DESIGNS, [arenas] * len(DESIGNS)):
            print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    main()
