"""Vote counts: exact after any event, and never blocking voters."""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from arena.leaderboards.snapshots import rate_board
from arena.models import Battle, Board, MatchupCount, Origin, Rater, Vote, VoteCursor
from arena.votes import counts
from arena.votes.counts import advance_counts, read_counts, rebuild_counts
from arena.votes.exclusions import exclude_automatically, keep_countable, lift_exclusion
from evaluation.ratings.outcomes import WINNERS
from tests import builders
from tests.arena.votes.counting import exclude_by_hand
from tests.concurrency import run_at_once

on_postgresql = pytest.mark.postgres
transactional = pytest.mark.django_db(transaction=True)

SQL_VOTE = """
INSERT INTO arena_vote (board_id, model_a_id, model_b_id, winner, origin, category, language, how, cast_at)
VALUES (%s, %s, %s, 'tie', 'imported', '', '', '', CURRENT_TIMESTAMP)
"""


@pytest.fixture
def imported(db: None) -> Board:
    return builders.make_board(n_models=3, n_prompts=0, origin=Origin.IMPORTED)


def add_votes(board: Board, n_votes: int, rng: random.Random, raters: list[Rater]) -> None:
    models = list(board.image_models.all())
    votes = []
    for _ in range(n_votes):
        a, b = rng.sample(models, 2)
        fields = {"model_a": a, "model_b": b, "winner": rng.choice(WINNERS), "rater": rng.choice([*raters, None])}
        votes.append(Vote(board=board, origin=board.origin, cast_at=timezone.now(), **fields))
    Vote.objects.bulk_create(votes)


def assert_exact(board: Board) -> None:
    """The counts, the ORM's definition of countable votes, and a loop over all votes agree."""
    read = read_counts(board)
    votes = Vote.objects.filter(board=board)
    reasons = exclude_by_hand(board)
    countable = [vote for vote in votes if vote.pk not in reasons]
    assert set(keep_countable(votes)) == set(countable)
    expected = Counter((vote.model_a_id, vote.model_b_id, vote.winner) for vote in countable)
    counts = read.counts
    assert list(counts.models) == sorted(counts.models)
    i, j, k = counts.table.nonzero()
    cells = zip(i.tolist(), j.tolist(), k.tolist(), counts.table[i, j, k].tolist(), strict=True)
    assert {(counts.models[a], counts.models[b], WINNERS[w]): votes for a, b, w, votes in cells} == expected
    assert {reason: counts.n_votes for reason, counts in read.excluded.items()} == Counter(reasons.values())
    assert read.n_raters == len({vote.rater_id for vote in countable} - {None})


def assert_all_counted(board: Board) -> None:
    """The stored counts hold every vote."""
    assert VoteCursor.objects.get(board=board).last_vote_id == Vote.objects.latest("id").pk
    held = sum(
        sum(row) for row in MatchupCount.objects.filter(board=board).values_list("wins_a", "wins_b", "ties", "both_bad")
    )
    assert held == Vote.objects.filter(board=board).count()
    assert_exact(board)


def happen(board: Board, keys: list[uuid.UUID], rng: random.Random) -> None:
    """A random event that affects votes."""
    voted = list(Battle.objects.filter(board=board, vote__isnull=False).order_by("id"))
    event = rng.choice(["vote", "vote", "vote", "exclude", "lift", "unsafe", "rebuild", "advance", "rate"])
    if event == "vote" or not voted:
        builders.make_vote(board, rng.choice(WINNERS), rng.choice(keys))
        return
    battle = rng.choice(voted)
    if event == "exclude":
        builders.exclude(*{battle.vote, rng.choice(voted).vote})
    elif event == "unsafe":
        exclude_automatically(battle.vote, "unsafe")
    elif event == "lift":
        for exclusion in board.exclusions.filter(lifted_at=None)[: rng.randint(1, 3)]:
            lift_exclusion(exclusion, lifted_by="tests")
    else:
        {"rebuild": rebuild_counts, "advance": advance_counts, "rate": rate_board}[event](board)


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_exact_after_random_events(board: Board, imported: Board, seed: int) -> None:
    rng = random.Random(seed)
    keys = [uuid.uuid4() for _ in range(4)]
    raters = [Rater.objects.create(origin=Origin.IMPORTED, board=imported, name=name) for name in "abc"]
    for _ in range(35):
        happen(board, keys, rng)
        assert_exact(board)
        if rng.random() < 0.2:
            add_votes(imported, rng.randint(1, 9), rng, raters)
            assert_exact(imported)
    for each in (board, imported):
        advance_counts(each)
        assert_all_counted(each)


def test_without_new_votes_nothing_is_counted(imported: Board) -> None:
    add_votes(imported, 5, random.Random(0), [])
    advance_counts(imported)
    with CaptureQueriesContext(connection) as queries:
        advance_counts(imported)
    assert len(queries) <= 5  # a savepoint, the cursor, the newest vote


def test_wrong_counts_are_corrected_by_a_rebuild(imported: Board) -> None:
    add_votes(imported, 50, random.Random(0), [])
    advance_counts(imported)
    MatchupCount.objects.update(ties=1000)
    rebuild_counts(imported)
    assert_all_counted(imported)


def test_a_negative_count_is_an_error(board: Board) -> None:
    vote = builders.make_vote(board)
    advance_counts(board)
    builders.exclude(vote)
    MatchupCount.objects.all().delete()
    with pytest.raises(ValueError, match="0 or more"):
        read_counts(board)


def test_a_board_without_votes_has_counts_of_its_models(imported: Board) -> None:
    read = read_counts(imported)
    assert read.counts.models == tuple(imported.image_models.order_by("pk").values_list("pk", flat=True))
    assert (read.counts.n_votes, read.n_raters, read.excluded, read.last_vote_id) == (0, 0, {}, 0)


# Concurrency


@pytest.fixture
def other(transactional_db: None) -> Iterator[BaseDatabaseWrapper]:
    """A second connection to the database."""
    other = connection.copy()
    yield other
    other.close()


def insert(other: BaseDatabaseWrapper, board: Board) -> None:
    models = board.image_models.order_by("pk").values_list("pk", flat=True)
    with other.cursor() as sql:
        sql.execute(SQL_VOTE, [board.pk, *models[:2]])


@on_postgresql
@transactional
@pytest.mark.parametrize("waits", [True, False])
def test_a_vote_that_appears_out_of_order_is_counted(
    imported: Board, other: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    monkeypatch.setattr(counts, "PATIENCE", 0.02)
    if not waits:  # shows that the wait is needed
        monkeypatch.setattr(counts, "let_writers_finish", lambda: True)
    other.set_autocommit(False)
    insert(other, imported)
    insert(connection, imported)
    advance_counts(imported)
    assert_exact(imported)
    other.commit()
    if waits:
        assert_exact(imported)
        advance_counts(imported)
        assert_all_counted(imported)
    else:
        assert read_counts(imported).counts.n_votes == 1


@on_postgresql
@transactional
def test_an_advance_waits_for_a_vote_in_progress(
    imported: Board, other: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "PATIENCE", 120)
    other.set_autocommit(False)
    insert(other, imported)
    insert(connection, imported)
    finish = threading.Timer(0.1, other.commit)
    other.inc_thread_sharing()
    finish.start()
    advance_counts(imported)
    finish.join()
    assert_all_counted(imported)


@on_postgresql
@transactional
def test_voting_does_not_wait_for_an_advance(imported: Board, other: BaseDatabaseWrapper) -> None:
    insert(connection, imported)
    with other.cursor() as sql:
        sql.execute("SET lock_timeout = 100")
    with transaction.atomic():
        rate_board(imported)
        insert(other, imported)
    assert_exact(imported)


@on_postgresql
@transactional
def test_votes_concurrent_with_advances_are_all_counted(imported: Board) -> None:
    ended = threading.Event()

    def vote(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(40):
            with transaction.atomic():
                insert(connection, imported)
                time.sleep(rng.random() * 0.01)
                transaction.set_rollback(rng.random() < 0.2)

    def advance() -> None:
        while not ended.is_set():
            advance_counts(imported)
            rate_board(imported)

    def vote_to_the_end() -> None:
        faults.extend(run_at_once([partial(vote, seed) for seed in range(5)]))
        ended.set()

    faults: list[object] = []
    faults.extend(run_at_once([vote_to_the_end, advance, advance]))
    assert set(faults) == {None}
    advance_counts(imported)
    assert_all_counted(imported)
    totals = list(imported.leaderboards.order_by("id").values_list("n_votes", flat=True))
    assert totals == sorted(set(totals))
