"""Matchup counts: packing for storage, and look-up for a battle."""

import numpy as np
import pytest
from hypothesis import given

from arena.leaderboards.matchup_counts import pack_counts, read_battle_counts, unpack_counts
from arena.leaderboards.snapshots import rate_board
from arena.models import Battle, Board
from evaluation.ratings.counts import Counts
from evaluation.ratings.outcomes import WINNERS
from tests.arena.leaderboards.test_snapshots import vote_on
from tests.strategies import tables


@given(tables())
def test_packed_counts_are_the_same_counts(counts: Counts) -> None:
    unpacked = unpack_counts(pack_counts(counts))
    assert unpacked.models == counts.models
    np.testing.assert_array_equal(unpacked.table, counts.table)


@pytest.fixture
def voted(board: Board) -> Board:
    a, b, c = board.image_models.all()
    for winner, times in zip(WINNERS, (4, 1, 2, 1), strict=True):
        vote_on(board, a, b, winner, times)
    vote_on(board, c, b, "model_a", 2)
    return board


def test_counts_are_by_the_sides_of_the_battle(voted: Board) -> None:
    a, b, c = voted.image_models.order_by("pk")
    leaderboard = rate_board(voted)
    expected = {"model_a": 4, "model_b": 1, "tie": 2, "both_bad": 1}
    assert read_battle_counts(leaderboard.pk, Battle(model_a=a, model_b=b)) == expected
    assert read_battle_counts(leaderboard.pk, Battle(model_a=b, model_b=a)) == expected | {"model_a": 1, "model_b": 4}
    assert read_battle_counts(leaderboard.pk, Battle(model_a=b, model_b=c))["model_b"] == 2
    assert read_battle_counts(leaderboard.pk, Battle(model_a=a, model_b=c)) == {}
