"""Boards, models and prompt sets as they are declared in TOML, and the pool that is drawn from them."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pydantic import ValidationError

from arena.battles.pools import fill_pool, watch_pool
from arena.boards import UnknownDeclarationError, declare_board, seed
from arena.models import Board
from generators.declarations import declare_model
from generators.models import Generation, ImageModel, Price, Prompt
from generators.prompts.packs import PromptSetChangedError, declare_prompt_set
from generators.workers import drawing
from tests import builders

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"
PROMPTS = {"slug": "p", "version": "1", "title": "P", "prompts": [{"key": "a", "text": "a red star"}]}
MODEL = {"slug": "m", "name": "M", "adapter": "sketch"}

pytestmark = pytest.mark.django_db


def test_the_demo_is_declared_once_however_often() -> None:
    for _ in range(2):
        demo, edits, simulation = seed(FIXTURES / "demo.toml")
    assert (demo.image_models.count(), demo.takes_votes) == (6, True)
    assert (edits.image_models.count(), edits.takes_votes) == (4, True)
    assert (simulation.origin, simulation.takes_votes) == ("simulated", False)
    assert Board.objects.count() == 3
    assert Prompt.objects.count() == 24 + 10
    assert ImageModel.objects.filter(in_house=True).count() == 1


def test_a_change_is_taken_over() -> None:
    declare_model(MODEL)
    declare_model(MODEL | {"name": "M, renamed"})
    assert ImageModel.objects.get().name == "M, renamed"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"adapter": "brush"}, "no adapter 'brush'. Known: azure, .*sketch"),
        ({"settings": {"sharpness": 2}}, "sharpness"),
        ({"settings": {"legibility": 2}}, "legibility"),
    ],
)
def test_a_model_that_could_not_draw_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        declare_model(MODEL | change)
    assert not ImageModel.objects.exists()


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="licence"):
        declare_model(MODEL | {"licence": "MIT"})


def test_a_prompt_set_never_changes() -> None:
    declare_prompt_set(PROMPTS)
    with pytest.raises(PromptSetChangedError, match="new version"):
        declare_prompt_set(PROMPTS | {"prompts": [{"key": "a", "text": "a blue star"}]})
    assert Prompt.objects.get().text == "a red star"


def test_a_board_names_what_is_missing() -> None:
    with pytest.raises(UnknownDeclarationError, match="No model is declared with the name ghost"):
        declare_board({"slug": "b", "title": "B", "models": ["ghost"]})
    with pytest.raises(UnknownDeclarationError, match="No prompt set is declared with the name p 2"):
        declare_board({"slug": "b", "title": "B", "prompt_sets": ["p 2"]})


@pytest.mark.parametrize(
    "content", ["slug =", 'models = [{slug = "x"}]', 'boards = [{slug = "b", title = "B", size = 3}]']
)
def test_a_faulty_file_is_refused_by_name_and_changes_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / "faulty.toml"
    file.write_text(content)
    with pytest.raises(CommandError, match=r"faulty\.toml"):
        call_command("seed", file)
    assert not ImageModel.objects.exists()
    assert not Board.objects.exists()


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(CommandError, match="nowhere"):
        call_command("seed", "nowhere.toml")


def test_the_pool_is_every_model_prompt_and_seed_and_is_asked_for_once() -> None:
    board = builders.make_board(n_models=2, n_prompts=3, seeds=2)
    assert len(fill_pool(board)) == 12
    assert fill_pool(board) == fill_pool(board)
    assert Generation.objects.count() == 12


def test_models_that_do_not_draw_here_have_no_place_in_the_pool() -> None:
    board = builders.make_board(n_models=3, n_prompts=1)
    retired, elsewhere, drawing = board.image_models.all()
    ImageModel.objects.filter(pk=retired.pk).update(lifecycle="retired")
    ImageModel.objects.filter(pk=elsewhere.pk).update(adapter="")
    assert [generation.model for generation in fill_pool(board)] == [drawing]


def test_watching_a_pool_ends_when_all_is_drawn_or_failed() -> None:
    board = builders.make_board(n_models=2, n_prompts=1)
    pool = fill_pool(board)
    ImageModel.objects.filter(pk=pool[1].model_id).update(settings={"sharpness": 1})

    def draw(n_done: int) -> None:
        drawing.produce(pool[n_done].pk)

    assert watch_pool(pool, on_tick=draw) == {"ok": 1, "failed": 1}


def test_draw_pool_waits_and_tells(capsys: pytest.CaptureFixture[str]) -> None:
    board = builders.make_board(drawn=True)
    call_command("draw_pool", board=board.slug, wait=True)
    out = capsys.readouterr().out
    assert f"12 images in the pool of {board.slug}" in out
    assert "12 ok" in out
    with pytest.raises(CommandError, match=board.slug):
        call_command("draw_pool", board="nowhere")


def test_a_dry_run_says_what_is_missing_and_may_cost_and_draws_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    board = builders.make_board(n_models=3, n_prompts=5)
    free, paid, priceless = board.image_models.all()
    ImageModel.objects.filter(pk=paid.pk).update(adapter="openai", settings={"model": "gpt-image-1.5"}, budget="0.50")
    ImageModel.objects.filter(pk=priceless.pk).update(adapter="flux")
    Price.objects.create(model=paid, valid_from="2026-01-01", units={"image": "0.04"}, estimate="0.05")
    call_command("draw_pool", board=board.slug, dry_run=True)
    out = capsys.readouterr().out
    assert f"{free.slug}: 5 images\n" in out
    assert f"{paid.slug}: 5 images, $0.25 at most, $0.50 left in its budget" in out
    assert f"{priceless.slug}: 5 images; without a price for today" in out
    assert "15 images are missing" in out
    assert not Generation.objects.exists()
