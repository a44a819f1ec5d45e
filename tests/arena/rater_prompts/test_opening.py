"""Prompts that raters type: access, drawing, refusals, limits, and the pages of each step."""

import re
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from arena.battles.opening import NoMatchupError, open_battle
from arena.boards import declare_board
from arena.models import Battle, Board, Origin, Rater, Stage, Vote
from arena.rater_prompts import opening
from arena.rater_prompts.opening import LONGEST_TYPED, PromptRefusedError, open_rater_battle
from arena.raters.limits import LimitReachedError
from arena.votes.casting import cast_vote
from generators.models import Generation, Prompt, PromptSet, Provider
from generators.workers import drawing
from tests import builders
from tests.concurrency import run_at_once

HTMX = {"HX-Request": "true"}
TEXT = "a red boat under two moons"


@pytest.fixture
def board(db: None) -> Board:
    return builders.make_board(n_models=3, n_prompts=2, drawn=True, rater_prompts="not_counted")


def visit(client: Client, board: Board) -> str:
    """Load the form, as a browser does before it sends it. Returns its URL."""
    address = reverse("rater_prompt", args=[board.slug])
    assert client.get(address).status_code == 200
    return address


def type_prompt(client: Client, board: Board, text: str = TEXT, **options: object) -> HttpResponse:
    return client.post(visit(client, board), {"prompt": text}, **options)


def make_older(minutes: int) -> None:
    Battle.objects.update(opened_at=timezone.now() - timedelta(minutes=minutes))


# Drawing


def test_two_models_draw_the_typed_prompt(board: Board) -> None:
    n_pool = Generation.objects.count()
    battle = builders.make_rater_battle(board, TEXT, drawn=False)
    assert battle.custom_prompt
    assert (battle.prompt.text, battle.prompt.language, battle.prompt.category) == (TEXT, "", "")
    assert battle.model_a != battle.model_b
    assert {battle.model_a, battle.model_b} <= set(board.image_models.all())
    assert Generation.objects.count() == n_pool + 2
    assert battle.stage_for(battle.owner) is Stage.DRAWING
    for generation in (battle.generation_a, battle.generation_b):
        assert (generation.width, generation.height) == (board.canvas_width, board.canvas_height)
        drawing.produce(generation.pk)
        generation.refresh_from_db()
    assert battle.stage_for(battle.owner) is Stage.READY
    assert battle.generation_a.seed == battle.generation_b.seed


def test_the_same_text_is_one_prompt_with_new_images(board: Board) -> None:
    first, second = (builders.make_rater_battle(board, text, drawn=False) for text in (TEXT, f"  {TEXT}\r\n"))
    assert first.prompt == second.prompt
    assert first.generation_a.seed != second.generation_a.seed
    prompt_set = PromptSet.objects.get(slug=f"raters-{board.slug}")
    assert (prompt_set.version, prompt_set.digest, prompt_set.prompts.count()) == ("1", "", 1)
    assert prompt_set not in board.prompt_sets.all()


def test_a_board_with_the_longest_slug_can_store_prompts(board: Board) -> None:
    board.slug = "b" * 100
    board.save()
    assert len(builders.make_rater_battle(board, drawn=False).prompt.prompt_set.slug) == 100


def test_only_models_that_can_draw_now_are_chosen(board: Board) -> None:
    able = list(board.image_models.all())
    for host, minutes in [("api.openai.com", 5), ("images.lab", -5)]:
        resume_at = timezone.now() + timedelta(minutes=minutes)
        Provider.objects.create(slug="openai", host=host, resume_at=resume_at)
    unable: list[dict[str, Any]] = [{"lifecycle": "retired"}, {"lifecycle": "private"}]
    unable += [{"adapter": ""}, {"adapter": "openai", "settings": {"model": "m"}}]
    board.image_models.add(*(builders.make_model(**fields) for fields in unable))
    elsewhere = {"model": "m", "base_url": "https://images.lab/v1"}
    board.image_models.add(back := builders.make_model(adapter="openai", settings=elsewhere, lifecycle="preview"))
    chosen = {m for _ in range(40) for m in models_of(builders.make_rater_battle(board, drawn=False))}
    assert chosen == {*able, back}


def models_of(battle: Battle) -> list[object]:
    Battle.objects.update(opened_at=timezone.now() - timedelta(days=1))
    return [battle.model_a, battle.model_b]


def test_a_single_available_model_is_too_few(board: Board, client: Client) -> None:
    board.image_models.exclude(pk=board.image_models.first().pk).update(adapter="")
    with pytest.raises(NoMatchupError, match="can draw now"):
        builders.make_rater_battle(board)
    refused = type_prompt(client, board)
    assert refused.status_code == 409
    assert TEXT in refused.content.decode()
    assert not Prompt.objects.filter(text=TEXT).exists()


def test_an_open_typed_battle_is_resumed_before_a_pool_battle(board: Board) -> None:
    key = uuid.uuid4()
    typed = builders.make_rater_battle(board, key=key)
    assert open_battle(board, key) == typed
    cast_vote(typed, key, "tie")
    following = open_battle(board, key)
    assert not following.custom_prompt
    assert following.prompt.prompt_set in board.prompt_sets.all()


# Access


@pytest.mark.parametrize(
    "fields", [{"rater_prompts": "off"}, {"task": "image_edit"}, {"origin": Origin.IMPORTED, "drawn": False}]
)
def test_a_board_that_takes_no_prompts_says_so(db: None, client: Client, fields: dict[str, object]) -> None:
    board = builders.make_board(n_models=2, n_prompts=1, **{"drawn": True, "rater_prompts": "not_counted"} | fields)
    with pytest.raises(PromptRefusedError):
        open_rater_battle(board, uuid.uuid4(), TEXT)
    address = reverse("rater_prompt", args=[board.slug])
    for response in (client.get(address), client.post(address, {"prompt": TEXT})):
        assert response.status_code == 403
        assert "Raters cannot type prompts on this board" in response.content.decode()
        assert "<textarea" not in response.content.decode()
    assert address not in client.get(board.get_absolute_url()).content.decode()
    assert address not in client.get(reverse("open_battle", args=[board.slug]), follow=True).content.decode()


def test_the_form_is_on_the_battle_page_and_linked_from_the_leaderboard(board: Board, client: Client) -> None:
    address = reverse("rater_prompt", args=[board.slug])
    assert f'action="{address}"' in client.get(reverse("open_battle", args=[board.slug]), follow=True).content.decode()
    assert f'href="{address}"' in client.get(board.get_absolute_url()).content.decode()


def test_an_unknown_board_and_other_methods(board: Board, client: Client) -> None:
    assert client.get(reverse("rater_prompt", args=["nowhere"])).status_code == 404
    assert client.put(reverse("rater_prompt", args=[board.slug])).status_code == 405


def test_a_private_arena_requires_sign_in(board: Board, client: Client, settings) -> None:
    settings.PUBLIC = False
    response = client.post(reverse("rater_prompt", args=[board.slug]), {"prompt": TEXT})
    assert response.status_code == 302
    assert not Battle.objects.exists()


def test_the_declaration_says_whether_prompts_are_taken(db: None) -> None:
    models = [builders.make_model().slug for _ in range(2)]
    declared = {"slug": "b", "title": "B", "models": models}
    assert declare_board(declared).rater_prompts == "off"
    board = declare_board(declared | {"rater_prompts": "counted", "rater_prompts_per_hour": 3})
    assert (board.rater_prompts, board.rater_prompts_per_hour, board.takes_prompts) == ("counted", 3, True)
    for wrong in ({"rater_prompts": "sometimes"}, {"rater_prompts_per_hour": 0}):
        with pytest.raises(ValueError, match="rater_prompts"):
            declare_board(declared | wrong)


# The text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The prompt is empty"),
        (" \n\t ", "The prompt is empty"),
        ("x" * (LONGEST_TYPED + 1), "at most 1,000"),
        ("a\x01b", "U+0001"),
        ("a \u202e boat", "U+202E"),
        ("\u200b", "none that can be seen"),
    ],
)
def test_an_invalid_text_is_kept_and_explained(board: Board, client: Client, text: str, message: str) -> None:
    response = type_prompt(client, board, text)
    assert response.status_code == 400
    assert message in response.content.decode()
    assert not Battle.objects.exists()


def test_the_longest_text_in_any_script_is_drawn(board: Board) -> None:
    for text in ("𝕏" * LONGEST_TYPED, "قطة صغيرة على سجادة", "🦊🌙", "two\nlines"):
        assert builders.make_rater_battle(board, text, drawn=False).prompt.text == text


def test_a_refused_text_is_kept_in_the_form(board: Board, client: Client) -> None:
    response = type_prompt(client, board, 'a "p0rn" film & more')
    assert response.status_code == 403
    page = response.content.decode()
    assert "does not draw explicit sexual content" in page
    assert "a &quot;p0rn&quot; film &amp; more</textarea>" in page
    assert not Battle.objects.exists()
    assert not Prompt.objects.filter(prompt_set__slug__startswith="raters-").exists()


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_prompt_is_escaped_and_keeps_its_direction(board: Board, client: Client, headers: dict[str, str]) -> None:
    type_prompt(client, board, "<script>alert(1)</script> قطة")
    page = client.get(Battle.objects.get().get_absolute_url(), headers=headers).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; قطة" in page
    assert "<script>alert" not in page
    assert '<h1 dir="auto"' in page


# Limits


def test_a_rater_has_a_limit_of_prompts_per_hour(board: Board, client: Client) -> None:
    board.rater_prompts_per_hour = 2
    board.save()
    for _ in range(2):
        assert type_prompt(client, board).status_code == 303
    make_older(35)
    late = type_prompt(client, board)
    assert late.status_code == 429
    assert 24 * 60 < int(late["Retry-After"]) <= 25 * 60
    assert "in 25 minutes" in late.content.decode()
    assert TEXT in late.content.decode()
    assert type_prompt(Client(), board).status_code == 303
    make_older(61)
    assert type_prompt(client, board).status_code == 303


def test_the_limit_is_per_board(board: Board, client: Client) -> None:
    other = builders.make_board(n_models=2, n_prompts=0, rater_prompts="not_counted", rater_prompts_per_hour=1)
    board.rater_prompts_per_hour = 1
    board.save()
    assert [type_prompt(client, each).status_code for each in (board, other, board)] == [303, 303, 429]


def test_new_cookies_do_not_evade_the_limits_of_the_board(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_WAITING", 3)
    battles = [builders.make_rater_battle(board, drawn=False) for _ in range(3)]
    with pytest.raises(LimitReachedError, match="are waiting to be drawn") as waiting:
        builders.make_rater_battle(board)
    assert waiting.value.retry_after == 60
    for generation in (battles[0].generation_a, battles[0].generation_b):
        drawing.produce(generation.pk)
    builders.make_rater_battle(board)
    monkeypatch.setattr(opening, "RATERS_AT_ONCE", 1)
    board.rater_prompts_per_hour = 4
    with pytest.raises(LimitReachedError, match="reached its hourly limit"):
        builders.make_rater_battle(board)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_do_not_pass_the_limit_together() -> None:
    board = builders.make_board(n_models=2, n_prompts=0, rater_prompts="not_counted", rater_prompts_per_hour=3)
    key = uuid.uuid4()
    answers = run_at_once([partial(open_rater_battle, board, key, f"{TEXT} {n}") for n in range(8)])
    assert sum(isinstance(answer, Battle) for answer in answers) == 3
    assert sum(isinstance(answer, LimitReachedError) for answer in answers) == 5
    assert Battle.objects.count() == 3


def test_opening_takes_few_queries(board: Board) -> None:
    builders.make_rater_battle(board, drawn=False)
    with CaptureQueriesContext(connection) as queries:
        builders.make_rater_battle(board, drawn=False)
    assert len(queries) <= 25  # 5 of them for the limits


# The pages


def test_a_plain_form_leads_to_the_drawing_and_the_vote(board: Board, client: Client) -> None:
    response = type_prompt(client, board)
    battle = Battle.objects.get()
    assert (response.status_code, response["Location"]) == (303, battle.get_absolute_url())
    page = client.get(battle.get_absolute_url()).content.decode()
    assert 'data-stage="drawing"' in page
    assert "typed by a rater" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert not Rater.objects.exists()
    for generation in (battle.generation_a_id, battle.generation_b_id):
        drawing.produce(generation)
    assert 'data-stage="ready"' in client.get(battle.get_absolute_url()).content.decode()
    revealed = client.post(reverse("vote", args=[battle.token]), {"winner": "model_b"}, follow=True).content.decode()
    assert battle.model_a.name in revealed
    assert battle.model_b.name in revealed
    vote = Vote.objects.get()
    assert (vote.battle, vote.prompt.text, vote.category, vote.language) == (battle, TEXT, "", "")


def test_htmx_gets_the_fragment_of_the_battle(board: Board, client: Client) -> None:
    response = type_prompt(client, board, headers=HTMX, follow=True)
    page = response.content.decode()
    assert response.redirect_chain == [(Battle.objects.get().get_absolute_url(), 303)]
    assert "<html" not in page
    assert 'data-stage="drawing"' in page
    assert 'hx-trigger="every 1s"' in page


def test_an_error_is_a_fragment_for_htmx_and_a_page_otherwise(board: Board, client: Client) -> None:
    for headers, whole in (({}, True), (HTMX, False)):
        response = type_prompt(client, board, " ", headers=headers)
        page = response.content.decode()
        assert ("<html" in page) is whole
        assert 'role="alert"' in page
        assert response["Cache-Control"] == "no-store"
        assert "HX-Request" in response["Vary"]


def test_without_a_cookie_or_a_csrf_token_nothing_is_drawn(board: Board) -> None:
    address = reverse("rater_prompt", args=[board.slug])
    no_cookie = Client().post(address, {"prompt": TEXT})
    assert no_cookie.status_code == 403
    assert "Allow cookies" in no_cookie.content.decode()
    assert TEXT in no_cookie.content.decode()
    strict = Client(enforce_csrf_checks=True)
    strict.get(address)
    assert strict.post(address, {"prompt": TEXT}).status_code == 403
    assert not Battle.objects.exists()


def test_the_page_shows_the_progress_of_both_drawings_together(
    board: Board, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.views.raters.battles.NO_WORKER_AFTER", 600)
    type_prompt(client, board)
    battle = Battle.objects.get()
    Battle.objects.update(opened_at=timezone.now() - timedelta(seconds=7))
    Generation.objects.ready().update(finished_at=timezone.now() - timedelta(minutes=1))

    def read_state() -> str:
        page = client.get(battle.get_absolute_url(), headers=HTMX).content.decode()
        return " ".join(re.sub(r"<[^>]+>", "", re.search(r'<p class="state">(.*?)</p>', page)[1]).split())

    waiting = re.match(r"Waiting for a worker, (\d+) s so far, usually .* each\. Both appear together\.", read_state())
    assert int(waiting[1]) >= 7
    Generation.objects.filter(pk=battle.generation_b_id).update(status="running", attempts=1)
    assert read_state().startswith("0 of 2 images drawn")
    Generation.objects.filter(pk=battle.generation_b_id).update(status="pending", attempts=0)
    drawing.produce(battle.generation_b_id)
    assert read_state().startswith("1 of 2 images drawn")
    Generation.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    assert read_state().startswith("No worker is available")


def test_a_failed_drawing_counts_against_neither_model_and_offers_the_prompt_again(
    board: Board, client: Client
) -> None:
    type_prompt(client, board)
    battle = Battle.objects.get()
    Generation.objects.filter(pk=battle.generation_a_id).update(status="refused", reason="refused", stage="prompt")
    page = client.get(battle.get_absolute_url()).content.decode()
    assert "does not count against either model" in page
    assert f">\n{TEXT}</textarea>" in page
    assert client.post(reverse("vote", args=[battle.token]), {"winner": "tie"}).status_code == 409
    assert not Vote.objects.exists()


@pytest.mark.parametrize(
    ("mode", "message"), [("not_counted", "does not count on the leaderboard"), ("counted", "counts like any other")]
)
def test_the_form_says_whether_the_vote_counts(board: Board, client: Client, mode: str, message: str) -> None:
    board.rater_prompts = mode
    board.save()
    page = client.get(visit(client, board)).content.decode()
    assert message in page
    assert f'maxlength="{LONGEST_TYPED}"' in page
    assert "20 prompts per hour" in page
