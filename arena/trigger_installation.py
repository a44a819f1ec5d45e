"""Installation of the triggers in ``arena/triggers.py``, which touches only those that differ from the installed ones.

It runs after every ``migrate``, also because SQLite drops a table's triggers when a migration rebuilds the table.
Creating a trigger waits for every transaction that writes to the table, and all later writers wait behind it. So each
table has its own short transaction, which gives up soon and is repeated.
"""

import re
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from django.apps import apps
from django.db import OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from arena.triggers import CONSEQUENCES, RULES

# Triggers and functions whose names begin with this are ours: those that no rule wants are dropped.
PREFIX = "paragone_"
# Others wait at most LOCK_SECONDS behind an attempt, and go on during the pause after it.
LOCK_SECONDS = 2
PAUSE_SECONDS = 3
ATTEMPTS = 12


class TableLockedError(Exception):
    """Another transaction uses the table for so long that its triggers could not be changed."""


@dataclass(frozen=True)
class Trigger:
    """A trigger as the database stores it: equal sources are equal triggers."""

    name: str
    table: str
    source: str


class Dialect(Protocol):
    def refuse(self, name: str, table: str, event: str, condition: str, message: str) -> Trigger: ...

    def follow(self, name: str, table: str, event: str, condition: str, statement: str) -> Trigger: ...

    def read_installed(self, cursor: CursorWrapper) -> list[Trigger]: ...

    def change(self, old: Trigger | None, new: Trigger | None) -> list[str]:
        """The statements that replace one trigger by another; None stands for no trigger."""
        ...


def install_triggers(using: str = "default", **kwargs: Any) -> list[str]:
    """Install the triggers that are new or changed, and drop those that no rule wants (receiver of post_migrate).

    Returns:
        The names of the triggers that were installed, replaced or dropped.

    Raises:
        TableLockedError: A table was locked during all attempts. Running this again continues.
    """
    connection = connections[using]
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    with connection.cursor() as cursor:
        if not tables <= set(connection.introspection.table_names(cursor)):
            return []  # a partly migrated database
        dialect = PostgreSQL(_find_schema(cursor), tables) if connection.vendor == "postgresql" else SQLite()
        installed = {trigger.name: trigger for trigger in dialect.read_installed(cursor)}
    wanted = {trigger.name: trigger for trigger in _list_wanted(dialect)}
    changed = sorted(name for name in installed | wanted if installed.get(name) != wanted.get(name))
    statements: defaultdict[str, list[str]] = defaultdict(list)
    for name in changed:
        table = (installed | wanted)[name].table
        statements[table] += dialect.change(installed.get(name), wanted.get(name))
    for table in statements:
        _execute(connection, table, statements[table])
    return changed


def _list_wanted(dialect: Dialect) -> Iterable[Trigger]:
    for name, rule in RULES.items():
        yield dialect.refuse(PREFIX + name, *rule)
    for name, consequence in CONSEQUENCES.items():
        yield dialect.follow(PREFIX + name, *consequence)


def _execute(connection: BaseDatabaseWrapper, table: str, statements: Iterable[str]) -> None:
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                for statement in statements:
                    cursor.execute(statement)
        except OperationalError as error:
            if not _is_locked(error):
                raise
        else:
            return
    raise TableLockedError(
        f"The triggers of {table} could not be changed: in {ATTEMPTS} attempts the table was locked by"
        f" {_describe_lockers(connection, table)}. Wait until this long transaction (an import, perhaps) has ended, or"
        " end it; then run paragone migrate again. It continues where it stopped."
    )


def _is_locked(error: OperationalError) -> bool:
    cause = error.__cause__
    lock_not_available = "55P03"
    return (
        getattr(cause, "sqlstate", None) == lock_not_available
        or getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
    )


def _describe_lockers(connection: BaseDatabaseWrapper, table: str) -> str:
    if connection.vendor != "postgresql":
        return "another process"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT pid FROM pg_locks WHERE relation = to_regclass(%s) AND granted ORDER BY pid", [table]
        )
        pids = [str(pid) for (pid,) in cursor.fetchall()]
    return f"the database processes {', '.join(pids) or 'that have just ended'} (see pg_stat_activity)"


def _find_schema(cursor: CursorWrapper) -> str:
    """The schema of our tables on PostgreSQL, quoted where necessary."""
    cursor.execute("SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('arena_vote')")
    return str(cursor.fetchone()[0])


class SQLite:
    """A trigger is one statement, which SQLite stores as it is written."""

    def refuse(self, name: str, table: str, event: str, condition: str, message: str) -> Trigger:
        action = f"WHEN NOT ({condition}) BEGIN SELECT RAISE(ABORT, '{message}'); END"
        return Trigger(name, table, f"CREATE TRIGGER {name} BEFORE {event} ON {table} {action}")

    def follow(self, name: str, table: str, event: str, condition: str, statement: str) -> Trigger:
        action = f"WHEN {condition} BEGIN {statement}; END"
        return Trigger(name, table, f"CREATE TRIGGER {name} AFTER {event} ON {table} {action}")

    def read_installed(self, cursor: CursorWrapper) -> list[Trigger]:
        cursor.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
        return [Trigger(*row) for row in cursor.fetchall() if row[0].startswith(PREFIX)]

    def change(self, old: Trigger | None, new: Trigger | None) -> list[str]:
        return [*([f"DROP TRIGGER {old.name}"] if old else []), *([new.source] if new else [])]


class PostgreSQL:
    """A trigger is a function and the event that calls it; the first line of the function's source is that event.

    The functions name the schema of each table, because pg_restore runs them with an empty search_path. (A search_path
    of the function's own would cost several microseconds for each row.)
    """

    def __init__(self, schema: str, tables: Iterable[str]) -> None:
        self.schema = schema
        self.table = re.compile(rf"\b({'|'.join(sorted(tables))})\b")

    def refuse(self, name: str, table: str, event: str, condition: str, message: str) -> Trigger:
        refusal = f"RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'"
        return self._call(
            name, table, f"BEFORE {event}", f"IF NOT ({condition}) THEN {refusal}; END IF; RETURN {_row(event)};"
        )

    def follow(self, name: str, table: str, event: str, condition: str, statement: str) -> Trigger:
        return self._call(name, table, f"AFTER {event}", f"{statement}; RETURN NULL;", f" WHEN ({condition})")

    def _call(self, name: str, table: str, event: str, body: str, condition: str = "") -> Trigger:
        source = f"-- {event} ON {table} FOR EACH ROW{condition}\nBEGIN {body} END"
        return Trigger(name, table, self.table.sub(lambda found: f"{self.schema}.{found[0]}", source))

    def read_installed(self, cursor: CursorWrapper) -> list[Trigger]:
        # A function without its trigger, or with a disabled one, is read as a trigger without a table, which is
        # never wanted. An interrupted pg_restore --disable-triggers leaves disabled ones.
        cursor.execute(
            "SELECT f.proname, COALESCE(c.relname, ''), f.prosrc FROM pg_proc f"
            " LEFT JOIN pg_trigger t ON t.tgfoid = f.oid AND t.tgenabled <> 'D'"
            " LEFT JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE f.pronamespace = %s::regnamespace AND starts_with(f.proname, %s)",
            [self.schema, PREFIX],
        )
        return [Trigger(*row) for row in cursor.fetchall()]

    def change(self, old: Trigger | None, new: Trigger | None) -> list[str]:
        """A function can be replaced while its table is locked; only another event needs the table."""
        statements = []
        same_event = old and new and (old.table, _event(old)) == (new.table, _event(new))
        if old and not same_event:
            statements.append(f"DROP FUNCTION {self.schema}.{old.name}() CASCADE")  # and its trigger
        if new:
            function = f"{self.schema}.{new.name}()"
            statements.append(
                f"CREATE OR REPLACE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql AS $${new.source}$$"
            )
            if not same_event:
                statements.append(f"CREATE TRIGGER {new.name} {_event(new)} EXECUTE FUNCTION {function}")
        return statements


def _row(event: str) -> str:
    """The row that a BEFORE trigger returns to let the change happen."""
    return "OLD" if event == "DELETE" else "NEW"


def _event(trigger: Trigger) -> str:
    return trigger.source.partition("\n")[0].removeprefix("-- ")
