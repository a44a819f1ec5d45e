"""Child processes of the demo: the worker, the site, and the one that writes the tiny network."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from arena.web_server import site_arguments

QUEUES = "gpu,api,default,metrics,rating"


class DemoError(Exception):
    """The demo cannot go on. The message is one line for the person who started it."""


@dataclass(frozen=True)
class Child:
    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def expect_alive(self) -> None:
        """Raises DemoError, with the last line of the log, if the process has ended."""
        code = self.process.poll()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"stopped with exit code {code}"
            lines = self.log.read_text(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")
            raise DemoError(f"The {self.name} {how}: {last[:300]} (the whole log: {self.log})")


def start_worker() -> Child:
    """One Celery worker for every queue, with the beat that rates boards and releases expired claims."""
    celery = ["-m", "celery", "-A", "arena.celery", "worker", "--beat", "--queues", QUEUES]
    # A single worker has no other workers to talk to.
    single = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return _start("worker", [*celery, "--concurrency", "2", "--loglevel", "INFO", *single])


def start_site(port: int) -> Child:
    return _start("site", site_arguments(port))


def start_command(name: str, *arguments: str) -> Child:
    """One of Paragone's commands."""
    return _start(name, ["-m", "arena.console", *arguments])


def _start(name: str, arguments: Sequence[str]) -> Child:
    log = Path(settings.VAR) / "log" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        # A session of its own, so that its children can be ended with it and Ctrl-C reaches only the demo.
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            # Python looks for modules here first: the packages that this process runs, in a checkout or installed.
            cwd=settings.BASE_DIR,
            start_new_session=True,
        )
    return Child(name, process, log)


def stop_all(children: Sequence[Child]) -> None:
    """Ask each to end, wait a moment, then kill those that are left, with their own children."""
    for child in children:
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
    for child in children:
        try:
            child.process.wait(timeout=8)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(child.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.process.wait()
