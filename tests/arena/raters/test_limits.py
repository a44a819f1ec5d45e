"""Limits of raters and networks: votes beyond them are stored and excluded, openings and prompts beyond them wait."""

import logging
import random
import re
import uuid
from functools import partial
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as project_settings
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from arena.battles import opening
from arena.battles.opening import open_battle
from arena.models import Battle, Board, ExcludedVote, RateCount, Vote
from arena.raters.limits import LimitReachedError
from arena.votes.casting import cast_vote
from arena.votes.exclusions import keep_countable
from generators.models import Generation
from tests import builders
from tests.clock import Clock
from tests.concurrency import run_at_once

HTMX = {"HX-Request": "true"}
HOUR = 3600
NETWORK = "a hash of a network"


@pytest.fixture
def board(db: None) -> Board:
    return builders.make_board(n_models=2, n_prompts=1, drawn=True)


def ask(client: Client, board: Board, *, address: str = "192.0.2.1", **options: Any) -> HttpResponse:
    """Ask for a battle, as a browser does: with the cookie that the first answer set."""
    url = reverse("open_battle", args=[board.slug])
    if not client.cookies:
        client.get(reverse("leaderboard", args=[board.slug]), REMOTE_ADDR=address)
        client.get(url, REMOTE_ADDR=address, follow=True, **options)
    return client.get(url, REMOTE_ADDR=address, follow=True, **options)


def vote(client: Client, board: Board, winner: str = "model_a", *, address: str = "192.0.2.1", **options: Any) -> Any:
    page = ask(client, board, address=address, **options).content.decode()
    [token] = set(re.findall(r'action="/battles/([^/]+)/vote/"', page))
    url = reverse("vote", args=[token])
    return client.post(url, {"winner": winner}, REMOTE_ADDR=address, headers=HTMX, **options)


def count_votes(board: Board) -> tuple[int, int]:
    """(votes that count, all votes)."""
    votes = Vote.objects.filter(board=board)
    return keep_countable(votes).count(), votes.count()


def reasons() -> set[str]:
    return set(ExcludedVote.objects.values_list("exclusion__reason", flat=True))


# Votes of a rater


def test_votes_beyond_the_hour_are_stored_and_excluded(settings, clock: Clock, board: Board) -> None:
    settings.RATER_VOTES_PER_HOUR = 3
    client = Client()
    for _ in range(5):
        assert vote(client, board).status_code == 200
    assert count_votes(board) == (3, 5)
    assert reasons() == {"limit"}
    clock.advance(HOUR + 301)
    vote(client, board)
    assert count_votes(board) == (4, 6)


def test_votes_in_a_burst_are_excluded(settings, clock: Clock, board: Board) -> None:
    settings.RATER_VOTES_PER_5_MINUTES = 2
    client = Client()
    for _ in range(3):
        vote(client, board)
    clock.advance(601)
    vote(client, board)
    assert count_votes(board) == (3, 4)


def test_the_page_does_not_say_which_votes_count(
    settings, clock: Clock, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RATER_VOTES_PER_HOUR = 1
    monkeypatch.setattr(opening, "_rng", random.Random(3))
    monkeypatch.setattr(opening._rng, "sample", lambda population, k: list(population)[:k])
    clients = [Client(), Client()]
    vote(clients[1], board)
    # The second vote of each: one counts, and the other does not.
    vote(clients[0], board)
    settings.RATER_VOTES_PER_HOUR = 2
    counted = vote(clients[0], board)
    settings.RATER_VOTES_PER_HOUR = 1
    excluded = vote(clients[1], board)
    assert count_votes(board) == (3, 4)
    assert counted.status_code == excluded.status_code
    assert set(counted.headers) == set(excluded.headers)
    pages = [re.sub(r"/battles/[^/]+/|value=\"\w{64}\"", "", r.content.decode()) for r in (counted, excluded)]
    assert "Your vote" in pages[0]
    assert pages[0] == pages[1]


def test_the_same_vote_again_is_counted_once(settings, clock: Clock, board: Board) -> None:
    settings.RATER_VOTES_PER_HOUR = 2
    key = uuid.uuid4()
    battle = open_battle(board, key)
    for _ in range(3):
        cast_vote(battle, key, "tie")
    cast_vote(open_battle(board, key), key, "tie")
    assert count_votes(board) == (2, 2)


# Votes of a network


def test_thirty_fresh_cookies_of_a_network_have_twenty_votes(settings, clock: Clock, board: Board) -> None:
    settings.BEHIND_PROXY = False
    for number in range(30):
        spoofed = {"headers": {"X-Forwarded-For": f"198.51.{number}.1"}}
        ask(client := Client(), board, address=f"192.0.2.{number}", **spoofed)
        assert vote(client, board, address=f"192.0.2.{number}").status_code == 200
        clock.advance(60)
    assert count_votes(board) == (20, 30)
    assert reasons() == {"limit"}
    vote(Client(), board, address="198.51.100.1")
    assert count_votes(board) == (21, 31)


def test_a_rater_beyond_the_limit_counts_when_there_is_room(settings, clock: Clock, board: Board) -> None:
    settings.NETWORK_NEW_RATERS_PER_HOUR = 1
    first, second = Client(), Client()
    for client in (first, second, second, first):
        vote(client, board)
    assert count_votes(board) == (2, 4)
    clock.advance(HOUR + 301)
    # Its open battle was opened beyond the limit. The next one is not.
    for _ in range(2):
        vote(second, board)
    assert count_votes(board) == (3, 6)


def test_many_raters_of_a_network_share_its_votes(settings, clock: Clock, board: Board) -> None:
    settings.NETWORK_VOTES_PER_HOUR = 4
    for _ in range(3):
        client = Client()
        for _ in range(2):
            vote(client, board)
    assert count_votes(board) == (4, 6)


def test_votes_that_do_not_count_use_up_no_limit(settings, clock: Clock, board: Board) -> None:
    settings.NETWORK_VOTES_PER_HOUR = 3
    settings.RATER_VOTES_PER_HOUR = 2
    attacker, honest = Client(), Client()
    for _ in range(6):
        vote(attacker, board)
    vote(honest, board)
    assert count_votes(board) == (3, 7)


def test_a_vote_sent_from_another_network_counts_for_the_one_that_opened(settings, clock: Clock, board: Board) -> None:
    settings.NETWORK_VOTES_PER_HOUR = 1
    for number in range(3):
        client = Client()
        ask(client, board)
        vote(client, board, address=f"198.51.{number}.1")
    assert count_votes(board) == (1, 3)


def test_limits_of_a_network_do_not_hold_for_accounts(settings, clock: Clock, board: Board) -> None:
    settings.NETWORK_NEW_RATERS_PER_HOUR = settings.NETWORK_VOTES_PER_HOUR = settings.NETWORK_OPENINGS_PER_HOUR = 1
    settings.RATER_VOTES_PER_HOUR = 2
    for name in ("ada", "grace"):
        client = Client()
        client.force_login(User.objects.create_user(name))
        for _ in range(3):
            vote(client, board)
    assert count_votes(board) == (4, 6)


@pytest.mark.django_db(transaction=True)
def test_concurrent_votes_of_a_network_are_counted_exactly(settings, clock: Clock, board: Board) -> None:
    settings.NETWORK_VOTES_PER_HOUR = 3
    battles = [open_battle(board, uuid.uuid4(), NETWORK) for _ in range(8)]
    answers = run_at_once([partial(cast_vote, battle, battle.owner, "tie") for battle in battles])
    assert not [answer for answer in answers if isinstance(answer, BaseException)], answers
    assert count_votes(board) == (3, 8)


def test_zero_turns_all_limits_off(settings, clock: Clock, board: Board) -> None:
    for name in dir(project_settings):
        if name.endswith(("_PER_HOUR", "_PER_5_MINUTES")):
            setattr(settings, name, 0)
    client = Client()
    for _ in range(3):
        vote(client, board)
    assert count_votes(board) == (3, 3)
    assert not RateCount.objects.exists()


# Openings


@pytest.mark.parametrize(
    "limit", ["RATER_OPENINGS_PER_HOUR", "RATER_OPENINGS_PER_5_MINUTES", "NETWORK_OPENINGS_PER_HOUR"]
)
def test_an_opening_beyond_a_limit_waits(settings, clock: Clock, db: None, limit: str) -> None:
    board = builders.make_board(n_models=3, n_prompts=4, drawn=True)
    setattr(settings, limit, 2)
    client = Client()
    ask(client, board)
    revealed = [vote(client, board) for _ in range(2)]
    assert Battle.objects.count() == 2
    assert "Try again in" in revealed[1].content.decode()
    for headers in ({}, HTMX):
        refused = ask(client, board, headers=headers)
        assert refused.status_code == 429
        assert 0 < int(refused["Retry-After"]) <= HOUR + 300
        page = refused.content.decode()
        assert "Try again in" in page
        assert ("<html" in page) is (not headers)
        assert 'data-stage="limit"' in page
    assert Battle.objects.count() == 2
    clock.advance(int(refused["Retry-After"]))
    assert ask(client, board).status_code == 200
    assert Battle.objects.count() == 3


def test_an_opening_beyond_a_limit_draws_nothing(settings, clock: Clock, db: None) -> None:
    settings.NETWORK_OPENINGS_PER_HOUR = 1
    board = builders.make_board(n_models=2, n_prompts=4)
    open_battle(board, uuid.uuid4(), NETWORK)
    assert Generation.objects.count() == 2
    for _ in range(3):
        with pytest.raises(LimitReachedError):
            open_battle(board, uuid.uuid4(), NETWORK)
    assert Generation.objects.count() == 2


def test_an_open_battle_is_shown_again_without_counting(settings, clock: Clock, board: Board) -> None:
    settings.RATER_OPENINGS_PER_HOUR = 1
    client = Client()
    for _ in range(4):
        assert ask(client, board).status_code == 200
    assert Battle.objects.count() == 1


def test_battles_left_without_a_vote_are_limited(settings, clock: Clock, board: Board) -> None:
    settings.RATER_SKIPS_PER_HOUR = 2
    client = Client()
    for _ in range(2):
        ask(client, board)
        battle = Battle.objects.get(closed_at=None)
        client.post(reverse("report_problem", args=[battle.token]), {"reason": "broken"})
        clock.advance(60)
    refused = ask(client, board)
    assert refused.status_code == 429
    assert "left 2 pairs without a vote" in refused.content.decode()
    assert int(refused["Retry-After"]) == HOUR - 120
    assert Battle.objects.count() == 2
    clock.advance(HOUR - 120)
    assert ask(client, board).status_code == 200


# Prompts


def test_prompts_of_a_network_are_limited_on_all_boards(settings, clock: Clock, db: None) -> None:
    settings.NETWORK_PROMPTS_PER_HOUR = 2
    boards = [builders.make_board(n_models=2, n_prompts=1, drawn=True, rater_prompts="counted") for _ in range(2)]
    n_drawn = Generation.objects.count()
    for number, board in enumerate([*boards, boards[0]]):
        client = Client()
        url = reverse("rater_prompt", args=[board.slug])
        client.get(url, follow=True)
        answer = client.post(url, {"prompt": "a red boat"}, REMOTE_ADDR="192.0.2.1")
        assert answer.status_code == (303 if number < 2 else 429)
    assert "Raters on your network have typed many prompts" in answer.content.decode()
    assert "a red boat" in answer.content.decode()
    assert int(answer["Retry-After"]) > 0
    assert Battle.objects.count() == 2
    assert Generation.objects.count() == n_drawn + 4


def test_a_typed_prompt_over_an_open_battle_is_a_skip(settings, clock: Clock, db: None) -> None:
    settings.RATER_SKIPS_PER_HOUR = 1
    board = builders.make_board(n_models=2, n_prompts=1, drawn=True, rater_prompts="counted")
    key = uuid.uuid4()
    open_battle(board, key)
    typed = builders.make_rater_battle(board, "a red boat", key)
    cast_vote(typed, key, "tie")
    with pytest.raises(LimitReachedError, match="without a vote"):
        open_battle(board, key)


# Privacy


def test_no_address_is_stored_or_logged(settings, clock: Clock, board: Board, caplog: pytest.LogCaptureFixture) -> None:
    settings.BEHIND_PROXY = True
    forwarded = {"HTTP_X_FORWARDED_FOR": "203.0.113.77"}
    client = Client()
    with caplog.at_level(logging.DEBUG):
        assert vote(client, board, address="198.51.100.9", **forwarded).status_code == 200
        for address in ("/sign-in/", "/unknown/"):
            client.post(address, {"username": "ada", "password": "wrong"}, REMOTE_ADDR="198.51.100.9", **forwarded)
    stored = str([list(model.objects.values()) for model in apps.get_models()])
    for text, expected in ((stored, "network"), (caplog.text, "request_finished")):
        assert expected in text
        assert "203.0.113" not in text
        assert "198.51.100" not in text


def test_a_request_that_opens_no_battle_is_not_counted(settings, clock: Clock, board: Board) -> None:
    empty = builders.make_board(n_models=1, n_prompts=1, drawn=True)
    client = Client()
    for _ in range(20):
        assert ask(client, empty).status_code == 404
    assert not RateCount.objects.exists()
    vote(Client(), board)
    assert count_votes(board) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_parallel_requests_of_one_rater_count_once(settings, clock: Clock) -> None:
    board = builders.make_board(n_models=2, n_prompts=1, drawn=True)
    key = uuid.uuid4()
    battles = run_at_once([lambda: open_battle(board, key, NETWORK) for _ in range(6)])
    assert len({battle.pk for battle in battles}) == 1
    assert set(RateCount.objects.values_list("scope", "count")) == {
        ("openings", 1),
        ("network_openings", 1),
        ("new_raters", 1),
    }
