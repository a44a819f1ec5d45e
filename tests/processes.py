"""Processes of a test: real brokers, workers and sites."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import connection

from arena.demo.processes import QUEUES
from arena.web_server import site_arguments
from tests.concurrency import wait_until
from tests.plain_browser import Browser
from tests.settings import POSTGRES

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A port on which nothing listens, below the range from which Linux takes the ports of outgoing connections."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Child:
    """A process in its own session, so that its children end with it."""

    def __init__(self, command: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.command, self.log, self.environment = command, log, environment
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=ROOT,
                env=self.environment,
                start_new_session=True,
            )
        self.ended = False

    def kill(self) -> None:
        """Send SIGKILL to the process and all its children, as in a power cut."""
        if not self.ended:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.ended = True

    def signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def wait_for_log(self, text: str) -> None:
        def is_logged() -> bool:
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.log.read_text()[-2000:]}"
            return text in self.log.read_text(errors="replace")

        wait_until(is_logged, f"{text!r} in {self.log}")


class RedisServer:
    """A Redis without persistence: stopping it loses all messages. It restarts on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.child: Child | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.child = Child(["redis-server", *options, "--dir", str(self.folder)], self.folder / "redis.log")
        try:
            wait_until(self._listens, "Redis listens")
        except AssertionError:
            self.stop()
            raise

    def _listens(self) -> bool:
        assert self.child
        assert self.child.process.poll() is None, self.child.log.read_text()[-2000:]
        return listens(self.port)

    def stop(self) -> None:
        if self.child:
            self.child.signal(signal.SIGCONT)
            self.child.kill()
            self.child = None

    def pause(self) -> None:
        """Accept connections but answer nothing, until ``resume``."""
        assert self.child
        self.child.signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.child
        self.child.signal(signal.SIGCONT)

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def test_database_url() -> str:
    """The URL of the running test's database, for another process."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    info = psycopg.conninfo.conninfo_to_dict(POSTGRES)
    password = f":{info['password']}" if info.get("password") else ""
    return f"postgresql://{info.get('user', '')}{password}@{info.get('host', '')}:{info.get('port', 5432)}/{name}"


test_database_url.__test__ = False  # type: ignore[attr-defined]  # a function for tests, not a test


def child_environment(**changes: str) -> dict[str, str]:
    """The environment of a worker or site that shares the running test's database and media."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "arena.settings",
        "PARAGONE_DATABASE_URL": test_database_url(),
        "PARAGONE_MEDIA_ROOT": str(settings.MEDIA_ROOT),
        "PARAGONE_SECRET_KEY": settings.SECRET_KEY,
        **changes,
    }


class Children:
    """The workers and sites of one test, which end with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Child] = []

    def start_worker(self, broker_url: str, *, concurrency: int = 1, **environment: str) -> Child:
        """Start a worker with ``concurrency`` processes, which also knows the fake adapters."""
        name = f"worker{len(self.started)}"
        pool = ["--pool", "prefork", "--concurrency", str(concurrency), "--queues", QUEUES]
        alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        celery = [sys.executable, "-m", "celery", "-A", "tests.worker_app", "worker", "--loglevel", "INFO"]
        return self._start(
            name,
            [*celery, "--hostname", f"{name}@test", *pool, *alone],
            child_environment(PARAGONE_BROKER_URL=broker_url, **environment),
        )

    def start_site(self, environment: dict[str, str] | None = None) -> "Site":
        port = free_port()
        command = [sys.executable, *site_arguments(port)]
        site = Site(self._start("site", command, environment or child_environment()), port)
        site.wait_until_up()
        return site

    def _start(self, name: str, command: Sequence[str], environment: dict[str, str]) -> Child:
        child = Child(command, self.folder / f"{name}.log", {**environment, "PARAGONE_LOG_LEVEL": "INFO"})
        self.started.append(child)
        return child

    def end(self) -> None:
        for child in self.started:
            child.kill()
            # pytest shows this where the test failed.
            print(f"---- {child.log.name}\n{child.log.read_text(errors='replace')[-8000:]}")


class Site:
    def __init__(self, child: Child, port: int) -> None:
        self.child, self.port = child, port

    def wait_until_up(self) -> None:
        def answers() -> bool:
            assert self.child.process.poll() is None, self.child.log.read_text()[-2000:]
            return listens(self.port) and Browser(self.port).get("/healthz").status == 200

        wait_until(answers, "the site answers")

    def crash(self) -> None:
        self.child.kill()
        # The process that listened is a child of the one just waited for.
        wait_until(lambda: not listens(self.port), "the port is free")

    def start_again(self) -> None:
        self.child.start()
        self.wait_until_up()

    def browser(self) -> "Browser":
        return Browser(self.port)
