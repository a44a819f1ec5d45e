"""Benchmark of leaderboards from votes in PostgreSQL: from all votes, from counts, and after a thousand new votes.

    python benchmarks/leaderboard.py [--postgres postgresql://postgres@127.0.0.1:5432/postgres] [--votes 10000000]

Creates a database on that server and always drops it at the end. 10 million votes take 2.5 GB of disk and minutes to
load, although triggers and indexes are off during the load (only reading is measured). The votes are simulated: 200
models that meet by Zipf's law, 14 % ties by Davidson's model, 50 votes per rater. Each figure is the best of several
runs, with their median beside it.
"""

import argparse
import io
import multiprocessing
import os
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import psycopg

from databases import scratch_database

M = 200
CHUNK = 500_000
NEW_VOTES = 1000
COLUMNS = "board_id, rater_id, model_a_id, model_b_id, winner, origin, category, language, how, cast_at"


def open_django(database: str) -> None:
    os.environ |= {"PARAGONE_DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "arena.settings"}
    import django

    django.setup()


def fill(database: str, n_votes: int) -> None:
    """Create a board with ``n_votes``, with the indexes and statistics of a running site."""
    open_django(database)
    from django.core.management import call_command

    from arena.models import Board, Rater
    from generators.models import ImageModel

    call_command("migrate", verbosity=0)
    board = Board.objects.create(slug="benchmark", title="Benchmark", origin="imported", interval="sandwich")
    names = [f"model-{i:03d}" for i in range(M)]
    models = ImageModel.objects.bulk_create([ImageModel(slug=name, name=name, family=name) for name in names])
    board.image_models.set(models)
    raters = [Rater(origin="imported", board=board, name=f"rater {i}") for i in range(max(n_votes // 50, 1))]
    rater_ids = [rater.pk for rater in Rater.objects.bulk_create(raters, batch_size=5000)]
    with psycopg.connect(database) as link:
        link.execute("SET session_replication_role = replica")
        indexes = link.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'arena_vote' AND indexname NOT IN"
            " (SELECT conname FROM pg_constraint WHERE conrelid = 'arena_vote'::regclass)"
        ).fetchall()
        for name, _ in indexes:
            link.execute(f"DROP INDEX {name}")
        copy_votes(link, board.pk, np.array([m.pk for m in models]), np.array(rater_ids), n_votes, seed=0)
        for _, definition in indexes:
            link.execute(definition)
    with psycopg.connect(database, autocommit=True) as link:
        link.execute("VACUUM ANALYZE")


def copy_votes(
    link: "psycopg.Connection[Any]", board: int, models: np.ndarray, raters: np.ndarray, n_votes: int, seed: int
) -> None:
    import pyarrow as pa
    from pyarrow import csv

    rng = np.random.default_rng(seed)
    winners = pa.array(["model_a", "model_b", "tie", "both_bad"])
    with link.cursor().copy(f"COPY arena_vote ({COLUMNS}) FROM STDIN (FORMAT csv)") as copy:
        for start in range(0, n_votes, CHUNK):
            n = min(CHUNK, n_votes - start)
            a, b, winner = draw_votes(n, rng)
            constants = [np.full(n, text) for text in ("imported", "", "", "", "2026-01-01 00:00:00+00")]
            columns = [np.full(n, board), rng.choice(raters, n), models[a], models[b], winners.take(pa.array(winner))]
            out = io.BytesIO()
            table = pa.table([*columns, *constants], names=COLUMNS.split(", "))
            csv.write_csv(table, out, csv.WriteOptions(include_header=False))
            copy.write(out.getvalue())


def draw_votes(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of model_a, model_b and winner, each (n,)."""
    share = 1.0 / np.arange(1, M + 1)
    theta = np.sort(np.random.default_rng(0).normal(0.0, 0.6, M))[::-1]
    a, b = rng.choice(M, (2, n), p=share / share.sum())
    b = np.where(a == b, (b + rng.integers(1, M, n)) % M, b)
    left = np.exp((theta[a] - theta[b]) / 2.0)
    u = rng.random(n) * (left + 1.0 / left + 0.34)
    undecided = np.where(rng.random(n) < 0.4, 3, 2)
    return a, b, np.where(u < left, 0, np.where(u < left + 1.0 / left, 1, undecided))


def show(text: str, call: Callable[[], object], before: Callable[[], object], runs: int, limit: float | None) -> None:
    """Time ``call``, each time after ``before``, and print the best time with the limit, in seconds."""
    times = []
    for _ in range(runs):
        before()
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    best = min(times)
    verdict = "" if limit is None else f"{'PASS' if best <= limit else 'MISSED':<7} ≤ {limit:g} s"
    print(f"{text:<50} {best:8.3f} s   median {statistics.median(times):.3f} s   {verdict}", flush=True)


def measure(database: str) -> None:
    open_django(database)
    from django.db import connection
    from django.db.models import Count

    from arena.leaderboards.matchup_counts import unpack_counts
    from arena.leaderboards.snapshots import rate_board
    from arena.models import Board, Leaderboard, Rater, Vote
    from arena.votes.counts import advance_counts
    from arena.votes.exclusions import keep_countable
    from evaluation.ratings.counts import count_rows

    board = Board.objects.get()
    models = np.array(board.image_models.order_by("pk").values_list("pk", flat=True))
    raters = np.array(Rater.objects.values_list("pk", flat=True)[:100])
    connection.ensure_connection()

    def vote() -> None:
        copy_votes(connection.connection, board.pk, models, raters, NEW_VOTES, seed=Vote.objects.count())

    def forget() -> None:
        Leaderboard.objects.all().delete()

    def group() -> list[Any]:
        pairs = keep_countable(Vote.objects.filter(board=board)).values_list("model_a", "model_b", "winner")
        return list(pairs.annotate(votes=Count("id")).order_by())

    show("all votes to a leaderboard", lambda: rate_board(board, rebuild=True), forget, 3, 4.0)
    show("counts to a leaderboard", lambda: rate_board(board), forget, 9, 0.25)
    show(f"{NEW_VOTES:,} new votes to counts", lambda: advance_counts(board), vote, 5, None)
    show(f"{NEW_VOTES:,} new votes to a leaderboard", lambda: rate_board(board), vote, 5, None)
    show("no new votes", lambda: rate_board(board), lambda: None, 5, None)
    print(f"{'peak memory of this process':<50} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")
    board.interval = "rater"
    show("with intervals clustered by rater", lambda: rate_board(board), forget, 1, None)
    print(f"{'peak memory with them':<50} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")
    show("for comparison: GROUP BY over all votes", group, lambda: None, 2, None)
    kept = unpack_counts(Leaderboard.objects.latest("pk").counts)
    exact = np.array_equal(kept.table, count_rows(kept.models, group()).table)
    print(f"{'the counts are those of the votes':<50} {'PASS' if exact else 'MISSED'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", default="postgresql://postgres@127.0.0.1:5432/postgres")
    parser.add_argument("--votes", type=int, default=10_000_000)
    options = parser.parse_args()
    if options.votes < 1:
        parser.error(f"Expected at least 1 vote, got {options.votes}.")
    # The database is also dropped if the process is terminated.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder, scratch_database(options.postgres) as database:
        os.environ["PARAGONE_VAR"] = folder
        started = time.perf_counter()
        # In a separate process, so that its memory is not counted.
        filling = multiprocessing.get_context("spawn").Process(target=fill, args=(database, options.votes), daemon=True)
        filling.start()
        filling.join()
        if filling.exitcode:
            sys.exit("The votes could not be loaded.")
        print(f"{options.votes:,} votes on {M} models, loaded in {time.perf_counter() - started:.0f} s", flush=True)
        measure(database)


if __name__ == "__main__":
    main()
