"""Owners of battles: each battle belongs to the rater to whom it was handed, and everyone else waits for the result."""

import uuid
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from arena.battles import closing, opening
from arena.models import Battle, Board, Rater, Vote
from arena.models.battles import SKIPS
from arena.votes.casting import BattleNotOpenError, cast_vote
from generators.models import Generation
from tests import builders
from tests.concurrency import run_at_once

HTMX = {"HX-Request": "true"}
TAKEN = "This pair was given to another rater"


@pytest.fixture
def battle(board: Board) -> Battle:
    return builders.make_battle(board)


@pytest.fixture
def owner(battle: Battle) -> Client:
    return builders.make_client(battle.owner)


@pytest.fixture
def stranger(db: None) -> Client:
    return builders.make_client(uuid.uuid4())


def page_of(client: Client, battle: Battle, **options: object) -> str:
    return client.get(battle.get_absolute_url(), **options).content.decode()


def post_vote(client: Client, battle: Battle, winner: str = "tie", **options: object) -> int:
    return client.post(reverse("vote", args=[battle.token]), {"winner": winner}, **options).status_code


def status_of(client: Client, address: str) -> int:
    response = client.get(address)
    b"".join(response)  # read to the end, as a browser does, which closes the file
    return response.status_code


def image_statuses(client: Client, battle: Battle) -> list[int]:
    return [status_of(client, reverse("battle_image", args=[battle.token, side])) for side in "ab"]


# Votes of others


def test_fresh_cookies_add_no_vote_before_or_after_the_owners(battle: Battle, owner: Client) -> None:
    strangers = [builders.make_client(uuid.uuid4()) for _ in range(10)]
    assert {post_vote(client, battle) for client in strangers} == {409}
    assert not Vote.objects.exists()
    assert post_vote(owner, battle, "model_a") == 303
    assert {post_vote(client, battle, "model_b") for client in strangers} == {409}
    assert {post_vote(client, battle, "model_b", headers=HTMX) for client in strangers} == {409}
    vote = Vote.objects.get()
    assert (vote.winner, vote.rater.key) == ("model_a", battle.owner)
    assert Rater.objects.count() == 1


def test_a_second_cookie_cannot_look_first(battle: Battle, owner: Client, stranger: Client) -> None:
    post_vote(stranger, battle)
    for seen in (page_of(stranger, battle), page_of(stranger, battle, headers=HTMX), page_of(Client(), battle)):
        assert TAKEN in seen
        assert battle.model_a.name not in seen
        assert battle.prompt.text not in seen
        assert "<img" not in seen
    assert 'data-stage="ready"' in page_of(owner, battle)


def test_an_objection_says_why(battle: Battle) -> None:
    with pytest.raises(BattleNotOpenError, match="given to another rater"):
        cast_vote(battle, uuid.uuid4(), "tie")
    cast_vote(battle, battle.owner, "tie")
    with pytest.raises(BattleNotOpenError, match="Another rater has voted"):
        cast_vote(battle, uuid.uuid4(), "tie")
    other = builders.make_battle(battle.board)
    closing.close_battle(other, "broken")
    with pytest.raises(BattleNotOpenError, match="closed without a vote"):
        cast_vote(other, other.owner, "tie")


def test_a_vote_that_is_sent_again_returns_the_first(battle: Battle, owner: Client) -> None:
    first, counted = cast_vote(battle, battle.owner, "model_a")
    again = Battle.objects.for_page().get(pk=battle.pk)
    assert (counted, cast_vote(again, battle.owner, "model_a")) == (True, (first, False))
    for winner, is_said in (("model_a", False), ("model_b", True)):
        sent = owner.post(reverse("vote", args=[battle.token]), {"winner": winner}, headers=HTMX).content.decode()
        assert 'data-stage="revealed"' in sent
        assert ("Your first vote stands" in sent) is is_said


def test_a_vote_on_a_battle_that_was_voted_on_meanwhile_returns_the_first(battle: Battle) -> None:
    """As in a second tab: the row was read before the first vote."""
    stale = Battle.objects.for_page().get(pk=battle.pk)
    first, _ = cast_vote(battle, battle.owner, "model_a")
    assert cast_vote(stale, battle.owner, "model_b") == (first, False)
    assert Vote.objects.get().winner == "model_a"


def test_a_vote_on_a_battle_that_was_closed_meanwhile_is_refused(battle: Battle) -> None:
    stale = Battle.objects.for_page().get(pk=battle.pk)
    closing.close_battle(battle, "broken")
    with pytest.raises(BattleNotOpenError, match="closed without a vote"):
        cast_vote(stale, battle.owner, "tie")
    assert not Vote.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_concurrent_votes_and_reports_close_a_battle_once() -> None:
    board = builders.make_board(drawn=True)
    for _ in range(3):
        battle = builders.make_battle(board)
        copies = [Battle.objects.for_page().get(pk=battle.pk) for _ in range(8)]
        calls = [partial(cast_vote, copy, battle.owner, "tie") for copy in copies[:4]]
        calls += [partial(closing.close_battle, copy, "broken") for copy in copies[4:]]
        answers = run_at_once(calls)
        battle.refresh_from_db()
        voted = [answer for answer in answers[:4] if isinstance(answer, tuple)]
        assert [counted for _, counted in voted].count(True) + answers[4:].count(True) == 1, answers
        assert len(voted) == (4 if battle.closure == "vote" else 0), answers
        assert Vote.objects.filter(battle=battle).exists() is (battle.closure == "vote")


# Pages and images of others


def test_strangers_see_the_result_after_the_vote(battle: Battle, owner: Client, stranger: Client) -> None:
    post_vote(owner, battle, "model_b")
    n_battles = Battle.objects.count()
    for client in (stranger, Client()):
        page = page_of(client, battle)
        assert 'data-stage="revealed"' in page
        assert "The vote on this pair: <strong>B is better" in page
        assert "Your vote" not in page
        for model in (battle.model_a, battle.model_b):
            assert model.name in page
        assert reverse("open_battle", args=[battle.board.slug]) in page
        assert image_statuses(client, battle) == [200, 200]
    assert Battle.objects.count() == n_battles


@pytest.mark.parametrize("closure", ["", "broken", "skipped", "failed", "expired"])
def test_strangers_get_one_page_and_no_image_of_a_battle_without_a_vote(
    battle: Battle, stranger: Client, closure: str
) -> None:
    if closure:
        closing.close_battle(battle, closure)
    response = stranger.get(battle.get_absolute_url())
    assert response.status_code == 403
    assert TAKEN in response.content.decode()
    assert image_statuses(stranger, battle) == image_statuses(Client(), battle) == [404, 404]


def test_sources_are_shown_to_the_owner_until_everyone_sees_the_result(stranger: Client) -> None:
    battle = builders.make_battle(builders.make_edit_board(drawn=True))
    owner, source = builders.make_client(battle.owner), reverse("battle_source", args=[battle.token])
    assert [status_of(client, source) for client in (owner, stranger, Client())] == [200, 404, 404]
    cast_vote(battle, battle.owner, "tie")
    assert [status_of(client, source) for client in (owner, stranger, Client())] == [200, 200, 200]


# Accounts


def test_an_account_is_one_rater_in_two_browsers(board: Board) -> None:
    account = User.objects.create_user("rater")
    browsers = [Client(), Client()]
    for browser in browsers:
        browser.force_login(account)
    pages = [browser.get(reverse("open_battle", args=[board.slug]), follow=True) for browser in browsers]
    battle = Battle.objects.get()
    assert all(battle.token in page.content.decode() for page in pages)
    assert all("paragone_rater" not in browser.cookies for browser in browsers)
    assert [post_vote(browser, battle, "tie") for browser in browsers] == [303, 303]
    assert (Vote.objects.count(), Rater.objects.count()) == (1, 1)


def test_an_account_owns_nothing_that_its_browser_opened_before_signing_in(battle: Battle, owner: Client) -> None:
    owner.force_login(User.objects.create_user("rater"))
    assert TAKEN in page_of(owner, battle)
    assert post_vote(owner, battle) == 409


# One open battle


def test_concurrent_requests_open_one_battle(battle: Battle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both find no open battle; the database lets one of them open one, and the other gets it too."""
    n_generations = Generation.objects.count()
    answers = [None, opening.find_open(battle.board, battle.owner)]
    monkeypatch.setattr(opening, "find_open", lambda board, key: answers.pop(0))
    assert opening.open_battle(battle.board, battle.owner) == battle
    assert answers == []
    assert (Battle.objects.count(), Generation.objects.count()) == (1, n_generations)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("drawn", [True, False])
def test_twelve_parallel_opens_give_one_battle(drawn: bool) -> None:
    board, key = builders.make_board(drawn=drawn), uuid.uuid4()
    n_generations = Generation.objects.count()
    answers = run_at_once([partial(opening.open_battle, board, key)] * 12)
    assert {answer.pk for answer in answers} == {Battle.objects.get().pk}
    # What the others requested was rolled back.
    assert Generation.objects.count() == n_generations + (0 if drawn else 2)


def test_each_board_has_its_open_battle(battle: Battle) -> None:
    other = builders.make_board(drawn=True)
    assert builders.make_battle(other, battle.owner) != battle
    assert builders.make_battle(battle.board, battle.owner) == battle


def test_an_old_battle_expires_when_another_is_opened(battle: Battle) -> None:
    Battle.objects.update(opened_at=timezone.now() - opening.RESUME_WITHIN * 1.01)
    assert builders.make_battle(battle.board, battle.owner) != battle
    battle.refresh_from_db()
    assert battle.closure == "expired"
    assert battle.closed_at is not None


# Pages that open a battle


def test_a_battle_is_opened_once_the_cookie_comes_back(board: Board) -> None:
    client, address = Client(), reverse("open_battle", args=[board.slug])
    asked = client.get(address)
    assert (asked.status_code, asked["Location"], asked["Cache-Control"]) == (
        302,
        f"{address}?cookie-set=1",
        "no-store",
    )
    assert not Battle.objects.exists()
    assert 'data-stage="ready"' in client.get(asked["Location"]).content.decode()
    assert 'data-stage="ready"' in client.get(address).content.decode()
    assert Battle.objects.count() == 1


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_program_without_cookies_opens_no_battle(db: None, headers: dict[str, str]) -> None:
    board = builders.make_board()
    address = reverse("open_battle", args=[board.slug])
    for _ in range(3):
        assert Client().get(address, headers=headers).status_code == 302
        refused = Client().get(f"{address}?cookie-set=1", headers=headers)
        assert refused.status_code == 403
        assert "Voting needs a cookie" in refused.content.decode()
    assert not Battle.objects.exists()
    assert not Generation.objects.exists()


def test_a_forged_cookie_is_replaced(board: Board) -> None:
    client = Client()
    client.cookies["paragone_rater"] = f"{uuid.uuid4()}:forged"
    assert 'data-stage="ready"' in client.get(reverse("open_battle", args=[board.slug]), follow=True).content.decode()
    assert Battle.objects.count() == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Moz": "prefetch"},
    ],
)
def test_a_page_that_is_fetched_ahead_opens_no_battle(db: None, stranger: Client, headers: dict[str, str]) -> None:
    board = builders.make_board()
    address = reverse("open_battle", args=[board.slug])
    for client in (stranger, Client()):
        for response in (client.get(address, headers=headers), client.head(address)):
            assert (response.status_code, response.content) == (204, b"")
            assert response["Cache-Control"] == "no-store"
    assert not Battle.objects.exists()
    assert not Generation.objects.exists()


def test_a_result_that_is_fetched_ahead_opens_no_next_battle(battle: Battle, owner: Client) -> None:
    cast_vote(battle, battle.owner, "tie")
    owner.head(battle.get_absolute_url())
    assert 'data-stage="revealed"' in page_of(owner, battle, headers={"Sec-Purpose": "prefetch"})
    assert Battle.objects.count() == 1
    page_of(owner, battle)
    assert Battle.objects.count() == 2


# Reports and skips


@pytest.mark.parametrize("reason", ["broken", "unsafe", "revealing"])
def test_only_the_owner_can_report_a_problem(battle: Battle, owner: Client, stranger: Client, reason: str) -> None:
    address = reverse("report_problem", args=[battle.token])
    for client in (stranger, Client()):
        refused = client.post(address, {"reason": reason})
        assert refused.status_code == 409
        assert "Only they can report a problem" in refused.content.decode()
    battle.refresh_from_db()
    assert battle.closed_at is None
    assert owner.post(address, {"reason": reason}).status_code == 303
    battle.refresh_from_db()
    assert battle.closure == reason
    assert owner.post(address, {"reason": reason}).status_code == 303  # sent again
    other = next(known for known in ("broken", "unsafe") if known != reason)
    assert owner.post(address, {"reason": other}).status_code == 409


def test_a_stranger_cannot_take_a_vote_out_of_the_count(battle: Battle, owner: Client, stranger: Client) -> None:
    post_vote(owner, battle)
    for client in (owner, stranger):
        assert client.post(reverse("report_problem", args=[battle.token]), {"reason": "unsafe"}).status_code == 409
    battle.refresh_from_db()
    assert battle.closure == "vote"


def test_images_that_are_not_shown_cannot_be_reported(db: None) -> None:
    battle = builders.make_battle(builders.make_board())
    with pytest.raises(closing.ReportRefusedError, match="while you see both images"):
        closing.report_problem(battle, battle.owner, "broken")


def test_an_unknown_reason_is_refused(battle: Battle) -> None:
    for reason in ("dull", "", "vote", "skipped", "expired"):
        with pytest.raises(ValueError, match="Known reasons: broken, unsafe, revealing"):
            closing.report_problem(battle, battle.owner, reason)


def test_reports_and_typed_prompts_count_as_skips(board: Board) -> None:
    board.rater_prompts = Board.RaterPrompts.NOT_COUNTED
    board.save()
    key = uuid.uuid4()
    skips = Battle.objects.filter(owner=key, closure__in=SKIPS)
    left = builders.make_battle(board, key)
    typed = builders.make_rater_battle(board, key=key)
    left.refresh_from_db()
    assert (left.closure, skips.count()) == ("skipped", 1)
    closing.report_problem(typed, key, "broken")
    assert skips.count() == 2
    for closure in ("failed", "damaged", "blocked", "expired"):
        closing.close_battle(builders.make_battle(board, key), closure)
    builders.make_vote(board, key=key)
    assert skips.count() == 2


def test_a_typed_prompt_replaces_a_battle_opened_at_the_same_moment(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arena.rater_prompts import opening as prompts

    board.rater_prompts = Board.RaterPrompts.NOT_COUNTED
    board.save()
    left = builders.make_battle(board)
    find, answers = prompts.find_open, [None]
    monkeypatch.setattr(prompts, "find_open", lambda *of: answers.pop() if answers else find(*of))
    typed = builders.make_rater_battle(board, key=left.owner)
    left.refresh_from_db()
    assert (left.closure, typed.closure) == ("skipped", "")
