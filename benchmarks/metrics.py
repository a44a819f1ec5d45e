"""Benchmark of the metrics against torchmetrics: seconds, ratios and peak memory.

    python benchmarks/metrics.py [PART ...]

Features are random, correlated and of unequal variances. Memory is the peak resident size of a separate process,
including the interpreter.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from evaluation.metrics.base import PromptInputs, SampleInputs
from figures import best_of, print_line, read_peak

D = 2048
EXTRACTOR = "inception-v3/clean"


def draw_features(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 2048) float32: variances fall by a factor of 1,000, and adjacent features are correlated."""
    rows = rng.standard_normal((n, D), dtype=np.float32) * np.geomspace(1.0, 0.03, D, dtype=np.float32)
    rows[:, 1:] += 0.5 * rows[:, :-1]
    return rows + 0.4


def draw_samples(n: int) -> Iterator[SampleInputs]:
    """Samples whose features are in memory one block at a time, as if they were read from files."""
    rng = np.random.default_rng(0)
    for _ in range(0, n, 1000):
        for row in draw_features(1000, rng):
            yield SampleInputs(prompt=PromptInputs(key="p", text="p"), seed=0, extracted={EXTRACTOR: row})


def show_frechet() -> None:
    """From given moments, for both implementations."""
    rng = np.random.default_rng(0)
    compare_frechet("", [draw_features(10_000, rng) for _ in range(2)])
    # The eigenvalues are close together, so that torch needs more steps to separate them.
    compare_frechet(", independent", [rng.standard_normal((10_000, D), dtype=np.float32) for _ in range(2)])


def compare_frechet(name: str, sets: list[np.ndarray]) -> None:
    import torch
    from torchmetrics.image.fid import _compute_fid

    from evaluation.metrics.distances.frechet import frechet_distance
    from evaluation.metrics.features.moments import Moments, Sums

    moments = [Moments().add(rows) for rows in sets]
    given = [(side.mean, side.covariance) for side in moments]

    def ours() -> float:
        # New objects, because moments cache the root of their covariance.
        return frechet_distance(*(Moments(Sums(None, *arrays)) for arrays in given))

    def theirs() -> float:
        return float(_compute_fid(*(torch.from_numpy(array) for arrays in given for array in arrays)))

    off = abs(ours() / theirs() - 1.0)
    seconds, peer = best_of(5, ours), best_of(2, theirs)
    print_line(f"Fréchet distance, d = 2048, N = 10,000{name}", f"{seconds:.2f} s", seconds <= 1.2, "≤ 1.2 s")
    print_line("  torchmetrics in float64", f"{peer:.1f} s = {peer / seconds:.1f}x", peer >= 5 * seconds, "≥ 5x")
    print_line("  relative difference", f"{off:.1e}", off <= 1e-6, "≤ 1e-6")


def show_small_frechet() -> None:
    """With fewer images than features, moments keep the rows."""
    from evaluation.metrics.distances.frechet import frechet_distance
    from evaluation.metrics.features.moments import Moments

    rng = np.random.default_rng(0)
    reference = Moments().add(draw_features(10_000, rng))
    for n in (100, 1_000, 2_000):
        rows = draw_features(n, rng)
        _ = reference.root
        seconds = best_of(2, lambda rows=rows: frechet_distance(Moments().add(rows), reference))
        print_line(f"Fréchet distance, N = {n:,}, known reference", f"{seconds:.2f} s")


def show_memory() -> None:
    for n in (10_000, 100_000):
        with get_context("spawn").Pool(1) as pool:
            seconds, megabytes = pool.apply(measure_memory, (n,))
        print_line(
            f"{n:,} samples to a Fréchet distance",
            f"{seconds:.0f} s, {megabytes:.0f} MB",
            megabytes <= 600,
            "≤ 600 MB",
        )


def measure_memory(n: int) -> tuple[float, float]:
    from evaluation.metrics.distances.frechet import FrechetDistance
    from evaluation.metrics.features.moments import Moments
    from evaluation.metrics.features.reference import ReferenceStatistics

    reference = ReferenceStatistics(Moments().add(draw_features(4000, np.random.default_rng(1))))
    metric = FrechetDistance(extractor=EXTRACTOR, reference="photos")
    start = time.perf_counter()
    metric.compute(metric.summarize(draw_samples(n)), reference)
    return time.perf_counter() - start, read_peak()


def show_kernel_distance() -> None:
    from evaluation.metrics.distances.kernel import kernel_distances

    rng = np.random.default_rng(0)
    for n, m in ((500, 5_000), (2_000, 5_000)):
        x, y = draw_features(n, rng), draw_features(m, rng)
        seconds = best_of(1, lambda x=x, y=y: kernel_distances(x, y, min(len(x), 1000)))
        print_line(f"Kernel distance, 100 subsets of {min(n, 1000):,} of {n:,} and {m:,}", f"{seconds:.1f} s")


def run_beside(name: str) -> None:
    """Run a benchmark in a file of its own."""
    subprocess.run([sys.executable, str(Path(__file__).parent / name)], check=True)


PARTS = {
    "frechet": show_frechet,
    "small-frechet": show_small_frechet,
    "memory": show_memory,
    "kernel": show_kernel_distance,
    "features": partial(run_beside, "features.py"),
    "texts": partial(run_beside, "texts.py"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []], help=f"of {', '.join(PARTS)}; or all")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for part in options.parts or PARTS:
        PARTS[part]()


if __name__ == "__main__":
    main()
