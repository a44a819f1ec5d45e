"""The run of a demo, step by step: database, worker, site, boards, images, votes, suite."""

import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import OutputWrapper
from django.utils import timezone

from arena.battles.pools import fill_pool, watch_pool
from arena.boards import seed
from arena.demo import smoke_suite, tiny_network
from arena.demo.browser_check import vote_over_http
from arena.demo.environment import expect_disk_space, expect_free_port
from arena.demo.processes import Child, DemoError, start_site, start_worker, stop_all
from arena.models import Board, Origin
from generators.fixtures import find_fixture
from generators.management.progress import Progress
from generators.workers import stale_claims

STALLED_AFTER = 300.0  # seconds without a new image
SITE_SECONDS = 300.0
CHECK_VOTES = 60
SIMULATED_VOTES = 4_000


def run_demo(port: int, *, check: bool, out: OutputWrapper, notes: OutputWrapper) -> None:
    """Serve the demo until it is interrupted, or check it once.

    Raises DemoError, OSError or DatabaseError. The child processes are stopped in any case.
    """
    children: list[Child] = []
    writing: Child | None = None
    started = time.monotonic()
    try:
        expect_free_port(port)
        expect_disk_space()
        call_command("migrate", verbosity=0, interactive=False)
        _release_claims()
        children += [start_worker(), start_site(port)]
        writing = tiny_network.start_writing()
        boards = _make_boards(children[0], notes)
        if board := tiny_network.declare_board(writing):
            boards.append(board)
            # The worker needs a while to import torch for it: only a check waits for these images.
            _draw(board, children[0]) if check else fill_pool(board)
        run = smoke_suite.start_suite()
        address = f"http://127.0.0.1:{port}/"
        _wait_for_site(address, children)
        if check:
            _vote_and_rate(address, boards, children, out)
        else:
            out.write(f"\nParagone is at {address}  (ready in {time.monotonic() - started:.1f} s, Ctrl-C stops it)")
        if run:
            smoke_suite.wait_for_verdict(run, children)
            out.write(f"\n{smoke_suite.write_report(run)}")
        if check:
            out.write("The demo works: drawn, voted, rated, measured, judged.")
        else:
            _watch(children)
    finally:
        stop_all([*children, writing] if writing else children)


def _release_claims() -> None:
    """Put back what a killed demo left behind: with the lock held, no worker is at work on it."""
    latest = max(settings.CLAIM_SECONDS, settings.REDISPATCH_SECONDS)
    stale_claims.sweep(timezone.now() + timedelta(seconds=latest + 1))


def _make_boards(worker: Child, notes: OutputWrapper) -> list[Board]:
    """The demo's boards, with every image drawn or, on simulated boards, every vote cast."""
    boards = seed(find_fixture("demo"))
    for board in boards:
        if board.origin == Origin.HUMAN:
            _draw(board, worker)
        elif not board.votes.exists():
            call_command("simulate_votes", board=board.slug, votes=SIMULATED_VOTES, stdout=notes)
            call_command("rate_board", board=board.slug, stdout=notes)
    return boards


def _draw(board: Board, worker: Child) -> None:
    last_progress = (0, time.monotonic())

    def on_tick(n_done: int, total: int) -> None:
        nonlocal last_progress
        progress.show("drawing", n_done, total)
        worker.expect_alive()
        if n_done > last_progress[0]:
            last_progress = (n_done, time.monotonic())
        if time.monotonic() - last_progress[1] > STALLED_AFTER:
            raise DemoError(f"The worker drew no image for {STALLED_AFTER:.0f} s. Its log: {worker.log}")

    with Progress("image") as progress:
        outcome_counts = watch_pool(fill_pool(board), on_tick)
    if failed := sum(count for status, count in outcome_counts.items() if status != "ok"):
        raise DemoError(f"{failed} images could not be drawn. The reasons are in the worker's log: {worker.log}")


def _vote_and_rate(address: str, boards: Sequence[Board], children: Sequence[Child], out: OutputWrapper) -> None:
    for board in boards:
        if board.takes_votes:
            vote_over_http(address, board.slug, CHECK_VOTES)
            if (counted := board.votes.count()) != CHECK_VOTES:
                raise DemoError(f"{CHECK_VOTES} votes were cast over HTTP, but {counted} are in the database.")
        call_command("rate_board", board=board.slug, stdout=out)
    _expect_all_alive(children)


def _wait_for_site(address: str, children: Sequence[Child]) -> None:
    deadline = time.monotonic() + SITE_SECONDS
    while True:
        _expect_all_alive(children)
        try:
            with urllib.request.urlopen(f"{address}readyz", timeout=60):
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise DemoError(f"The site is not ready after {SITE_SECONDS:.0f} s: {error}") from error
        time.sleep(0.1)


def _watch(children: Sequence[Child]) -> None:
    while True:
        _expect_all_alive(children)
        time.sleep(0.5)


def _expect_all_alive(children: Sequence[Child]) -> None:
    for child in children:
        child.expect_alive()
