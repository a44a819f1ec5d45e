"""Votes on prompts that raters typed: they count or not by the board's current setting, without a rebuild."""

import random
import uuid
from collections import Counter

import pytest
from django.db import connection
from django.test import Client

from arena.leaderboards.matchup_counts import unpack_counts
from arena.leaderboards.snapshots import rate_board
from arena.models import Battle, Board, Exclusion, Rater, Vote
from arena.votes.casting import cast_vote
from arena.votes.clusters import read_clusters
from arena.votes.counts import BoardCounts, advance_counts, read_counts, rebuild_counts, write_read
from arena.votes.exclusions import exclude_automatically, keep_countable, lift_exclusion
from evaluation.ratings.outcomes import WINNERS
from generators.models import Prompt
from tests import builders
from tests.arena.votes.counting import exclude_by_hand

NOT_COUNTED, COUNTED, OFF = Board.RaterPrompts.NOT_COUNTED, Board.RaterPrompts.COUNTED, Board.RaterPrompts.OFF
Votes = Counter[tuple[int, int, str]]


@pytest.fixture
def board(db: None) -> Board:
    return builders.make_board(n_models=3, n_prompts=3, drawn=True, rater_prompts=NOT_COUNTED)


def vote_on_own_prompt(board: Board, winner: str, key: uuid.UUID | None = None) -> Vote:
    key = key or uuid.uuid4()
    return cast_vote(builders.make_rater_battle(board, key=key), key, winner)[0]


def set_mode(board: Board, mode: str) -> None:
    board.rater_prompts = mode
    board.save()


def count_by_hand(board: Board) -> tuple[Votes, int, Counter[str]]:
    """(votes by models and winner, raters, excluded votes by reason), by a loop over the votes."""
    votes: Votes = Counter()
    raters, excluded = set(), exclude_by_hand(board)
    for vote in Vote.objects.filter(board=board):
        if vote.pk not in excluded:
            votes[vote.model_a_id, vote.model_b_id, vote.winner] += 1
            raters.add(vote.rater_id)
    return votes, len(raters), Counter(excluded.values())


def count_excluded(read: BoardCounts) -> dict[str, int]:
    return {reason: counts.n_votes for reason, counts in read.excluded.items()}


def votes_of(read: BoardCounts) -> Votes:
    models, table = read.counts.models, read.counts.table
    cells = zip(*table.nonzero(), strict=True)
    return Counter({(models[a], models[b], WINNERS[w]): int(table[a, b, w]) for a, b, w in cells})


def assert_exact(board: Board) -> None:
    read = read_counts(board)
    assert (votes_of(read), read.n_raters, count_excluded(read)) == count_by_hand(board)
    assert keep_countable(Vote.objects.filter(board=board)).count() == read.counts.n_votes
    clusters = read_clusters(board, read.counts.models, read.last_vote_id)
    assert clusters.weight.sum() == read.counts.n_votes


def test_votes_on_typed_prompts_count_only_if_the_board_says_so(board: Board) -> None:
    builders.make_vote(board, "model_a")
    for winner in ("model_b", "tie"):
        vote_on_own_prompt(board, winner)
    read = read_counts(board)
    assert (read.counts.n_votes, count_excluded(read), read.n_raters) == (1, {"custom_prompt": 2}, 1)
    assert_exact(board)
    set_mode(board, COUNTED)
    counted = read_counts(board)
    assert (counted.counts.n_votes, counted.excluded, counted.n_raters) == (3, {}, 3)
    assert_exact(board)
    set_mode(board, OFF)
    assert votes_of(read_counts(board)) == votes_of(read)


def test_the_next_rating_follows_the_mode_without_a_rebuild(board: Board) -> None:
    for _ in range(3):
        builders.make_vote(board, "model_a")
    for _ in range(2):
        vote_on_own_prompt(board, "model_b")
    seen = []
    for mode in (NOT_COUNTED, COUNTED, NOT_COUNTED):
        set_mode(board, mode)
        made = rate_board(board)
        seen.append((made.n_votes, made.n_excluded, made.n_raters))
        assert unpack_counts(made.counts).n_votes == made.n_votes
        assert rate_board(board) is None
    assert seen == [(3, 2, 3), (5, 0, 5), (3, 2, 3)]


def test_a_vote_that_does_not_count_changes_no_rating(board: Board) -> None:
    for seed in range(6):
        builders.make_vote(board, random.Random(seed).choice(WINNERS))
    before = rate_board(board)
    vote_on_own_prompt(board, "model_a")
    after = rate_board(board)
    assert (after.excluded, after.n_votes) == ({"custom_prompt": 1}, before.n_votes)
    rows = [list(made.ratings.order_by("model").values_list("model", "value", "n_votes")) for made in (before, after)]
    assert rows[0] == rows[1]


def test_a_vote_on_unsafe_images_is_excluded_in_every_mode(board: Board) -> None:
    vote = vote_on_own_prompt(board, "model_a")
    exclude_automatically(vote, "unsafe")
    for mode in (NOT_COUNTED, COUNTED):
        set_mode(board, mode)
        read = read_counts(board)
        assert (read.counts.n_votes, count_excluded(read), read.n_raters) == (0, {"unsafe": 1}, 0)


def test_a_vote_cast_while_they_count_does_not_count_later(board: Board) -> None:
    set_mode(board, COUNTED)
    vote_on_own_prompt(board, "model_a")
    assert read_counts(board).excluded == {}
    set_mode(board, OFF)
    assert count_excluded(read_counts(board)) == {"custom_prompt": 1}


@pytest.mark.parametrize("seed", range(3))
def test_counts_equal_a_loop_over_the_votes_after_random_events(board: Board, seed: int) -> None:
    rng = random.Random(seed)
    keys = [uuid.uuid4() for _ in range(4)]
    for _ in range(30):
        voted = list(Battle.objects.filter(vote__isnull=False).order_by("id"))
        event = rng.choice(["pool vote", "own vote", "own vote", "mode", "exclude", "lift", "advance", "rebuild"])
        if event == "pool vote" or not voted:
            builders.make_vote(board, rng.choice(WINNERS), rng.choice(keys))
        elif event == "own vote":
            if not board.takes_prompts:
                set_mode(board, NOT_COUNTED)
            vote_on_own_prompt(board, rng.choice(WINNERS), rng.choice(keys))
        elif event == "mode":
            set_mode(board, rng.choice([NOT_COUNTED, COUNTED, OFF]))
        elif event == "exclude":
            builders.exclude(rng.choice(voted).vote)
        elif event == "lift":
            for exclusion in Exclusion.objects.filter(lifted_at=None, reason="operator"):
                lift_exclusion(exclusion, lifted_by="tests")
        else:
            {"advance": advance_counts, "rebuild": rebuild_counts}[event](board)
        assert_exact(board)


def test_the_page_says_how_many_votes_do_not_count(board: Board, client: Client) -> None:
    builders.make_vote(board)
    vote_on_own_prompt(board, "tie")
    rate_board(board)
    page = client.get(board.get_absolute_url()).content.decode()
    assert "1 excluded" in page
    assert "1 vote is excluded: 1 on raters&#x27; prompts. They do not count" in page
    set_mode(board, COUNTED)
    rate_board(board)
    page = client.get(board.get_absolute_url()).content.decode()
    assert "excluded" not in page
    assert "count like any other" in page


def test_typed_prompts_are_not_in_the_pool(board: Board) -> None:
    key = uuid.uuid4()
    vote_on_own_prompt(board, "tie", key)
    pool = set(Prompt.objects.filter(prompt_set__boards=board).values_list("pk", flat=True))
    assert {builders.make_vote(board, key=key).prompt_id for _ in range(6)} == pool


@pytest.mark.postgres
@pytest.mark.django_db
def test_excluded_votes_are_found_by_index(board: Board) -> None:
    """Among many other votes, without a sequential scan of votes."""
    prepared = builders.make_vote(board).battle
    vote_on_own_prompt(board, "tie")
    sides = {name: getattr(prepared, name) for name in ("board", "prompt", "model_a", "model_b")}
    images = {"generation_a": prepared.generation_a, "generation_b": prepared.generation_b}
    raters = Rater.objects.bulk_create(Rater() for _ in range(5000))
    battles = Battle.objects.bulk_create(Battle(owner=rater.key, **sides, **images) for rater in raters)
    cast = {"winner": "tie", "origin": "human", "cast_at": prepared.opened_at}
    Vote.objects.bulk_create(
        Vote(battle=battle, rater=rater, **sides, **cast) for battle, rater in zip(battles, raters, strict=True)
    )
    advance_counts(board)
    with connection.cursor() as sql:
        sql.execute("ANALYZE arena_vote, arena_excludedvote, arena_exclusion, arena_board")
        statement, values = write_read(board, Vote.objects.latest("id").pk)
        sql.execute(f"EXPLAIN {statement}", values)
        plan = "\n".join(row[0] for row in sql.fetchall())
    assert "Seq Scan on arena_vote" not in plan, plan
    read = read_counts(board)
    assert (read.counts.n_votes, count_excluded(read), read.n_raters) == (5001, {"custom_prompt": 1}, 5001)
