"""Declarations of boards, models and prompt sets."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pydantic import ValidationError

from arena.boards import UnknownDeclarationError, declare_board, seed
from arena.models import Board
from generators.declarations import declare_model
from generators.models import ImageModel, Prompt
from generators.prompts.packs import PromptSetChangedError, declare_prompt_set
from tests import builders

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"
PROMPTS = {"slug": "p", "version": "1", "title": "P", "prompts": [{"key": "a", "text": "a red star"}]}
MODEL = {"slug": "m", "name": "M", "adapter": "sketch"}

pytestmark = pytest.mark.django_db


def test_declaring_the_demo_twice_changes_nothing() -> None:
    for _ in range(2):
        demo, edits, simulation = seed(FIXTURES / "demo.toml")
    assert (demo.image_models.count(), demo.takes_votes) == (6, True)
    assert (edits.image_models.count(), edits.takes_votes) == (4, True)
    assert (simulation.origin, simulation.takes_votes) == ("simulated", False)
    assert Board.objects.count() == 3
    assert Prompt.objects.count() == 24 + 10
    assert ImageModel.objects.filter(in_house=True).count() == 1


def test_a_changed_declaration_updates_the_board() -> None:
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
def test_a_model_with_invalid_settings_is_refused(change: dict[str, object], complaint: str) -> None:
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


def test_a_missing_model_or_prompt_set_is_named() -> None:
    with pytest.raises(UnknownDeclarationError, match="No model is declared with the name ghost"):
        declare_board({"slug": "b", "title": "B", "models": ["ghost"]})
    with pytest.raises(UnknownDeclarationError, match="No prompt set is declared with the name p 2"):
        declare_board({"slug": "b", "title": "B", "prompt_sets": ["p 2"]})


@pytest.mark.parametrize(
    "content", ["slug =", 'models = [{slug = "x"}]', 'boards = [{slug = "b", title = "B", size = 3}]']
)
def test_an_invalid_file_is_refused_and_changes_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / "faulty.toml"
    file.write_text(content)
    with pytest.raises(CommandError, match=r"faulty\.toml"):
        call_command("seed", file)
    assert not ImageModel.objects.exists()
    assert not Board.objects.exists()


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(CommandError, match="nowhere"):
        call_command("seed", "nowhere.toml")


def test_the_interval_and_the_target_model_are_declared() -> None:
    models = [builders.make_model() for _ in range(2)]
    declared = {"slug": "b", "title": "B", "models": [m.slug for m in models]}
    board = declare_board(declared | {"interval": "rater+prompt", "target_model": models[1].slug})
    assert (board.interval, board.target_model) == ("rater+prompt", models[1])
    assert declare_board(declared).target_model is None
    with pytest.raises(UnknownDeclarationError, match="model"):
        declare_board(declared | {"target_model": "unknown"})
    with pytest.raises(ValueError, match="interval"):
        declare_board(declared | {"interval": "bootstrap"})
