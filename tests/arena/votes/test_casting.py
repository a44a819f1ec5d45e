"""Casting of votes: once per battle, by its owner, with a known winner."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from arena.battles.opening import create_battle
from arena.leaderboards.snapshots import rate_board
from arena.models import Battle, Board, Rater, Vote
from arena.votes.casting import BattleNotOpenError, cast_vote
from evaluation.ratings.outcomes import WINNERS
from tests import builders


@pytest.fixture
def battle(board: Board, client: Client) -> Battle:
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    return Battle.objects.get()


def test_the_winners_are_those_of_the_ratings() -> None:
    assert tuple(Vote.Winner.values) == WINNERS


@pytest.mark.parametrize("winner", WINNERS)
def test_a_plain_form_votes(battle: Battle, client: Client, winner: str) -> None:
    response = client.post(reverse("vote", args=[battle.token]), {"winner": winner})
    assert response.status_code == 303
    assert response["Location"] == battle.get_absolute_url()
    vote = Vote.objects.get()
    assert (vote.winner, vote.origin, vote.board) == (winner, "human", battle.board)
    assert (vote.model_a, vote.model_b, vote.prompt) == (battle.model_a, battle.model_b, battle.prompt)
    assert (vote.category, vote.language) == ("counting", "en")


def test_htmx_gets_the_names_and_the_url(battle: Battle, client: Client) -> None:
    response = client.post(reverse("vote", args=[battle.token]), {"winner": "tie"}, headers={"HX-Request": "true"})
    assert response["HX-Push-Url"] == battle.get_absolute_url()
    assert b"<html" not in response.content
    assert battle.model_a.name.encode() in response.content


def test_the_first_vote_creates_the_rater(battle: Battle, client: Client) -> None:
    client.post(reverse("vote", args=[battle.token]), {"winner": "tie"})
    client.get(reverse("open_battle", args=[battle.board.slug]), follow=True)
    client.post(reverse("vote", args=[Battle.objects.latest("id").token]), {"winner": "tie"})
    assert Rater.objects.count() == 1
    assert Vote.objects.count() == 2


def test_the_first_vote_stands(battle: Battle, client: Client) -> None:
    client.post(reverse("vote", args=[battle.token]), {"winner": "model_a"})
    again = client.post(reverse("vote", args=[battle.token]), {"winner": "model_b"}, headers={"HX-Request": "true"})
    assert b"Your first vote stands" in again.content
    assert Vote.objects.get().winner == "model_a"


@pytest.mark.parametrize("winner", ["", "a", "MODEL_A", "model_a ", "1", "🙂"])
def test_an_unknown_winner_is_an_error_and_not_a_tie(battle: Battle, client: Client, winner: str) -> None:
    response = client.post(reverse("vote", args=[battle.token]), {"winner": winner})
    assert response.status_code == 400
    assert b"model_a, model_b, tie, both_bad" in response.content
    assert not Vote.objects.exists()


def test_a_vote_before_both_images_exist_is_refused(db: None) -> None:
    battle = builders.make_battle(builders.make_board())
    with pytest.raises(BattleNotOpenError, match="still being drawn"):
        cast_vote(battle, battle.owner, "tie")
    assert not Rater.objects.exists()


def test_without_a_cookie_the_vote_is_not_counted_and_the_page_says_so(battle: Battle) -> None:
    response = Client().post(reverse("vote", args=[battle.token]), {"winner": "tie"})
    assert response.status_code == 403
    assert b"Allow cookies" in response.content
    assert not Vote.objects.exists()


def test_a_forged_cookie_is_ignored(battle: Battle) -> None:
    stranger = Client()
    stranger.cookies["paragone_rater"] = f"{uuid.uuid4()}:forged"
    assert stranger.post(reverse("vote", args=[battle.token]), {"winner": "tie"}).status_code == 403


def test_a_form_without_a_csrf_token_is_refused(battle: Battle) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.get(battle.get_absolute_url())
    response = strict.post(reverse("vote", args=[battle.token]), {"winner": "tie"})
    assert response.status_code == 403
    assert b"Nothing was saved" in response.content


def test_votes_of_others_are_shown_once_there_are_enough(battle: Battle, client: Client) -> None:
    generations = (battle.generation_a, battle.generation_b)
    for preferred in [battle.model_a] * 12 + [battle.model_b]:
        other = create_battle(battle.board, uuid.uuid4(), generations)
        cast_vote(other, other.owner, "model_a" if other.model_a == preferred else "model_b")
    rate_board(battle.board)
    page = client.post(reverse("vote", args=[battle.token]), {"winner": "tie"}, follow=True)
    assert b"Of 13 votes on these two models" in page.content
    assert b"a is better 92 %" in page.content


def test_a_vote_that_is_sent_again_is_answered_like_the_first(battle: Battle, client: Client) -> None:
    pages = [
        client.post(reverse("vote", args=[battle.token]), {"winner": "tie"}, headers={"HX-Request": "true"})
        for _ in range(2)
    ]
    assert [page.status_code for page in pages] == [200, 200]
    assert b"voted before" not in pages[1].content
    assert Vote.objects.count() == 1
