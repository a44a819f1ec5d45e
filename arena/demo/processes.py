"""The worker and the site as child processes of the demo."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

QUEUES = "gpu,api,default,metrics"


class DemoError(Exception):
    """Why the demo cannot go on, in one line for the person who started it."""


@dataclass(frozen=True)
class Child:
    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def expect_alive(self) -> None:
        """Raises DemoError, with the log's last line, when the process has ended."""
        code = self.process.poll()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"stopped with exit code {code}"
            lines = self.log.read_text(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")
            raise DemoError(f"The {self.name} {how}: {last[:300]} (the whole log: {self.log})")


def start_worker() -> Child:
    """One Celery worker for every queue, with the beat that rates boards and sweeps claims."""
    celery = [sys.executable, "-m", "celery", "-A", "arena.celery", "worker", "--beat", "--queues", QUEUES]
    # With one worker there is nobody to gossip with.
    lone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return _start("worker", [*celery, "--concurrency", "2", "--loglevel", "INFO", *lone])


def start_site(port: int) -> Child:
    options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--blocking-threads", "4"]
    return _start("site", [sys.executable, "-m", "granian", *options, "arena.wsgi:application"])


def _start(name: str, command: Sequence[str]) -> Child:
    log = Path(settings.VAR) / "log" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        # A session of its own, so that its children can be ended with it and a Ctrl-C reaches only the demo.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=settings.BASE_DIR,
            start_new_session=True,
        )
    return Child(name, process, log)


def stop_all(children: Sequence[Child]) -> None:
    """Ask each to end, wait a moment, then end what is left, grandchildren included."""
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


def expect_port_free(port: int) -> None:
    """Raises DemoError when something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"Port {port} is in use ({error.strerror}). Stop what listens there, or choose another: "
                f"make demo ARGS='--port {port + 1}'"
            ) from error
