"""Backups of a PostgreSQL database: the commands of docs/commands.md, with the real pg_dump and pg_restore."""

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.apps import apps
from psycopg import sql

from arena.leaderboards.snapshots import rate_board
from arena.models import Battle, Board, Vote
from arena.votes.exclusions import lift_exclusion
from tests import builders
from tests.conftest import report_missing
from tests.processes import ROOT, child_environment, test_database_url
from tests.settings import POSTGRES

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def empty_url() -> Iterator[str]:
    """The URL of a new, empty database."""
    name = f"restored_{uuid.uuid4().hex}"
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield f"{test_database_url().rpartition('/')[0]}/{name}"
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def voted_board(board: Board) -> Board:
    """A board with votes, of which one is excluded and one no longer, a snapshot and an open battle."""
    votes = [builders.make_vote(board, winner) for winner in ("model_a", "model_b", "tie")]
    builders.exclude(votes[0])
    lift_exclusion(builders.exclude(votes[1]), lifted_by="tests")
    rate_board(board)
    builders.make_battle(board)
    return board


def run(*command: str, environment: dict[str, str] | None = None) -> None:
    if not shutil.which(command[0]):
        report_missing(f"{command[0]} is not installed")
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


def migrate(url: str) -> None:
    run(sys.executable, "manage.py", "migrate", "-v0", environment=child_environment(PARAGONE_DATABASE_URL=url))


def read_rows(url: str) -> dict[str, list[str]]:
    """All rows of all tables, as text."""
    tables = sorted(model._meta.db_table for model in apps.get_models(include_auto_created=True))
    with psycopg.connect(url) as database:
        return {
            table: sorted(
                row for (row,) in database.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table)))
            )
            for table in tables
        }


def assert_rules_hold(url: str) -> None:
    with psycopg.connect(url) as database, pytest.raises(psycopg.IntegrityError, match="a vote never changes"):
        database.execute("UPDATE arena_vote SET winner = 'model_b'")


def test_a_complete_backup_is_restored_into_an_empty_database(
    voted_board: Board, empty_url: str, tmp_path: Path
) -> None:
    url, dump = test_database_url(), str(tmp_path / "paragone.dump")
    run("pg_dump", "--format=custom", f"--file={dump}", url)
    run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={empty_url}", dump)
    assert read_rows(empty_url) == read_rows(url)
    migrate(empty_url)
    assert_rules_hold(empty_url)


# A complete backup has its rows in alphabetical order of the tables, which only a superuser can restore.
@pytest.mark.parametrize(
    ("dump_options", "restore_options"),
    [(["--data-only"], []), ([], ["--disable-triggers"])],
    ids=["owner", "superuser"],
)
def test_rows_are_restored_into_a_migrated_database(
    voted_board: Board, empty_url: str, tmp_path: Path, dump_options: list[str], restore_options: list[str]
) -> None:
    url, dump = test_database_url(), str(tmp_path / "rows.dump")
    migrate(empty_url)
    # Rows that migrate has made itself.
    run("psql", "--command=TRUNCATE django_migrations, django_content_type CASCADE", empty_url)
    run("pg_dump", "--format=custom", *dump_options, f"--file={dump}", url)
    options = ["--data-only", "--single-transaction", *restore_options]
    run("pg_restore", "--exit-on-error", *options, f"--dbname={empty_url}", dump)
    assert read_rows(empty_url) == read_rows(url)
    assert len(read_rows(url)["arena_vote"]) == Vote.objects.count() == 3
    assert len(read_rows(url)["arena_excludedvote"]) == 2
    assert len(read_rows(url)["arena_battle"]) == Battle.objects.count() == 4
    assert_rules_hold(empty_url)
