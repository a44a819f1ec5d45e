"""Installation of triggers: only what differs is touched, and no vote waits for a migrate that changes nothing."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from arena import trigger_installation, triggers
from arena.models import Board, Rater, Vote
from arena.trigger_installation import PREFIX, TableLockedError, install_triggers
from tests import builders
from tests.clock import Clock
from tests.processes import ROOT, child_environment, test_database_url

transactional = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.postgres
NO_NAME = ("arena_rater", "INSERT", "NEW.name = ''", "a rater has no name")


@pytest.fixture
def restored(transactional_db: None) -> Iterator[None]:
    """Installs the real triggers again after a test that installed others."""
    rules, consequences = dict(triggers.RULES), dict(triggers.CONSEQUENCES)
    yield
    for current, before in ((triggers.RULES, rules), (triggers.CONSEQUENCES, consequences)):
        current.clear()
        current.update(before)
    install_triggers()


@contextmanager
def other_connection() -> Iterator[Any]:
    url = test_database_url()
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            yield other
    else:
        with psycopg.connect(url, autocommit=True) as other:
            yield other


@contextmanager
def open_writer(table: str) -> Iterator[int]:
    """Another connection with an open transaction that has written to the table. Yields its process id."""
    with other_connection() as other:
        other.execute("BEGIN IMMEDIATE" if connection.vendor == "sqlite" else "BEGIN")
        other.execute(f"DELETE FROM {table} WHERE id = 0")
        yield 0 if connection.vendor == "sqlite" else other.info.backend_pid
        other.execute("ROLLBACK")


def fail_soon() -> None:
    """Fail on a lock at once, instead of after the 20 s of SQLite or the 2 s of PostgreSQL."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 0")


def list_triggers() -> set[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if connection.vendor == "postgresql":
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {name for (name,) in cursor.fetchall()}


@transactional
def test_all_triggers_are_installed_and_nothing_differs() -> None:
    assert list_triggers() == {PREFIX + name for name in triggers.RULES | triggers.CONSEQUENCES}
    assert install_triggers() == []


@transactional
def test_migrate_passes_an_open_writer_and_votes_behind_it_are_taken(board: Board) -> None:
    fail_soon()
    with open_writer("arena_vote"):
        call_command("migrate", verbosity=0)
        if connection.vendor == "postgresql":  # SQLite has one writer at a time
            builders.make_vote(board)
    assert Vote.objects.count() == (connection.vendor == "postgresql")


@on_postgresql
def test_a_new_rule_touches_only_its_table(restored: None) -> None:
    triggers.RULES["rater_has_no_name"] = NO_NAME
    with open_writer("arena_vote"), open_writer("arena_battle"), open_writer("arena_board"):
        assert install_triggers() == ["paragone_rater_has_no_name"]
    with pytest.raises(IntegrityError, match="a rater has no name"):
        Rater.objects.create(name="N")


def test_a_new_rule_holds_and_a_removed_or_renamed_one_disappears(restored: None) -> None:
    triggers.RULES["rater_has_no_name"] = NO_NAME
    assert install_triggers() == ["paragone_rater_has_no_name"]
    with pytest.raises(IntegrityError, match="a rater has no name"), transaction.atomic():
        Rater.objects.create(name="N")

    triggers.RULES["rater_is_anonymous"] = triggers.RULES.pop("rater_has_no_name")
    assert install_triggers() == ["paragone_rater_has_no_name", "paragone_rater_is_anonymous"]
    assert "paragone_rater_has_no_name" not in list_triggers()

    del triggers.RULES["rater_is_anonymous"]
    assert install_triggers() == ["paragone_rater_is_anonymous"]
    Rater.objects.create(name="N")


def test_a_changed_rule_replaces_the_old_one(restored: None) -> None:
    triggers.RULES["rater_has_no_name"] = NO_NAME
    install_triggers()
    table, _, condition, message = NO_NAME
    for rule in ((table, "INSERT", "NEW.name <> 'N'", message), (table, "UPDATE", condition, message)):
        triggers.RULES["rater_has_no_name"] = rule
        assert install_triggers() == ["paragone_rater_has_no_name"]
        assert install_triggers() == []
    rater = Rater.objects.create(name="N")
    with pytest.raises(IntegrityError, match=message):
        rater.save()


@on_postgresql
def test_a_changed_condition_needs_no_lock(restored: None, board: Board) -> None:
    table, event, _, message = triggers.RULES["vote_never_changes"]
    triggers.RULES["vote_never_changes"] = (table, event, "NEW.winner = OLD.winner", message)
    with open_writer("arena_vote"):
        assert install_triggers() == ["paragone_vote_never_changes"]
    builders.make_vote(board)
    Vote.objects.update(category="c")


@on_postgresql
@transactional
@pytest.mark.parametrize("damage", ["DISABLE TRIGGER USER", "dropped"])
def test_a_disabled_or_dropped_trigger_is_installed_again(damage: str) -> None:
    statement = f"ALTER TABLE arena_vote {damage}"
    if damage == "dropped":
        statement = "DROP TRIGGER paragone_vote_never_changes ON arena_vote"
    with connection.cursor() as cursor:
        cursor.execute(statement)
    assert "paragone_vote_never_changes" in install_triggers()
    assert install_triggers() == []


def test_a_locked_table_is_tried_again_and_then_named(
    restored: None, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trigger_installation, "LOCK_SECONDS", 0.1)
    triggers.RULES["rater_has_no_name"] = NO_NAME
    fail_soon()
    before = clock.read()
    with open_writer("arena_rater") as pid, pytest.raises(CommandError, match="triggers of arena_rater") as refused:
        call_command("migrate", verbosity=0)
    assert "paragone migrate again" in str(refused.value)
    if connection.vendor == "postgresql":
        assert f"processes {pid} " in str(refused.value)
    assert (clock.read() - before).total_seconds() == 3 * (trigger_installation.ATTEMPTS - 1)
    assert install_triggers() == ["paragone_rater_has_no_name"]


def test_an_attempt_after_the_lock_succeeds(restored: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger_installation, "LOCK_SECONDS", 0.1)
    triggers.RULES["rater_has_no_name"] = NO_NAME
    fail_soon()
    writer = open_writer("arena_rater")
    writer.__enter__()
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            writer.__exit__(None, None, None)

    monkeypatch.setattr(trigger_installation.time, "sleep", pause)
    assert install_triggers() == ["paragone_rater_has_no_name"]
    assert len(pauses) == 2


def test_other_faults_are_not_tried_again(restored: None, clock: Clock) -> None:
    triggers.RULES["rater_has_no_name"] = ("arena_rater", "INSERT", "NEW.name = '", "broken")
    with pytest.raises(Exception, match=r"unterminated|unrecognized|syntax") as refused:
        install_triggers()
    assert not isinstance(refused.value, TableLockedError)


@pytest.mark.parametrize("option", [[], ["--check"]])
def test_migrate_needs_nothing_but_the_database(tmp_path: Path, option: list[str]) -> None:
    file = tmp_path / "file"  # folders in it cannot be made, not even by root
    file.touch()
    environment = child_environment(
        PARAGONE_DATABASE_URL=f"sqlite:///{tmp_path / 'paragone.sqlite3'}",
        PARAGONE_VAR=str(file / "var"),
        PARAGONE_MEDIA_ROOT=str(file / "media"),
        PARAGONE_PRODUCTION="1",
        PARAGONE_SECRET_KEY="",
    )
    run = [sys.executable, "manage.py", "migrate", "-v0", *option]
    done = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.stderr == ""
    assert done.returncode == len(option)  # --check reports the migrations that are not applied
