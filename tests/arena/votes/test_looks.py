"""The look before a vote: stored as claimed if it is possible, dropped if not, and never a reason to lose the vote."""

import math
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from arena.models import Battle, Board, Vote
from arena.votes.looks import Look, read_look
from tests import builders


@pytest.fixture
def battle(board: Board, client: Client) -> Battle:
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    return Battle.objects.get()


@pytest.mark.parametrize("how", ["key", "tap", "form"])
def test_a_vote_carries_how_it_was_given_and_how_long_both_images_were_shown(
    battle: Battle, client: Client, how: str
) -> None:
    Battle.objects.update(opened_at=timezone.now() - timedelta(seconds=9))
    client.post(reverse("vote", args=[battle.token]), {"winner": "tie", "how": how, "seconds_shown": "3.25"})
    vote = Vote.objects.get()
    assert (vote.how, vote.seconds_shown) == (how, 3.25)


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "-1", "1e400", "86401", "3 s", "", "0x10", "9" * 5000])
def test_an_impossible_time_is_dropped_and_the_vote_is_kept(battle: Battle, client: Client, seconds: str) -> None:
    client.post(reverse("vote", args=[battle.token]), {"winner": "tie", "how": "key", "seconds_shown": seconds})
    vote = Vote.objects.get()
    assert (vote.winner, vote.how, vote.seconds_shown) == ("tie", "key", None)


@pytest.mark.parametrize("how", ["Key", "telepathy", "key ", "k" * 5000])
def test_an_unknown_way_of_answering_is_dropped_and_the_vote_is_kept(battle: Battle, client: Client, how: str) -> None:
    client.post(reverse("vote", args=[battle.token]), {"winner": "tie", "how": how})
    assert Vote.objects.get().how == ""


def test_the_bounds_are_possible() -> None:
    assert read_look({"seconds_shown": "0"}) == Look("", 0.0)
    assert read_look({"seconds_shown": "86400"}) == Look("", Vote.LONGEST_SHOWN)
    assert read_look({}) == Look("", None)


def test_no_battle_was_shown_for_longer_than_it_is_old() -> None:
    look = Look("key", 80.0)
    assert look.limit_seconds(80.5) == 80.0
    assert look.limit_seconds(79.5) is None
    assert Look().limit_seconds(79.5) is None


@pytest.mark.parametrize("seconds", [-0.5, 86400.5, math.inf])
def test_the_database_refuses_an_impossible_time(board: Board, seconds: float) -> None:
    vote = builders.make_vote(board)
    with pytest.raises(IntegrityError):
        Vote.objects.create(**_other_vote(board, vote), seconds_shown=seconds)


def test_not_a_number_is_never_stored(board: Board) -> None:
    vote = builders.make_vote(board)
    with suppress(IntegrityError), transaction.atomic():  # PostgreSQL refuses it, SQLite stores NULL
        Vote.objects.create(**_other_vote(board, vote), seconds_shown=math.nan)
    assert not Vote.objects.filter(seconds_shown__isnull=False).exists()


def test_the_database_refuses_an_unknown_way_of_answering(board: Board) -> None:
    vote = builders.make_vote(board)
    with pytest.raises(IntegrityError):
        Vote.objects.create(**_other_vote(board, vote), how="dice")


def _other_vote(board: Board, vote: Vote) -> dict[str, object]:
    """The fields of a vote of the same rater on another battle."""
    battle = builders.make_battle(board, vote.rater.key)
    return {
        "board": board,
        "battle": battle,
        "rater": vote.rater,
        "model_a": battle.model_a,
        "model_b": battle.model_b,
        "prompt": battle.prompt,
        "winner": "tie",
        "origin": board.origin,
        "cast_at": vote.cast_at,
    }
