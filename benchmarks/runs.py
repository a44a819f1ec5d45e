"""Benchmark of runs and pools: start, preparation and look-up of runs, and requests for a pool of images.

    python benchmarks/runs.py [--postgres postgresql://postgres@127.0.0.1:5432/postgres] [--images 3000] [--pool 10000] [--runs 500]

Measures on SQLite and, if ``--postgres`` names a server, on a new PostgreSQL database, which is dropped at the end.
Messages go to the embedded broker in a temporary folder. No image is drawn. The figures "before" are those of commit
50b17cd with the default sizes on two idle cores. There a start of 3,000 images took 6.6 to 22 s.
"""  # noqa: E501

import argparse
import logging
import multiprocessing
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from databases import scratch_database
from figures import print_line, read_peak

MODELS = 10
SEEDS = 3
# Seconds at commit 50b17cd, by figure and database, for a pool of 10,000 images. A message was sent for each image.
BEFORE: dict[str, dict[str, float]] = {
    "pool requested": {"SQLite": 10.9, "PostgreSQL": 15.5},
    "pool requested again": {"SQLite": 1.4, "PostgreSQL": 2.1},
}
SUITE = """
name = "benchmark"
version = "1"
title = "Benchmark"
prompt_files = ["prompts.toml"]
samples_per_prompt = 3
width = 64
height = 64
[[metrics]]
metric = "exposure"
"""


def measure(database: str, folder: Path, sizes: argparse.Namespace) -> None:
    """All figures on one database, in a process of its own."""
    open_django(database, folder)
    kind = "SQLite" if database.startswith("sqlite") else "PostgreSQL"
    print(f"{kind}: a suite of {sizes.images:,} images, a pool of {sizes.pool:,} images, {sizes.runs:,} runs")
    models = make_models()
    measure_run(kind, folder, models[0], sizes.images)
    measure_pool(kind, models, sizes.pool)
    measure_lookup(kind, models[1], sizes.runs)
    print_line("peak memory", f"{read_peak():.0f} MB")


def open_django(database: str, folder: Path) -> None:
    os.environ |= {
        "PARAGONE_VAR": str(folder),
        "PARAGONE_DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "arena.settings",
        "PARAGONE_BROKER_URL": "embedded://localhost/",
    }
    import django

    django.setup()
    logging.getLogger("django_structlog.celery").setLevel(logging.WARNING)
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def make_models() -> list[Any]:
    from generators.models import ImageModel

    names = [f"model-{n}" for n in range(MODELS)]
    return [ImageModel.objects.create(slug=name, name=name, family=name, adapter="sketch") for name in names]


def measure_run(kind: str, folder: Path, model: Any, n_images: int) -> None:
    """Start a run whose prompt set is stored, then prepare it step by step, as beat does."""
    from evaluation.runs import lifecycle
    from evaluation.suites.suite import declare_prompts, load_suite

    prompts = "\n".join(
        f'[[prompts]]\nkey = "{n}"\ntext = "a red circle and {n} blue squares"' for n in range(n_images // SEEDS)
    )
    (folder / "prompts.toml").write_text(f'slug = "benchmark"\nversion = "1"\ntitle = "Benchmark"\n{prompts}\n')
    (folder / "suite.toml").write_text(SUITE)
    suite = load_suite(folder / "suite.toml")
    declare_prompts(suite)
    run = report(kind, "start of a run", lambda: lifecycle.start(suite, model), required=0.1)
    longest, started = 0.0, time.perf_counter()
    while run.status == run.Status.PREPARING:
        step = time.perf_counter()
        lifecycle.advance()
        longest = max(longest, time.perf_counter() - step)
        run.refresh_from_db()
    print_line("  preparation: samples, images, first messages", f"{time.perf_counter() - started:.2f} s")
    print_line("  its longest step", f"{longest:.2f} s")
    report(kind, "second start", lambda: lifecycle.start(suite, model))
    report(kind, "advance, with the run drawing", lifecycle.advance)


def measure_pool(kind: str, models: list[Any], n_images: int) -> None:
    from arena.battles.pools import fill_pool
    from arena.models import Board
    from generators.models import Prompt, PromptSet
    from generators.workers.stale_claims import sweep

    board = Board.objects.create(slug="benchmark", title="Benchmark")
    board.image_models.set(models)
    prompt_set = PromptSet.objects.create(slug="pool", version="1", title="Pool")
    prompts = [Prompt(prompt_set=prompt_set, key=str(n), text="a red circle") for n in range(n_images // MODELS)]
    Prompt.objects.bulk_create(prompts, batch_size=500)
    board.prompt_sets.set([prompt_set])
    report(kind, "pool requested", lambda: fill_pool(board))
    report(kind, "pool requested again", lambda: fill_pool(board))
    report(kind, "sweep, with the pool waiting", sweep)


def measure_lookup(kind: str, model: Any, n_runs: int) -> None:
    """Find a run by the first characters of its key, among runs with specifications of 20 kB."""
    from evaluation.management.run_argument import find_run
    from evaluation.models import Run

    spec = {"suite": {"title": "Benchmark", "description": secrets.token_hex(10_000)}}
    rows = [Run(suite="many", suite_digest=str(n), model=model, spec=spec, status="done") for n in range(n_runs)]
    Run.objects.bulk_create(rows, batch_size=100)
    wanted = str(rows[n_runs // 2].key)[:13]
    report(kind, "run found by the first characters of its key", lambda: find_run(wanted))


def report(kind: str, what: str, work: Callable[[], Any], required: float | None = None) -> Any:
    """Print the seconds that the work takes, and return its result."""
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    before = BEFORE.get(what, {}).get(kind)
    ratio = f"   before: {before:.2f} s, {before / seconds:.0f} ×" if before else ""
    passed = None if required is None else seconds <= required
    print_line(f"  {what}", f"{seconds:.3f} s{ratio}", passed, f"at most {required} s" if required else "")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", default="", metavar="URL")
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--pool", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=500)
    sizes = parser.parse_args()
    for server in dict.fromkeys(["", sizes.postgres]):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            sqlite = f"sqlite:///{Path(folder) / 'benchmark.sqlite3'}"
            database = stack.enter_context(scratch_database(server)) if server else sqlite
            # A process of its own, so that the peak of memory is that of this database.
            process = multiprocessing.get_context("spawn").Process(target=measure, args=(database, Path(folder), sizes))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
