"""Coverage of the intervals, in simulated arenas with known truth.

    python benchmarks/validity.py [--arenas 1000]

Each design simulates arenas, fits them, and counts how often an interval covers the truth. A 95 % interval passes with
93.5 to 96.5 %. For votes that depend on each other, the naive interval is shown next to the clustered one, and should
fail. The truth is the rating that infinitely many votes of new raters on new prompts would give. If tastes differ,
it is less spread out than the strengths for an average rater.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

# One thread per process: two thread pools on the same cores are slower than one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from evaluation.ratings.best_of_n import correct_best
from evaluation.ratings.bootstrap import bootstrap_ratings
from evaluation.ratings.bradley_terry import fit_bradley_terry, fit_davidson
from evaluation.ratings.counts import Counts, count_votes
from evaluation.ratings.families import sigmoid
from evaluation.ratings.ranks import find_rank_sets
from evaluation.ratings.ratings import Ratings
from evaluation.ratings.scales import Scale
from evaluation.ratings.sequential import watch
from evaluation.ratings.usable_rates import fit_usable_rates
from evaluation.ratings.votes import Votes

Array = np.ndarray
M = 8
MODELS = tuple(range(M))
THETA = np.linspace(-0.8, 0.8, M)
NATURAL = Scale(1.0, np.e, 0.0)


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


def find_marginal_truth(spread: float) -> Array:
    """θ of the Bradley-Terry model closest to E[σ(θ_i - θ_j + N(0, 2 spread²))], the average over tastes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    eta = THETA[:, None, None] - THETA[None, :, None] + np.sqrt(2.0) * spread * nodes
    p = (sigmoid(eta) * weights).sum(axis=2) / weights.sum()
    table = np.zeros((M, M, 4))
    table[:, :, 0], table[:, :, 1] = p, 1.0 - p
    table[np.arange(M), np.arange(M)] = 0.0
    return fit_bradley_terry(Counts(MODELS, table, table.copy()), scale=NATURAL).values


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


def clustered(arenas: int, name: str, n_clusters: int, spread: float, busy: bool) -> Iterator[Line]:
    rng = np.random.default_rng(2)
    truth = find_marginal_truth(spread)
    fits: dict[str, list[Ratings]] = {"naive": [], "clustered": []}
    for _ in range(arenas):
        share_of = rng.lognormal(0.0, 0.8, n_clusters) if busy else np.ones(n_clusters)
        cluster = rng.choice(n_clusters, 3000, p=share_of / share_of.sum())
        taste = rng.normal(0.0, spread, (n_clusters, M))
        a, b = draw_pairs(rng, 3000)
        eta = THETA[a] - THETA[b] + taste[cluster, a] - taste[cluster, b]
        votes = Votes(MODELS, a, b, draw_winner(rng, eta), None, {name: cluster})
        counts = count_votes(votes)
        fits["naive"].append(fit_bradley_terry(counts, scale=NATURAL))
        fits["clustered"].append(fit_bradley_terry(counts, clusters=votes, scale=NATURAL))
    what = f"{n_clusters} {name}s with their own taste"
    yield Line(f"{what}, naive sandwich", share(fits["naive"], truth), None)
    yield Line(f"{what}, clustered by {name}", share(fits["clustered"], truth))


def raters(arenas: int) -> Iterator[Line]:
    yield from clustered(arenas, "rater", 150, 0.6, True)


def prompts(arenas: int) -> Iterator[Line]:
    yield from clustered(arenas, "prompt", 10, 0.4, False)


def two_way(arenas: int) -> Iterator[Line]:
    """Raters and prompts both have tastes; the truth is the average over both."""
    rng = np.random.default_rng(3)
    spreads = {"rater": 0.4, "prompt": 0.3}
    truth = find_marginal_truth(float(np.hypot(*spreads.values())))
    fits: dict[str, list[Ratings]] = {"naive sandwich": [], "clustered by rater alone": [], "clustered both ways": []}
    for _ in range(arenas):
        a, b = draw_pairs(rng, 4000)
        clusters = {name: rng.integers(0, 60, 4000) for name in spreads}
        eta = THETA[a] - THETA[b]
        for name, spread in spreads.items():
            taste = rng.normal(0.0, spread, (60, M))
            eta = eta + taste[clusters[name], a] - taste[clusters[name], b]
        votes = Votes(MODELS, a, b, draw_winner(rng, eta), None, clusters)
        alone = Votes(MODELS, a, b, votes.winner, None, {"rater": clusters["rater"]})
        counts = count_votes(votes)
        for given, found in zip((None, alone, votes), fits.values(), strict=True):
            found.append(fit_bradley_terry(counts, clusters=given, scale=NATURAL))
    for text, found in fits.items():
        held = "both" in text
        yield Line(f"60 raters x 60 prompts, {text}", share(found, truth), 0.935 if held else None)


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


DESIGNS: tuple[Callable[[int], Iterator[Line]], ...] = (
    independent, raters, prompts, two_way, davidson, rank_sets, usable, best_of_n, sequential,
)  # fmt: skip


def run(design: Callable[[int], Iterator[Line]], arenas: int) -> list[Line]:
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
