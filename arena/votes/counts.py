"""The votes of a board as counts that are kept beside them, so that a leaderboard need not read them all again.

A vote never changes, so the counts hold every vote up to the board's cursor and only grow. What can change is looked at
when they are read, in one statement and so at one moment: votes after the cursor are added, and those are taken off
that do not count (on battles that were set aside, and on raters' prompts where the board keeps these apart).
``read_counts`` is therefore exact at any time, however far the counts have come.

**The cursor never passes a vote that is still to appear.** PostgreSQL hands out ids in order, but transactions end in
any order, so a vote may appear after others with larger ids. Its transaction holds a lock on the votes' table since
before it drew the id: the advance looks who holds one, and lets them finish. Nobody waits for the advance; where a
writer takes long (an import), the cursor stays where it is until the next time. This relies on the isolation level READ
COMMITTED, the default, and on ids drawn in order: votes inserted with ids of one's own need ``rebuild_counts``.
"""

import time
from dataclasses import dataclass

import numpy as np
from django.db import connection, transaction
from django.db.models import Max

from arena.models import Board, Vote, VoteCount, VoteCursor
from evaluation.ratings.counts import Counts
from evaluation.ratings.outcomes import WINNERS

# How long an advance lets the votes that are being cast finish; one takes milliseconds.
PATIENCE = 0.2  # seconds

ADD = """
INSERT INTO arena_votecount AS counted (board_id, model_a_id, model_b_id, wins_a, wins_b, ties, both_bad)
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
# Everything, less what came after the last: so both large scans are of an index, where "id <= last" would be one of the
# whole table.
ALL = """
SELECT model_a_id, model_b_id, winner, COUNT(*) AS votes FROM arena_vote
WHERE board_id = %(board)s GROUP BY model_a_id, model_b_id, winner
UNION ALL
SELECT model_a_id, model_b_id, winner, -COUNT(*) FROM arena_vote
WHERE board_id = %(board)s AND id > %(last)s GROUP BY model_a_id, model_b_id, winner
"""
# Raters who have votes after the given one, and none before.
LATER_RATERS = """
(SELECT COUNT(DISTINCT rater_id) FROM arena_vote AS vote WHERE board_id = %(board)s AND id > %({after})s
    AND NOT EXISTS (SELECT 1 FROM arena_vote AS earlier WHERE earlier.board_id = %(board)s
        AND earlier.rater_id = vote.rater_id AND earlier.id <= %({after})s))
"""
ALL_RATERS = """
(SELECT COUNT(*) FROM (SELECT rater_id FROM arena_vote
    WHERE board_id = %(board)s AND rater_id IS NOT NULL GROUP BY rater_id) AS rater)
"""
# Rows of (kind, model_a, model_b, votes by winner, last vote id). COUNTED votes are added, EXCLUDED and CUSTOM_PROMPT ones are
# taken off. With RATERS there stand, instead of votes, the raters that the cursor does not know and those who have no
# vote left. These are found by counting: of a NOT EXISTS PostgreSQL makes a scan of all votes where it misjudges how
# many are left out.
COUNTED, RATERS, EXCLUDED, CUSTOM_PROMPT = 1, 0, -1, -2
BY_WINNER = ", ".join(f"COUNT(*) FILTER (WHERE winner = '{winner}')" for winner in WINNERS)
READ = f"""
WITH new AS (SELECT * FROM arena_vote WHERE board_id = %(board)s AND id > %(last)s),
left_out AS (SELECT {EXCLUDED} AS kind, vote.* FROM arena_vote AS vote
    JOIN arena_battle AS battle ON battle.id = vote.battle_id
    WHERE battle.board_id = %(board)s AND battle.exclusion > ''
    UNION ALL
    SELECT {CUSTOM_PROMPT}, vote.* FROM arena_vote AS vote JOIN arena_battle AS battle ON battle.id = vote.battle_id
    WHERE battle.board_id = %(board)s AND battle.custom_prompt AND battle.exclusion = ''
    AND (SELECT rater_prompts FROM arena_board WHERE id = %(board)s) <> 'counted')
SELECT {COUNTED}, model_a_id, model_b_id, wins_a, wins_b, ties, both_bad, %(last)s FROM arena_votecount
WHERE board_id = %(board)s
UNION ALL
SELECT {COUNTED}, model_a_id, model_b_id, {BY_WINNER}, MAX(id) FROM new GROUP BY model_a_id, model_b_id
UNION ALL
SELECT kind, model_a_id, model_b_id, {BY_WINNER}, MAX(id) FROM left_out GROUP BY kind, model_a_id, model_b_id
UNION ALL
SELECT {RATERS}, 0, 0,
    {LATER_RATERS.format(after="last")},
    (SELECT COUNT(*) FROM (SELECT rater_id, COUNT(*) AS votes FROM left_out GROUP BY rater_id) AS rater
        WHERE votes = (SELECT COUNT(*) FROM arena_vote AS own
            WHERE own.board_id = %(board)s AND own.rater_id = rater.rater_id)),
    0, 0, %(last)s
"""  # noqa: S608  (nothing in it comes from outside)
WRITERS = """
SELECT virtualtransaction FROM pg_locks
WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND relation = 'arena_vote'::regclass AND mode = 'RowExclusiveLock' AND pid IS DISTINCT FROM pg_backend_pid()
"""


@dataclass(frozen=True)
class BoardCounts:
    """The countable votes of a board: not those on battles that were set aside, nor those that it keeps apart, on
    raters' prompts. ``n_raters`` cast them.

    The models of ``counts`` are ids in ascending order: those on the board, and others that have votes. Counted is what
    there was of the votes up to ``last_vote_id``.
    """

    counts: Counts
    n_excluded: int
    n_custom_prompt: int
    n_raters: int
    last_vote_id: int


@transaction.atomic
def advance_counts(board: Board) -> None:
    """Add the votes that came since the last time. No part of a vote's request."""
    cursor = _lock_cursor(board)
    last = Vote.objects.aggregate(last=Max("id"))["last"] or 0
    if last <= cursor.last_vote_id or not _let_writers_finish():
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
    """Count all votes anew."""
    cursor = _lock_cursor(board)
    cursor.last_vote_id = 0
    cursor.save()
    advance_counts(board)


@transaction.atomic
def read_counts(board: Board) -> BoardCounts:
    """The countable votes at this moment, whether or not the counts were advanced to it.

    Raises ValueError when a count is negative: then someone wrote to the counts, or votes with ids of their own.
    """
    cursor = _lock_cursor(board)
    with connection.cursor() as sql:
        sql.execute(READ, {"board": board.pk, "last": cursor.last_vote_id})
        rows = np.array(sql.fetchall(), dtype=np.int64)
    kind, sides, votes, last = rows[:, 0], rows[:, 1:3], rows[:, 3:7], rows[:, 7]
    pairs = kind != RATERS
    on_board = board.image_models.order_by().values_list("pk", flat=True)
    models = np.union1d(sides[pairs], np.array(on_board, dtype=np.int64))
    table = np.zeros((len(models), len(models), len(WINNERS)), dtype=np.int64)
    np.add.at(table, tuple(np.searchsorted(models, sides[pairs]).T), np.sign(kind)[pairs, None] * votes[pairs])
    return BoardCounts(
        counts=Counts(tuple(models.tolist()), table),
        n_excluded=int(votes[kind == EXCLUDED].sum()),
        n_custom_prompt=int(votes[kind == CUSTOM_PROMPT].sum()),
        n_raters=cursor.n_raters + int(votes[~pairs, 0].sum() - votes[~pairs, 1].sum()),
        last_vote_id=int(last.max()),
    )


def _lock_cursor(board: Board) -> VoteCursor:
    """The board's cursor, which nobody else moves until the end of this transaction. Counts that are void are gone."""
    if connection.vendor == "postgresql":
        with connection.cursor() as sql:
            # Where no battle was ever set aside, PostgreSQL expects millions of votes on them, and compiles for them.
            sql.execute("SET LOCAL jit = off")
    cursor, _ = VoteCursor.objects.select_for_update().get_or_create(board=board)
    if not cursor.last_vote_id:
        VoteCount.objects.filter(board=board).delete()
        cursor.n_raters = 0
    return cursor


def _let_writers_finish() -> bool:
    """Whether all votes with the ids that were handed out so far have appeared, or never will."""
    if connection.vendor != "postgresql":
        return True  # SQLite has one writer at a time, and here it is this transaction
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
