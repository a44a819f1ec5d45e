"""Vote counts of a board, kept beside the votes so that a leaderboard need not read all votes again.

A vote never changes, so the stored counts only grow: they hold every vote up to the board's cursor. Exclusions do
change, so ``read_counts`` applies them when it reads: in one statement, and so at one moment, it adds the votes after
the cursor and subtracts the excluded ones (arena/votes/exclusions.py). The result is exact, wherever the cursor is.

**The cursor never passes a vote that is still to appear.** PostgreSQL hands out ids in order but transactions commit in
any order, so a vote can appear after others with larger ids. Its transaction has held a lock on the vote table since
before it drew the id, so ``advance_counts`` looks for holders of that lock and waits up to PATIENCE for them. If one
takes longer (an import), the cursor stays where it is until the next call. Writers never wait. This relies on the
isolation level READ COMMITTED, the default, and on ids drawn in order: after inserting votes with explicit ids, call
``rebuild_counts``.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import Max, Q, QuerySet

from arena.models import Board, MatchupCount, Vote, VoteCursor
from arena.read_transaction import read_transaction
from arena.votes.exclusions import REASONS, list_excluded, list_excluded_by
from evaluation.ratings.counts import Counts
from evaluation.ratings.outcomes import WINNERS

# Seconds that an advance waits for votes in progress; casting one takes milliseconds.
PATIENCE = 0.2

ADD = """
INSERT INTO arena_matchupcount AS counted (board_id, model_a_id, model_b_id, wins_a, wins_b, ties, both_bad)
SELECT %(board)s, model_a_id, model_b_id,
    COALESCE(SUM(votes) FILTER (WHERE winner = 'model_a'), 0),
    COALESCE(SUM(votes) FILTER (WHERE winner = 'model_b'), 0),
    COALESCE(SUM(votes) FILTER (WHERE winner = 'tie'), 0),
    COALESCE(SUM(votes) FILTER (WHERE winner = 'both_bad'), 0)
FROM ({source}) AS source WHERE TRUE GROUP BY model_a_id, model_b_id HAVING SUM(votes) > 0
ON CONFLICT (board_id, model_a_id, model_b_id) DO UPDATE SET
    wins_a = counted.wins_a + EXCLUDED.wins_a,
    wins_b = counted.wins_b + EXCLUDED.wins_b,
    ties = counted.ties + EXCLUDED.ties,
    both_bad = counted.both_bad + EXCLUDED.both_bad
"""
NEW = """
SELECT model_a_id, model_b_id, winner, COUNT(*) AS votes FROM arena_vote
WHERE board_id = %(board)s AND id > %(first)s AND id <= %(last)s GROUP BY model_a_id, model_b_id, winner
"""
# All votes minus those after the last: both scans use an index, while "id <= last" would scan the whole table.
ALL = """
SELECT model_a_id, model_b_id, winner, COUNT(*) AS votes FROM arena_vote
WHERE board_id = %(board)s GROUP BY model_a_id, model_b_id, winner
UNION ALL
SELECT model_a_id, model_b_id, winner, -COUNT(*) FROM arena_vote
WHERE board_id = %(board)s AND id > %(last)s GROUP BY model_a_id, model_b_id, winner
"""
# Raters whose first vote comes after the given one.
LATER_RATERS = """
(SELECT COUNT(DISTINCT rater_id) FROM arena_vote AS vote WHERE board_id = %(board)s AND id > %({after})s
    AND NOT EXISTS (SELECT 1 FROM arena_vote AS earlier WHERE earlier.board_id = %(board)s
        AND earlier.rater_id = vote.rater_id AND earlier.id <= %({after})s))
"""
ALL_RATERS = """
(SELECT COUNT(*) FROM (SELECT rater_id FROM arena_vote
    WHERE board_id = %(board)s AND rater_id IS NOT NULL GROUP BY rater_id) AS rater)
"""
# Rows of (kind, model_a, model_b, votes by winner, last vote id). COUNTED votes are added; those with a kind of REASONS
# are subtracted. The row RATERS holds two numbers of raters instead of votes: those first seen after the cursor, and
# those whose votes are all excluded. The second compares counts, because PostgreSQL turns a NOT EXISTS into a scan of
# all votes if it misjudges how many are excluded.
COUNTED, RATERS = 0, -1
BY_WINNER = ", ".join(f"COUNT(*) FILTER (WHERE winner = '{winner}')" for winner in WINNERS)
READ = f"""
WITH new AS (SELECT * FROM arena_vote WHERE board_id = %(board)s AND id > %(last)s),
excluded AS ({{excluded}})
SELECT {COUNTED}, model_a_id, model_b_id, wins_a, wins_b, ties, both_bad, %(last)s FROM arena_matchupcount
WHERE board_id = %(board)s
UNION ALL
SELECT {COUNTED}, model_a_id, model_b_id, {BY_WINNER}, MAX(id) FROM new GROUP BY model_a_id, model_b_id
UNION ALL
SELECT kind, model_a_id, model_b_id, {BY_WINNER}, 0 FROM excluded GROUP BY kind, model_a_id, model_b_id
UNION ALL
SELECT {RATERS}, 0, 0,
    {LATER_RATERS.format(after="last")},
    (SELECT COUNT(*) FROM (SELECT rater_id, COUNT(*) AS votes FROM excluded GROUP BY rater_id) AS rater
        WHERE votes = (SELECT COUNT(*) FROM arena_vote AS own
            WHERE own.board_id = %(board)s AND own.rater_id = rater.rater_id)),
    0, 0, %(last)s
"""  # noqa: S608  (the only parts put in are constants)
WRITERS = """
SELECT virtualtransaction FROM pg_locks
WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND relation = 'arena_vote'::regclass AND mode = 'RowExclusiveLock' AND pid IS DISTINCT FROM pg_backend_pid()
"""


@dataclass(frozen=True)
class BoardCounts:
    """The countable votes of a board up to ``last_vote_id``, cast by ``n_raters`` raters.

    The ``models`` of the counts are ids in ascending order: the board's models, and others that have votes.
    ``excluded`` holds the votes that do not count, on the same models, by reason; reasons without votes have no key.
    """

    models: tuple[int, ...]
    counts: Counts
    excluded: Mapping[str, Counts]
    n_raters: int
    last_vote_id: int


@transaction.atomic
def advance_counts(board: Board) -> None:
    """Add the votes since the last call to the stored counts. Never called while a vote is cast."""
    cursor = _lock_cursor(board)
    last = Vote.objects.aggregate(last=Max("id"))["last"] or 0
    if last <= cursor.last_vote_id or not let_writers_finish():
        return
    span = {"board": board.pk, "first": cursor.last_vote_id, "last": last}
    source, raters = (NEW, LATER_RATERS.format(after="first")) if cursor.last_vote_id else (ALL, ALL_RATERS)
    with connection.cursor() as sql:
        sql.execute(ADD.format(source=source), span)
        sql.execute(f"SELECT {raters} - {LATER_RATERS.format(after='last')}", span)
        cursor.n_raters += sql.fetchone()[0]
    cursor.last_vote_id = last
    cursor.save()


@transaction.atomic
def rebuild_counts(board: Board) -> None:
    """Recount all votes."""
    cursor = _lock_cursor(board)
    MatchupCount.objects.filter(board=board).delete()
    cursor.last_vote_id = cursor.n_raters = 0
    cursor.save()
    advance_counts(board)


def read_counts(board: Board, without: Q | None = None) -> BoardCounts:
    """The countable votes at this moment, wherever the cursor is.

    Args:
        board: The board.
        without: A condition on Vote. Votes with it are read as if an operator had excluded them.

    Raises:
        ValueError: A count is negative: the stored counts were edited, or votes were inserted with explicit ids.
    """
    with read_transaction(), connection.cursor() as sql:
        cursor = VoteCursor.objects.filter(board=board).first() or VoteCursor(board=board)
        sql.execute(*write_read(board, cursor.last_vote_id, without))
        rows = np.array(sql.fetchall(), dtype=np.int64)
    kind, sides, votes, last = rows[:, 0], rows[:, 1:3], rows[:, 3:7], rows[:, 7]
    pairs = kind != RATERS
    on_board = board.image_models.order_by().values_list("pk", flat=True)
    models = np.union1d(sides[pairs], np.array(on_board, dtype=np.int64))
    table = np.zeros((1 + len(REASONS), len(models), len(models), len(WINNERS)), dtype=np.int64)
    np.add.at(table, (kind[pairs], *np.searchsorted(models, sides[pairs]).T), votes[pairs])
    names = tuple(models.tolist())
    return BoardCounts(
        models=names,
        counts=Counts(names, table[COUNTED] - table[COUNTED + 1 :].sum(axis=0)),
        excluded={reason: Counts(names, table[place]) for place, reason in REASONS.items() if table[place].any()},
        n_raters=cursor.n_raters + int(votes[~pairs, 0].sum() - votes[~pairs, 1].sum()),
        last_vote_id=int(last.max()),
    )


def write_read(board: Board, last_vote_id: int, without: Q | None = None) -> tuple[str, dict[str, Any]]:
    """The statement behind ``read_counts``, and its parameters."""
    values = {"board": board.pk, "last": last_vote_id}
    lists = [list_excluded(board), *([] if without is None else [list_excluded_by(board, without)])]
    return READ.format(excluded=" UNION ALL ".join(_write_list(excluded, values) for excluded in lists)), values


def _write_list(excluded: QuerySet[Any, Any], values: dict[str, Any]) -> str:
    """A list of excluded votes as SQL. Adds its parameters, with names, to the values."""
    statement, positional = excluded.query.sql_with_params()
    named = {f"excluded_{i}": value for i, value in enumerate(positional, len(values))}
    values |= named
    columns = "kind, rater_id, model_a_id, model_b_id, winner"
    return f"SELECT {columns} FROM ({statement % tuple(f'%({name})s' for name in named)}) AS listed"  # noqa: S608


def _lock_cursor(board: Board) -> VoteCursor:
    """The board's cursor, locked until the end of the transaction."""
    if connection.vendor == "postgresql":
        with connection.cursor() as sql:
            # PostgreSQL may estimate millions of excluded votes where there are few, and compile for that many.
            sql.execute("SET LOCAL jit = off")
    cursor, _ = VoteCursor.objects.select_for_update().get_or_create(board=board)
    return cursor


def let_writers_finish() -> bool:
    """Wait for votes in progress. False if one takes too long: an id handed out so far may then still appear."""
    if connection.vendor != "postgresql":
        return True  # SQLite allows one writer at a time: this transaction
    deadline = time.monotonic() + PATIENCE
    writers = _find_writers()
    while writers and time.monotonic() < deadline:
        time.sleep(0.005)
        writers &= _find_writers()
    return not writers


def _find_writers() -> set[str]:
    with connection.cursor() as sql:
        sql.execute(WRITERS)
        return {row[0] for row in sql.fetchall()}
