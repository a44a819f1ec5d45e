"""The whole arena on this machine: seed, worker, site, images. `make demo` calls it."""

import fcntl
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from arena.battles.pools import fill_pool, watch_pool
from arena.boards import declare_all, seed
from arena.demo.browser_check import vote_over_http
from arena.demo.processes import Child, DemoError, expect_port_free, start_site, start_worker, stop_all
from arena.models import Board, Origin
from evaluation.models import Run
from evaluation.reports.build import make_report
from evaluation.reports.html import to_html
from evaluation.runs import lifecycle
from evaluation.suites.suite import load_suite
from generators.images import originals
from generators.models import ImageModel

DISK_NEEDED = 300_000_000  # bytes: database, images and logs of the demo, with room to spare
STALLED_AFTER = 60.0  # seconds without a new image
CHECK_VOTES = 60
SIMULATED_VOTES = 4_000
# A sketch takes a second, a network's first image some ten: what a killed demo left behind is drawn again soon after
# the next start.
PATIENCE = {"PARAGONE_CLAIM_SECONDS": "60", "PARAGONE_REDISPATCH_SECONDS": "10", "PARAGONE_CACHED_GENERATORS": "2"}
TINY = "models/tiny"
# The model of the house, and the one that it is held against.
SMOKE = ("fresco-2", "linocut")
SMOKE_SECONDS = 600.0
FIXTURES = Path(settings.BASE_DIR) / "fixtures"
# What would lead the demo away from its own files.
FOREIGN = ("PARAGONE_DATABASE_URL", "PARAGONE_BROKER_URL", "PARAGONE_MEDIA_ROOT", "PARAGONE_PRODUCTION")


class Command(BaseCommand):
    help = "Run the whole arena on this machine, with sketch models and files under var/. Ctrl-C stops it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--check",
            action="store_true",
            help="draw, vote over HTTP, rate and print, in a folder of its own; then stop",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        _enter_own_environment(check=options["check"])
        logging.getLogger().setLevel(logging.WARNING)  # one line per dispatched image would drown the progress bar
        started = time.monotonic()
        children: list[Child] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        try:
            with _only_one():
                self.run(options["port"], options["check"], children, started)
        except KeyboardInterrupt:
            self.stderr.write("Stopping.")
        except DemoError as fault:
            raise CommandError(str(fault)) from fault
        except (OSError, DatabaseError) as error:
            raise CommandError(f"{_explain(error)} Nothing was lost; mend it and start again.") from error
        finally:
            stop_all(children)

    def run(self, port: int, check: bool, children: list[Child], started: float) -> None:
        expect_port_free(port)
        _expect_disk()
        call_command("migrate", verbosity=0, interactive=False)
        children.append(worker := start_worker())
        children.append(start_site(port))
        writing = _write_tiny_network()
        boards = seed(FIXTURES / "demo.toml")
        for board in boards:
            if board.origin == Origin.HUMAN:
                _draw(board, worker)
            elif not board.votes.exists():
                call_command("simulate_votes", board=board.slug, votes=SIMULATED_VOTES, stdout=self.stderr)
                call_command("rate_board", board=board.slug, stdout=self.stderr)
        if writing and writing.wait() == 0:
            boards.append(board := _seed_tiny_network())
            # The worker imports torch for it, which takes a while: nobody need wait for that.
            _draw(board, worker) if check else fill_pool(board)
        smoke = _start_smoke()
        address = f"http://127.0.0.1:{port}/"
        _wait_for_site(address, children)
        if check:
            self.play_rater(address, boards, children)
        else:
            self.stdout.write(
                f"\nParagone is at {address}  (ready in {time.monotonic() - started:.1f} s, Ctrl-C stops it)"
            )
        if smoke:
            self.judge(smoke, children)
        if check:
            self.stdout.write("The demo works: drawn, voted, rated, measured, judged.")
        else:
            _watch(children)

    def play_rater(self, address: str, boards: list[Board], children: list[Child]) -> None:
        for board in boards:
            if board.takes_votes:
                vote_over_http(address, board.slug, CHECK_VOTES)
                if (counted := board.votes.count()) != CHECK_VOTES:
                    raise DemoError(f"{CHECK_VOTES} votes were cast over HTTP, {counted} are in the database.")
            call_command("rate_board", board=board.slug, stdout=self.stdout)
        for child in children:
            child.expect_alive()

    def judge(self, run: Run, children: list[Child]) -> None:
        """Wait for the suite to be measured; print what the gate says and where the report is."""
        deadline = time.monotonic() + SMOKE_SECONDS
        while run.status in {Run.Status.DRAWING, Run.Status.SCORING}:
            for child in children:
                child.expect_alive()
            if time.monotonic() > deadline:
                raise DemoError(
                    f"The smoke suite did not end in {SMOKE_SECONDS:.0f} s: {lifecycle.describe_progress(run)}."
                )
            time.sleep(0.5)
            run.refresh_from_db()
        if run.status == Run.Status.FAILED:
            raise DemoError(f"The smoke suite failed: {run.message}")
        file = Path(settings.VAR) / "reports" / "smoke.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(to_html(make_report(run), originals.read), encoding="utf-8")
        self.stdout.write(
            f"\nIs {run.model.name} better than {run.baseline.model.name if run.baseline else 'nothing'}?"
            f" The smoke suite says {run.verdict.upper()}: {run.results.count()} metrics on"
            f" {run.samples.count()} images of each, in {file}"
        )


def _start_smoke() -> Run | None:
    """Have a suite drawn and measured with two models of the demo."""
    if find_spec("rapidocr") is None:
        logging.warning(
            "Nothing is measured in this demo: pip install 'paragone[metrics]' brings what looks at images."
        )
        return None
    suite = load_suite(FIXTURES / "suites" / "smoke.toml")
    model, baseline = (ImageModel.objects.get(slug=slug) for slug in SMOKE)
    return lifecycle.start(suite, model, baseline=lifecycle.start(suite, baseline))


def _write_tiny_network() -> "subprocess.Popen[bytes] | None":
    """Begin to write the weights of a network that has learned nothing, so that the way of a real model is seen."""
    if find_spec("diffusers") is None:
        logging.warning("No neural network in this demo: pip install 'paragone[workers]' brings what draws with them.")
        return None
    # In a process of its own: it goes on beside the drawing, and ends with the memory it holds.
    folder = Path(settings.VAR) / TINY
    write = [sys.executable, "manage.py", "make_tiny_model", str(folder)]
    command = ["true"] if (folder / "model_index.json").exists() else write
    return subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.DEVNULL)


def _seed_tiny_network() -> Board:
    declared = tomllib.loads((FIXTURES / "tiny.toml").read_text())
    for model in declared["models"]:
        model["settings"]["path"] = str(Path(settings.VAR) / TINY)
    (board,) = declare_all(declared, FIXTURES)
    return board


def _enter_own_environment(*, check: bool) -> None:
    """Start again, once, with the settings that the demo is about: its own files, and for a check a fresh folder."""
    wanted = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in FOREIGN}
    wanted = PATIENCE | wanted
    if check and "PARAGONE_DEMO_CHECK" not in wanted:
        folder = Path(settings.VAR) / "check"
        shutil.rmtree(folder, ignore_errors=True)
        wanted |= {"PARAGONE_VAR": str(folder), "PARAGONE_DEMO_CHECK": "1"}
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)


@contextmanager
def _only_one() -> Iterator[TextIO]:
    """Two demos on the same files would each stop the other's images from being counted as its own."""
    file = Path(settings.VAR) / "demo.lock"
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"A demo is already running on {settings.VAR}. Stop it first.") from None
        yield lock


def _expect_disk() -> None:
    free = shutil.disk_usage(settings.VAR).free
    if free < DISK_NEEDED:
        raise DemoError(
            f"The disk under {settings.VAR} is full: {free / 1e6:.0f} MB free, wanted {DISK_NEEDED / 1e6:.0f} MB."
        )


def _draw(board: Board, worker: Child) -> None:
    last_progress = (0, time.monotonic())

    def on_tick(n_done: int) -> None:
        nonlocal last_progress
        worker.expect_alive()
        if n_done > last_progress[0]:
            last_progress = (n_done, time.monotonic())
        if time.monotonic() - last_progress[1] > STALLED_AFTER:
            raise DemoError(f"The worker drew nothing for {STALLED_AFTER:.0f} s. Its log: {worker.log}")

    outcome_counts = watch_pool(fill_pool(board), on_tick=on_tick)
    if failed := sum(count for status, count in outcome_counts.items() if status != "ok"):
        raise DemoError(f"{failed} images could not be drawn. The worker's log says why: {worker.log}")


def _wait_for_site(address: str, children: list[Child], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        for child in children:
            child.expect_alive()
        try:
            with urllib.request.urlopen(f"{address}readyz", timeout=5):
                return
        except urllib.error.URLError as error:
            if time.monotonic() > deadline:
                raise DemoError(f"The site did not get ready in {seconds:.0f} s: {error}") from error
        time.sleep(0.1)


def _watch(children: list[Child]) -> None:
    while True:
        for child in children:
            child.expect_alive()
        time.sleep(0.5)


def _interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _explain(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "full" in text or "No space left" in text:
        return f"The disk under {settings.VAR} is full ({text})."
    return f"{type(error).__name__}: {text}."
