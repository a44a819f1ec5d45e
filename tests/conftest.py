import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from arena.models import Board
from generators import generations
from tests import builders
from tests.settings import POSTGRES, REQUIRE_SERVICES

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def lack(what: str) -> None:
    """A required service that is missing fails; elsewhere its tests skip, saying so."""
    if REQUIRE_SERVICES:
        pytest.fail(f"{what}: required by PARAGONE_REQUIRE_SERVICES", pytrace=False)
    pytest.skip(what)


@pytest.fixture(autouse=True)
def _required_services(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("postgres") and connection.vendor != "postgresql":
        lack("these tests do not run on PostgreSQL")
    if request.node.get_closest_marker("redis") and not shutil.which("redis-server"):
        lack("redis-server is not installed")
    if request.node.get_closest_marker("browser") and not shutil.which("chromium"):
        lack("chromium is not installed")


@pytest.fixture(autouse=True)
def _own_media(settings, tmp_path: Path) -> None:
    """Each test its own images, and no adapter kept warm from another test's models."""
    settings.MEDIA_ROOT = tmp_path / "media"
    generations._warm_generator.cache_clear()


@pytest.fixture
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the shared data is not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def board(db: None) -> Board:
    """Three models, four prompts, every image drawn."""
    return builders.make_board(n_models=3, n_prompts=4, drawn=True)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis of the test's own, on a free port, that keeps nothing."""
    with RedisServer(tmp_path) as server:
        yield server.url


class RedisServer:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            ["redis-server", *options, "--dir", str(self.folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def test_database_url() -> str:
    """Where another process finds the database of the running test."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    info = psycopg.conninfo.conninfo_to_dict(POSTGRES)
    password = f":{info['password']}" if info.get("password") else ""
    return f"postgresql://{info.get('user', '')}{password}@{info.get('host', '')}:{info.get('port', 5432)}/{name}"


test_database_url.__test__ = False  # type: ignore[attr-defined]  # a function for tests, not a test


def child_environment(**changes: str) -> dict[str, str]:
    """The environment of a worker or site that shares the running test's database and media."""
    import os

    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "arena.settings",
        "PARAGONE_DATABASE_URL": test_database_url(),
        "PARAGONE_MEDIA_ROOT": str(settings.MEDIA_ROOT),
        "PARAGONE_SECRET_KEY": settings.SECRET_KEY,
        **changes,
    }
