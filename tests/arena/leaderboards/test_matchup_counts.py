"""Counts as a snapshot keeps them, and what pages read from them."""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from django.apps import apps
from django.db import connection
from hypothesis import given

from arena.leaderboards.matchup_counts import pack_counts, tally_of, unpack_counts
from arena.leaderboards.snapshots import rate_board
from arena.models import Battle, Board, Leaderboard
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
    a, b, c = board.contestants.all()
    for winner, times in zip(WINNERS, (4, 1, 2, 1), strict=True):
        vote_on(board, a, b, winner, times)
    vote_on(board, c, b, "model_a", 2)
    return board


def test_a_tally_is_seen_from_the_sides_of_the_battle(voted: Board) -> None:
    a, b, c = voted.contestants.order_by("pk")
    leaderboard = rate_board(voted)
    told = {"model_a": 4, "model_b": 1, "tie": 2, "both_bad": 1}
    assert tally_of(leaderboard.pk, Battle(model_a=a, model_b=b)) == told
    assert tally_of(leaderboard.pk, Battle(model_a=b, model_b=a)) == told | {"model_a": 1, "model_b": 4}
    assert tally_of(leaderboard.pk, Battle(model_a=b, model_b=c))["model_b"] == 2
    assert tally_of(leaderboard.pk, Battle(model_a=a, model_b=c)) == {}


def test_snapshots_from_before_are_packed_by_the_migration(voted: Board) -> None:
    a, b, c = voted.contestants.order_by("pk").values_list("pk", flat=True)
    made = rate_board(voted)
    rows = [[a, b, "model_a", 4], [a, b, "model_b", 1], [b, a, "tie", 2], [c, b, "model_b", 2]]
    old = Leaderboard(board=voted, parameters={}, counts=rows, last_vote_id=1, n_votes=9, n_raters=1, digest="old")
    old.save()
    Leaderboard.objects.filter(pk=made.pk).delete()
    with connection.cursor() as cursor:
        editor = SimpleNamespace(connection=connection, execute=cursor.execute)
        import_module("arena.migrations.0002_vote_counts").pack_counts(apps, editor)
    counts = unpack_counts(Leaderboard.objects.get().counts)
    i, j, k = counts.table.nonzero()
    cells = zip(i.tolist(), j.tolist(), k.tolist(), counts.table[i, j, k].tolist(), strict=True)
    assert [[counts.models[x], counts.models[y], WINNERS[w], votes] for x, y, w, votes in cells] == rows
