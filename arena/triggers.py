"""Database triggers: rules across two tables or two states of a row, which constraints cannot express.

Installed after every migrate, because SQLite drops a table's triggers when a migration rebuilds the table.
"""

import itertools
from typing import Any

from django.db import connections

# name -> (table, event, condition that must hold, error message)
RULES: dict[str, tuple[str, str, str, str]] = {
    "board_origin_never_changes": (
        "arena_board",
        "UPDATE",
        "NEW.origin = OLD.origin",
        "the origin of a board never changes",
    ),
    "vote_origin_is_its_boards": (
        "arena_vote",
        "INSERT",
        "NEW.origin = (SELECT origin FROM arena_board WHERE id = NEW.board_id)",
        "a vote has the origin of its board",
    ),
    "vote_is_about_its_battle": (
        "arena_vote",
        "INSERT",
        "NEW.battle_id IS NULL OR EXISTS (SELECT 1 FROM arena_battle b WHERE b.id = NEW.battle_id"
        " AND b.board_id = NEW.board_id AND b.prompt_id = NEW.prompt_id"
        " AND b.model_a_id = NEW.model_a_id AND b.model_b_id = NEW.model_b_id)",
        "a vote has the board, prompt and models of its battle",
    ),
    "vote_never_changes": ("arena_vote", "UPDATE", "FALSE", "a vote never changes"),
    "battle_shows_its_models": (
        "arena_battle",
        "INSERT",
        "2 = (SELECT COUNT(*) FROM generators_generation g WHERE g.prompt_id = NEW.prompt_id AND"
        " ((g.id = NEW.generation_a_id AND g.model_id = NEW.model_a_id)"
        " OR (g.id = NEW.generation_b_id AND g.model_id = NEW.model_b_id)))",
        "a battle shows images of its own models, for its own prompt",
    ),
    "leaderboard_never_changes": ("arena_leaderboard", "UPDATE", "FALSE", "a leaderboard never changes"),
    "rating_never_changes": ("arena_rating", "UPDATE", "FALSE", "a rating never changes"),
}

# name -> (table, event, statement to run after it; ``{rows}`` are the affected rows)
CONSEQUENCES: dict[str, tuple[str, str, str]] = {
    # Paragone never deletes votes. If an administrator does, the counts that include them are void.
    "vote_deleted_voids_counts": (
        "arena_vote",
        "DELETE",
        "UPDATE arena_votecursor SET last_vote_id = 0 WHERE board_id IN (SELECT board_id FROM {rows})",
    ),
}


def install_triggers(using: str = "default", **kwargs: Any) -> None:
    """Install all triggers (receiver of post_migrate)."""
    connection = connections[using]
    on_postgresql = connection.vendor == "postgresql"
    refuse, follow = (_refuse_postgresql, _follow_postgresql) if on_postgresql else (_refuse_sqlite, _follow_sqlite)
    with connection.cursor() as cursor:
        if not {"arena_rating", "arena_votecursor"} <= set(connection.introspection.table_names(cursor)):
            return  # a partly migrated database
        statements = [refuse(name, *rule) for name, rule in RULES.items()]
        statements += [follow(name, *consequence) for name, consequence in CONSEQUENCES.items()]
        for statement in itertools.chain.from_iterable(statements):
            cursor.execute(statement)


def _refuse_sqlite(name: str, table: str, event: str, condition: str, message: str) -> list[str]:
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN NOT ({condition})"
        f" BEGIN SELECT RAISE(ABORT, '{message}'); END",
    ]


def _follow_sqlite(name: str, table: str, event: str, statement: str) -> list[str]:
    row = "(SELECT OLD.board_id AS board_id)"
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {statement.format(rows=row)}; END",
    ]


def _refuse_postgresql(name: str, table: str, event: str, condition: str, message: str) -> list[str]:
    return [
        f"CREATE OR REPLACE FUNCTION paragone_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NOT ({condition}) THEN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation';"
        " END IF; RETURN NEW; END $$",
        f"CREATE OR REPLACE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION paragone_{name}()",
    ]


def _follow_postgresql(name: str, table: str, event: str, statement: str) -> list[str]:
    # Once per statement: a row updated many times in one transaction becomes slow to find.
    return [
        f"CREATE OR REPLACE FUNCTION paragone_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" {statement.format(rows='deleted')}; RETURN NULL; END $$",
        f"CREATE OR REPLACE TRIGGER {name} AFTER {event} ON {table} REFERENCING OLD TABLE AS deleted"
        f" FOR EACH STATEMENT EXECUTE FUNCTION paragone_{name}()",
    ]
