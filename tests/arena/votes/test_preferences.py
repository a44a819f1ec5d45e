"""Votes on single images for the human-preference metrics."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from arena.leaderboards.snapshots import rate_board
from arena.models import Board
from arena.votes.preferences import count_preferences
from generators.models import Generation
from tests import builders
from tests.arena.votes.voted_images import images_of, make_undrawn_board, vote


@pytest.fixture
def board(db: None) -> Board:
    return make_undrawn_board()


@pytest.fixture
def images(board: Board) -> list[Generation]:
    """One image of each of the three models, for one prompt."""
    return images_of(board)[0]


def test_outcomes_are_by_side_and_in_the_order_of_the_votes(board: Board, images: list[Generation]) -> None:
    x, y, _ = images
    vote(board, x, y)
    vote(board, x, y, "tie")
    vote(board, y, x)
    vote(board, x, y, "both_bad")
    vote(board, y, x)
    found = count_preferences([x.pk, y.pk])
    assert [vote.outcome for vote in found[x.pk]] == ["win", "tie", "loss", "both_bad", "loss"]
    assert [vote.outcome for vote in found[y.pk]] == ["loss", "tie", "win", "both_bad", "win"]
    assert {vote.opponent for vote in found[x.pk]} == {y.model.slug}


def test_only_the_given_generations_are_counted(board: Board, images: list[Generation]) -> None:
    x, y, z = images
    vote(board, x, y)
    assert list(count_preferences([x.pk, z.pk])) == [x.pk]
    assert count_preferences([]) == {}


def test_excluded_votes_are_left_out(board: Board, images: list[Generation]) -> None:
    x, y, z = images
    vote(board, x, y)
    builders.exclude(vote(board, x, z).vote)
    assert [vote.opponent for vote in count_preferences([x.pk])[x.pk]] == [y.model.slug]


def test_opponents_have_their_newest_rating_on_the_same_board(board: Board, images: list[Generation]) -> None:
    x, y, z = images
    vote(board, x, y)
    vote(board, y, x)
    vote(board, x, z)
    assert {vote.opponent_rating for vote in count_preferences([x.pk])[x.pk]} == {None}
    rate_board(board)
    vote(board, x, y)
    newest = rate_board(board)
    other = builders.make_board(n_prompts=0)
    other.image_models.set(board.image_models.all())
    vote(other, y, x)
    found = count_preferences([x.pk])[x.pk]
    rating = newest.ratings.get(model=y.model).value
    assert rating is not None
    assert [vote.opponent_rating for vote in found] == [rating, rating, None, rating, None]


def test_it_takes_two_queries_for_any_number_of_votes(board: Board, images: list[Generation]) -> None:
    x, y, z = images
    for a, b in ((x, y), (y, z), (z, x)) * 3:
        vote(board, a, b)
    rate_board(board)
    with CaptureQueriesContext(connection) as queries:
        assert sum(map(len, count_preferences([x.pk, y.pk, z.pk]).values())) == 18
    assert len(queries) == 2
