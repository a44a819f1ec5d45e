"""Coverage and width of intervals of distances, in simulated features with known truth.

    PYTHONPATH=. python benchmarks/distance_intervals.py [--runs 200]

For each design: the share of 95 % intervals that hold the mean value of as many images; their width over that of ± 1.96
standard deviations; the same for the plain jackknife, value ± t standard errors; and the share that hold the limit for
infinitely many images.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial

# One thread: the matrices are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.base import PromptInputs, SampleInputs
from evaluation.metrics.computing.intervals import find_set_interval
from evaluation.metrics.distances.base import Distance
from evaluation.metrics.distances.frechet import FrechetDistance
from evaluation.metrics.distances.manifolds import Coverage, Density, Precision, Recall
from evaluation.metrics.features.moments import Moments, Sums
from evaluation.metrics.features.reference import ReferenceStatistics
from evaluation.metrics.features.rows import FeatureRows
from evaluation.metrics.intervals.jackknife import jackknife, leave_out, split_prompts
from evaluation.ratings.ratings import quantile

EXTRACTOR = "inception-v3/clean"
PARAMETERS = {"extractor": EXTRACTOR, "reference": "simulated"}
Rows = NDArray[np.float64]
KINDS = ((Precision, 0.8), (Precision, 1.1), (Recall, 1.2), (Recall, 1.8), (Coverage, 0.9), (Density, 0.9))
Draw = Callable[[np.random.Generator, int, int], Rows]


def make_samples(rows: Rows) -> list[SampleInputs]:
    """One prompt per row."""
    prompts = [PromptInputs(key=f"{i:05}", text="") for i in range(len(rows))]
    return [SampleInputs(prompt=p, seed=0, extracted={EXTRACTOR: row}) for p, row in zip(prompts, rows, strict=True)]


def find_value(metric: Distance, rows: Rows, reference: ReferenceStatistics) -> float:
    return metric.compute(metric.summarize(make_samples(rows)), reference)


def find_plain(metric: Distance, rows: Rows, value: float, reference: ReferenceStatistics) -> float:
    """Half the width of the plain jackknife."""
    groups = [[rows[int(key)] for key in group] for group in split_prompts(f"{i:05}" for i in range(len(rows)))]
    found = leave_out(groups, lambda some: metric.summarize(make_samples(np.array(list(some)))))
    alone = {left[0]: metric.compute(statistic, reference) for left, statistic in found if len(left) == 1}
    spread = jackknife(value, [alone[i] for i in sorted(alone)], [len(group) for group in groups])
    return quantile(0.95, len(groups) - 1) * float(np.sqrt(spread.variance))


def report(
    metric: Distance, reference: ReferenceStatistics, n: int, d: int, draw: Draw, limit: float | None, runs: int
) -> None:
    rng = np.random.default_rng(n * 1000 + d)
    values = np.array([find_value(metric, draw(rng, n, d), reference) for _ in range(4 * runs)])
    held = plain = of_limit = 0
    width = plain_width = 0.0
    for _ in range(runs):
        rows = draw(rng, n, d)
        samples, value = make_samples(rows), find_value(metric, rows, reference)
        found = find_set_interval(metric, samples, value, reference, 0.95)
        if found.low is None or found.high is None:
            raise ValueError(found.method)
        half = find_plain(metric, rows, value, reference)
        held += found.low <= values.mean() <= found.high
        width += found.high - found.low
        plain += abs(value - values.mean()) <= half
        plain_width += 2 * half
        of_limit += limit is not None and found.low <= limit <= found.high
    ideal = 2 * 1.96 * values.std(ddof=1) * runs
    shown = "" if limit is None else f", holds the limit {limit:g}: {of_limit / runs:.1%}"
    print(
        f"{type(metric).__name__:16} d {d:3} n {n:4}: mean {values.mean():8.3f}, coverage {held / runs:.1%},"
        f" width {width / ideal:.2f}; plain {plain / runs:.1%}, {plain_width / ideal:.2f}{shown}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    for d, sizes in ((16, (8, 16, 32, 64, 192)), (64, (32, 64, 128, 256))):
        exact = ReferenceStatistics(Moments(Sums(None, np.zeros(d), np.eye(d))))
        for n in sizes:
            report(FrechetDistance(**PARAMETERS), exact, n, d, draw_shifted, 1.0, runs)
    rows = FeatureRows((np.random.default_rng(0).normal(size=(300, 8)),))
    reference = ReferenceStatistics(Moments() + Moments(rows=rows), rows)
    for kind, scale in KINDS:
        for n in (60, 200):
            report(kind(**PARAMETERS), reference, n, 8, partial(draw_scaled, scale), None, runs)


def draw_shifted(rng: np.random.Generator, n: int, d: int) -> Rows:
    """At a Fréchet distance of 1 from the standard normal distribution."""
    rows: Rows = rng.normal(size=(n, d)) + d**-0.5
    return rows


def draw_scaled(scale: float, rng: np.random.Generator, n: int, d: int) -> Rows:
    rows: Rows = scale * rng.normal(size=(n, d))
    return rows


if __name__ == "__main__":
    main()
