import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.db.backends.sqlite3.base import DatabaseOperations
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from arena.battles import opening
from arena.leaderboards import matchup_counts
from arena.models import Board
from arena.trigger_installation import PREFIX
from arena.triggers import RULES
from generators import database_time
from generators.adapters.registry import ADAPTERS
from generators.workers import generator_cache
from tests import builders
from tests.clock import Clock
from tests.fake_adapters import PAID, SCRIPTED_KEY, Draw, Script, ScriptedGenerator
from tests.latch import Latch
from tests.processes import Children, RedisServer
from tests.settings import REQUIRE_SERVICES
from tests.transactions import guard_transactions

# A busy machine must not fail a test, so Hypothesis has no time limits.
hypothesis_settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("tests")

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def report_missing(what: str) -> None:
    """Fail if services are required, else skip the test."""
    if REQUIRE_SERVICES:
        pytest.fail(f"{what}: required by PARAGONE_REQUIRE_SERVICES", pytrace=False)
    pytest.skip(what)


@pytest.fixture(autouse=True)
def _required_services(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("postgres") and connection.vendor != "postgresql":
        report_missing("the tests do not run on PostgreSQL")
    if request.node.get_closest_marker("redis") and not shutil.which("redis-server"):
        report_missing("redis-server is not installed")
    if request.node.get_closest_marker("browser") and not shutil.which("chromium"):
        report_missing("chromium is not installed")


@pytest.fixture(autouse=True, scope="session")
def _flush_despite_triggers() -> Iterator[None]:
    """Tests with transactions of their own end by emptying all tables: on SQLite by DELETE, which triggers refuse.

    The signal post_migrate follows, which installs the triggers again.
    """
    drops = [f"DROP TRIGGER IF EXISTS {PREFIX}{name}" for name, (_, event, *_) in RULES.items() if event == "DELETE"]
    flush = DatabaseOperations.sql_flush
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", lambda *args, **options: drops + flush(*args, **options))
        yield


@pytest.fixture(autouse=True)
def _own_media(settings, tmp_path: Path) -> Iterator[None]:
    """Each test has its own media folder, and no cache outlives it."""
    settings.MEDIA_ROOT = tmp_path / "media"
    for cached in (matchup_counts.read_matchup_counts, opening.weigh_snapshot):
        cached.cache_clear()
    yield
    generator_cache.evict_all()


@pytest.fixture(autouse=True)
def no_network_in_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """No code under test reads or stores originals, or connects to a server, in a transaction."""
    guard_transactions(monkeypatch)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A stopped clock behind ``timezone.now``, the database's time and ``time.sleep``, which the test advances."""
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock.read)
    monkeypatch.setattr(database_time, "now", clock.read)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


@pytest.fixture
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"there is no shared data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def board(db: None) -> Board:
    """A board with three models, four prompts and all images."""
    return builders.make_board(n_models=3, n_prompts=4, drawn=True)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis for this test alone, on a free port, without persistence."""
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def redis_url(redis: RedisServer) -> str:
    return redis.url


@pytest.fixture
def sends_to_redis(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make this process send its messages to the Redis of the test."""
    # Celery reads this variable at every new connection, before its settings.
    monkeypatch.setenv("CELERY_BROKER_URL", redis.url)
    monkeypatch.setattr(current_app, "_pool", None)
    monkeypatch.setattr(current_app.amqp, "_producer_pool", None)
    yield
    current_app.producer_pool.force_close_all()
    current_app.pool.force_close_all()


@pytest.fixture
def children(transactional_db: None, tmp_path: Path) -> Iterator[Children]:
    """Starts workers and sites on the database and media folder of the test. They end before both are removed."""
    children = Children(tmp_path)
    yield children
    children.end()


@pytest.fixture
def latch(tmp_path: Path) -> Latch:
    """The latch at which drawings of the adapter "slow" wait."""
    (tmp_path / "latch").mkdir()
    return Latch(tmp_path / "latch")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Sets the function that the adapter "scripted" calls in this process."""
    monkeypatch.setitem(ADAPTERS, "scripted", "tests.fake_adapters.ScriptedGenerator")
    monkeypatch.setattr(ScriptedGenerator, "calls", [])

    def set_script(draw: Draw) -> None:
        monkeypatch.setattr(ScriptedGenerator, "script", staticmethod(draw), raising=False)

    return set_script


@pytest.fixture
def scripted_provider(script: Script, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the adapter "scripted" a provider: its calls are paid, and its key is set."""
    monkeypatch.setattr(ScriptedGenerator, "declaration", PAID)
    settings.PROVIDER_KEYS = {PAID.key: SCRIPTED_KEY}
