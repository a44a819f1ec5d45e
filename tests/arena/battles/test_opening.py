"""Opening of battles: the drawn pool, resuming, missing images, and boards with nothing to compare."""

import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from arena.battles.opening import NoMatchupError
from arena.models import Battle, Board, Origin, Rater, Stage
from generators.images import originals
from generators.models import Generation, ImageModel
from generators.workers import drawing
from tests import builders


def is_ready(battle: Battle) -> bool:
    return battle.stage_for(battle.owner) is Stage.READY


def test_a_drawn_pool_serves_a_battle_at_once(board: Board) -> None:
    n_generations = Generation.objects.count()
    battle = builders.make_battle(board)
    assert is_ready(battle)
    assert Generation.objects.count() == n_generations
    assert battle.model_a != battle.model_b
    assert {battle.generation_a.model, battle.generation_b.model} == {battle.model_a, battle.model_b}


def test_sides_are_random(board: Board) -> None:
    opened = [builders.make_battle(board) for _ in range(60)]
    first = [battle for battle in opened if battle.model_a_id < battle.model_b_id]
    assert 10 < len(first) < 50  # 60 fair coins: outside once in ten million runs


def test_viewing_a_battle_creates_no_rater(board: Board, client: Client) -> None:
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    client.get(Battle.objects.get().get_absolute_url())
    assert not Rater.objects.exists()


def test_reloading_shows_the_same_battle(board: Board, client: Client) -> None:
    for _ in range(5):
        client.get(reverse("open_battle", args=[board.slug]), follow=True)
    assert Battle.objects.count() == 1


def test_each_browser_gets_a_battle_of_its_own(board: Board) -> None:
    for _ in range(3):
        Client().get(reverse("open_battle", args=[board.slug]), follow=True)
    assert Battle.objects.count() == 3


def test_a_rater_sees_every_prompt_before_any_repeats(board: Board) -> None:
    key = uuid.uuid4()
    prompts = [builders.make_vote(board, key=key).prompt_id for _ in range(4)]
    assert len(set(prompts)) == 4
    assert builders.make_vote(board, key=key).prompt_id in prompts


def test_missing_images_are_requested_and_shown_when_both_exist(client: Client, db: None) -> None:
    board = builders.make_board(n_models=2)
    response = client.get(reverse("open_battle", args=[board.slug]), follow=True)
    assert b'data-stage="drawing"' in response.content
    assert b'hx-trigger="every 1s"' in response.content
    battle = Battle.objects.get()
    drawing.produce(battle.generation_a_id)
    page = client.get(battle.get_absolute_url(), headers={"HX-Request": "true"})
    assert b"<img" not in page.content
    drawing.produce(battle.generation_b_id)
    page = client.get(battle.get_absolute_url(), headers={"HX-Request": "true"})
    assert page.content.count(b"<img") == 2
    assert b"<html" not in page.content


def test_the_drawing_page_reloads_without_javascript(client: Client, db: None) -> None:
    board = builders.make_board(n_models=2)
    assert (
        b'<noscript><meta http-equiv="refresh"'
        in client.get(reverse("open_battle", args=[board.slug]), follow=True).content
    )


def test_the_page_says_when_no_worker_is_available(client: Client, db: None) -> None:
    board = builders.make_board(n_models=2)
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    battle = Battle.objects.get()
    past = battle.opened_at.replace(year=battle.opened_at.year - 1)
    Generation.objects.update(created_at=past)
    assert b"No worker is available" in client.get(battle.get_absolute_url()).content


def test_battles_do_not_retry_failed_images(db: None) -> None:
    board = builders.make_board(n_models=2, n_prompts=2)
    first = builders.make_battle(board)
    Generation.objects.filter(pk=first.generation_a_id).update(status="failed", reason="invalid")
    for _ in range(10):
        assert builders.make_battle(board).prompt != first.prompt


def test_a_failed_battle_is_replaced_by_another(db: None, client: Client) -> None:
    board = builders.make_board(n_models=2, n_prompts=2)
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    failed = Battle.objects.get()
    Generation.objects.filter(pk=failed.generation_a_id).update(status="refused", reason="refused")
    assert b"does not count against either model" in client.get(failed.get_absolute_url()).content
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    assert Battle.objects.latest("id") != failed
    failed.refresh_from_db()
    assert failed.closure == "failed"
    assert b"does not count against either model" in client.get(failed.get_absolute_url()).content


def test_a_missing_original_closes_the_battle(board: Board, client: Client) -> None:
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    battle = Battle.objects.get()
    originals.path(battle.generation_a.original).unlink()
    for file in originals.path("x").parent.parent.parent.glob("derivatives/**/*.jpg"):
        file.unlink()
    assert b'data-stage="ended"' in client.get(battle.get_absolute_url()).content
    battle.refresh_from_db()
    assert battle.closure == "damaged"


@pytest.mark.parametrize("n_models", [0, 1])
def test_too_few_models_are_explained(client: Client, db: None, n_models: int) -> None:
    board = builders.make_board(n_models=n_models)
    response = client.get(reverse("open_battle", args=[board.slug]), follow=True)
    assert response.status_code == 404
    assert b"fewer than two active models" in response.content


def test_a_board_without_prompts_is_explained(client: Client, db: None) -> None:
    board = builders.make_board(n_prompts=0)
    assert b"images for the same prompt" in client.get(reverse("open_battle", args=[board.slug]), follow=True).content


def test_retired_models_get_no_battles(board: Board) -> None:
    retired = board.image_models.first()
    ImageModel.objects.filter(pk=retired.pk).update(lifecycle="retired")
    for _ in range(10):
        battle = builders.make_battle(board)
        assert retired not in {battle.model_a, battle.model_b}


def test_boards_of_imported_votes_take_no_votes(client: Client, db: None) -> None:
    board = builders.make_board(drawn=True, origin=Origin.IMPORTED)
    with pytest.raises(NoMatchupError):
        builders.make_battle(board)
    assert client.get(reverse("open_battle", args=[board.slug]), follow=True).status_code == 404


def test_a_model_without_an_adapter_uses_its_imported_images(db: None) -> None:
    board = builders.make_board(n_models=2, n_prompts=3, drawn=True)
    board.image_models.update(adapter="")
    assert is_ready(builders.make_battle(board))


def test_the_preloaded_battle_is_the_next_one(board: Board, client: Client) -> None:
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    first = Battle.objects.get()
    revealed = client.post(reverse("vote", args=[first.token]), {"winner": "tie"}, headers={"HX-Request": "true"})
    second = Battle.objects.latest("id")
    assert second != first
    for side in "ab":
        assert reverse("battle_image", args=[second.token, side]).encode() in revealed.content
    client.get(first.get_absolute_url())
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    assert Battle.objects.latest("id") == second


def test_a_reported_problem_closes_the_battle(board: Board, client: Client) -> None:
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    battle = Battle.objects.get()
    reported = client.post(reverse("report_problem", args=[battle.token]), {"reason": "unsafe"}, follow=True)
    assert b"This battle does not count" in reported.content
    battle.refresh_from_db()
    assert battle.closure == "unsafe"
    assert client.post(reverse("vote", args=[battle.token]), {"winner": "tie"}).status_code == 409


def test_a_problem_cannot_be_reported_after_the_vote(board: Board, client: Client) -> None:
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    battle = Battle.objects.get()
    client.post(reverse("vote", args=[battle.token]), {"winner": "tie"})
    assert client.post(reverse("report_problem", args=[battle.token]), {"reason": "unsafe"}).status_code == 409
    battle.refresh_from_db()
    assert battle.closure == "vote"


def test_the_target_model_is_in_most_battles(board: Board) -> None:
    board.preliminary_below = 0
    board.target_model = board.image_models.order_by("pk")[1]
    board.save()
    battles = [builders.make_battle(board) for _ in range(60)]
    met = sum(board.target_model in (battle.model_a, battle.model_b) for battle in battles)
    assert met >= 48  # nine in ten, and the uniform share


def test_a_retired_target_model_gets_no_battles(board: Board) -> None:
    board.target_model = board.image_models.order_by("pk")[1]
    board.save()
    board.target_model.lifecycle = "retired"
    board.target_model.save()
    battle = builders.make_battle(board)
    assert board.target_model not in (battle.model_a, battle.model_b)


def test_a_target_model_without_images_does_not_stop_the_battles(board: Board) -> None:
    board.target_model = builders.make_model(adapter="")
    board.save()
    board.image_models.add(board.target_model)
    for _ in range(20):
        battle = builders.make_battle(board)
        assert board.target_model not in (battle.model_a, battle.model_b)


def test_opening_and_voting_take_few_queries(board: Board, client: Client) -> None:
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    with CaptureQueriesContext(connection) as resumed:
        client.get(reverse("open_battle", args=[board.slug]), follow=True)
    assert len(resumed) <= 4
    fresh = builders.make_client(uuid.uuid4())
    with CaptureQueriesContext(connection) as opened:
        fresh.get(reverse("open_battle", args=[board.slug]))
    assert len(opened) <= 21  # 8 of them for the limits
