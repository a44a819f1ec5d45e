"""Benchmark of ratings against evalica and arena-rank: seconds, ratios and peak memory.

    python benchmarks/ratings.py [--arena-rank PYTHON] [--votes 10000000] [--plot cost.html]

Votes are simulated: 200 models that meet by Zipf's law, with 14 % ties by Davidson's model. Each figure is measured in
a process of its own. arena-rank needs jax and is not installed with this project: pass the interpreter of an
environment that has it. Memory is the peak resident size of the process, including the interpreter.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from figures import print_line

ROOT = Path(__file__).resolve().parent.parent
M = 200
WINNERS = ["model_a", "model_b", "tie", "both_bad"]


@dataclass(frozen=True)
class Measured:
    found: Any
    megabytes: float
    wall: float


def make_votes(folder: Path, n: int, rng: np.random.Generator) -> None:
    """Write columns of codes, four covariates, and a Parquet file with names for the other packages."""
    share = 1.0 / np.arange(1, M + 1)
    theta = np.sort(rng.normal(0.0, 0.6, M))[::-1]
    a = rng.choice(M, n, p=share / share.sum()).astype(np.int16)
    b = rng.choice(M, n, p=share / share.sum()).astype(np.int16)
    while (same := a == b).any():
        b[same] = rng.choice(M, int(same.sum()), p=share / share.sum())
    covariates = [rng.normal(0.0, 1.0, n).astype(np.float32) for _ in range(4)]
    left = np.exp((theta[a] - theta[b] + 0.25 * covariates[0]) / 2.0)
    nu = 0.34
    u = rng.random(n) * (left + 1.0 / left + nu)
    winner = np.where(u < left, 0, np.where(u < left + 1.0 / left, 1, 2)).astype(np.int8)
    winner[(winner == 2) & (rng.random(n) < 0.4)] = 3
    for name, column in {"model_a": a, "model_b": b, "winner": winner}.items():
        np.save(folder / f"{name}.npy", column)
    for k, column in enumerate(covariates):
        np.save(folder / f"x{k}.npy", column)
    names = [f"model-{i:03d}" for i in range(M)]
    columns = {
        name: pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), values).cast(pa.string())
        for name, codes, values in (("model_a", a, names), ("model_b", b, names), ("winner", winner, WINNERS))
    }
    pq.write_table(pa.table(columns), folder / "votes.parquet")


def measure(name: str, folder: Path, python: str = sys.executable) -> Measured:
    start = time.perf_counter()
    done = subprocess.run(
        [python, str(ROOT / "benchmarks" / "rating_cases.py"), name, str(folder)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
    return Measured(wall=time.perf_counter() - start, **json.loads(done.stdout))


def compare(text: str, ours: float, peer: float, required: float | None = None) -> None:
    ratio = peer / ours
    print_line(
        f"  {text}",
        f"{peer:.3g} s = {ratio:.1f}x",
        None if required is None else ratio >= required,
        f"≥ {required:g}x" if required else "",
    )


def show_cold(folder: Path, arena_rank: str | None) -> None:
    runs = [measure("cold", folder) for _ in range(6)][1:]
    ours, memory = min(run.wall for run in runs), max(run.megabytes for run in runs)
    print_line(
        "cold Parquet to ratings with 95 % intervals",
        f"{ours:.3f} s, {memory:.0f} MB",
        ours <= 0.5 and memory <= 300,
        "≤ 0.5 s, 300 MB",
    )
    peer = measure("evalica_cold", folder)
    compare(f"evalica, no intervals ({peer.megabytes:.0f} MB)", ours, peer.wall, 14)
    if arena_rank:
        peer = measure("arena_rank_cold", folder, arena_rank)
        compare(f"arena-rank, sandwich ({peer.megabytes:.0f} MB)", ours, peer.wall, 30)


def show_memory(folder: Path) -> None:
    run = measure("memory", folder)
    print_line(
        "in memory: codes to ratings with intervals",
        f"{1e3 * run.found:.1f} ms, {run.megabytes:.0f} MB",
        run.found <= 0.04,
        "≤ 40 ms",
    )
    compare("evalica, its public function given arrays", run.found, measure("evalica_memory", folder).found, 20)
    compare("evalica, its private compiled core", run.found, measure("evalica_kernel", folder).found, 20)


def show_bootstrap(folder: Path, sizes: list[int], rng: np.random.Generator) -> None:
    for n in sizes:
        with tempfile.TemporaryDirectory() as name:
            make_votes(Path(name), n, rng)
            run = measure("bootstrap", Path(name))
            print_line(
                f"1,000 resamples with rank sets, {n:.0e} votes",
                f"{run.found:.3f} s, {run.megabytes:.0f} MB",
                run.found <= 0.3,
                "≤ 0.3 s",
            )
            if n == min(sizes):
                compare("evalica (10 resamples, times 100)", run.found, measure("evalica_bootstrap", Path(name)).found)
    run = measure("bootstrap", folder)
    print_line(
        "1,000 resamples with rank sets, all votes",
        f"{run.found:.3f} s, {run.megabytes:.0f} MB",
        run.found <= 0.3,
        "≤ 0.3 s",
    )


def show_controlled(folder: Path, arena_rank: str | None, rng: np.random.Generator) -> None:
    run = measure("controlled", folder)
    passed = run.found <= 1.5 and run.megabytes <= 1024
    print_line(
        "controlled for 4 covariates and the side",
        f"{run.found:.3f} s, {run.megabytes:.0f} MB",
        passed,
        "≤ 1.5 s, 1 GB",
    )
    if arena_rank:
        with tempfile.TemporaryDirectory() as name:
            make_votes(Path(name), 1_000_000, rng)
            ours, peer = measure("controlled", Path(name)), measure("arena_rank_controlled", Path(name), arena_rank)
            compare(f"arena-rank, both on 10^6 votes ({peer.megabytes:.0f} MB)", ours.found, peer.found, 30)


def show_clustered(folder: Path) -> None:
    print_line("10^6 votes, 60 models, 100,000 raters: CR1", f"{measure('clustered_plainly', folder).found:.2f} s")
    for case, text, most in (("clustered", "by rater", 10), ("clustered_twice", "by rater and 2,000 prompts", 20)):
        run = measure(case, folder)
        cost = f"{run.found:.1f} s, {run.megabytes:.0f} MB"
        print_line(
            f"  cluster jackknife {text}", cost, run.found <= most and run.megabytes <= 500, f"≤ {most} s, 500 MB"
        )


def show_elo(folder: Path) -> None:
    run = measure("elo", folder)
    print_line("online Elo", f"{run.found:.3f} s, {run.megabytes:.0f} MB", run.found <= 0.12, "≤ 0.12 s")
    compare("evalica, its public function given arrays", run.found, measure("evalica_elo", folder).found, 10)
    compare("evalica, its private compiled core", run.found, measure("evalica_elo_kernel", folder).found, 10)


def show_live(folder: Path) -> None:
    found = measure("live", folder).found
    print_line("a live vote, in a batch", f"{1e6 * found['batch']:.3f} µs", found["batch"] <= 1e-6, "≤ 1 µs")
    print_line("a live vote, in one call", f"{1e6 * found['single']:.2f} µs", found["single"] <= 1e-6, "≤ 1 µs")
    print_line(
        "  drift after 10,000 votes (bound)",
        f"{found['drift']:.1e} ({found['bound']:.1e}) points",
        found["drift"] <= 1e-3,
        "≤ 1e-3",
    )
    seconds = measure("refit", folder).found
    print_line("exact refit, 400 models", f"{1e3 * seconds:.1f} ms", seconds <= 0.02, "≤ 20 ms")


def show_growth(folder: Path, plot: Path | None) -> None:
    found = measure("growth", folder).found
    print_line("growth: models x votes", "ms")
    for m in sorted({m for m, _, _ in found}):
        cells = "  ".join(f"{n:.0e}: {1e3 * seconds:.1f}" for k, n, seconds in found if k == m)
        print_line(f"  {m} models", cells)
    if plot:
        import plotly.graph_objects as go

        figure = go.Figure(layout={"title": "Counting and fitting, in memory"})
        for m in sorted({m for m, _, _ in found}):
            cells = [(n, seconds) for k, n, seconds in found if k == m]
            figure.add_scatter(x=[n for n, _ in cells], y=[seconds for _, seconds in cells], name=f"{m} models")
        figure.update_xaxes(type="log", title="votes")
        figure.update_yaxes(type="log", title="seconds")
        figure.write_html(plot, include_plotlyjs=True)
        print(f"plotted: {plot}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=int, default=10_000_000)
    parser.add_argument("--arena-rank", metavar="PYTHON", help="interpreter of an environment with arena-rank")
    parser.add_argument("--plot", type=Path, help="write the growth of the cost as a page")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_votes(folder, options.votes, rng)
        print(f"{options.votes:,} votes, {M} models, {os.cpu_count()} cores")
        show_cold(folder, options.arena_rank)
        show_memory(folder)
        show_bootstrap(folder, [100_000, 1_000_000], rng)
        show_controlled(folder, options.arena_rank, rng)
        show_clustered(folder)
        show_elo(folder)
        show_live(folder)
        show_growth(folder, options.plot)


if __name__ == "__main__":
    main()
