"""sync_models: a TOML file is declared, all or nothing, and the changes are printed."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.forms.models import model_to_dict

from generators.adapters.registry import ADAPTERS, find_capabilities
from generators.models import Budget, Generation, ImageModel, Price, Provider
from tests import builders

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "fixtures" / "models.example.toml"
FILE = """
[[models]]
slug = "fresco-1"
name = "Fresco 1"
family = "fresco"
adapter = "sketch"
settings = { style = "neon" }

[[models]]
slug = "gpt"
name = "GPT Image"
adapter = "openai"
settings = { model = "gpt-image-1" }
[[models.prices]]
valid_from = 2026-11-01
units = { image = 0.04 }
source = "the provider's page"

[[providers]]
slug = "openai"
requests_per_minute = 20

[[budgets]]
slug = "nightly"
limit = 10
"""

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "models.toml"
    file.write_text(FILE)
    return file


def change(file: Path, old: str, new: str) -> None:
    assert file.read_text().count(old) == 1, old
    file.write_text(file.read_text().replace(old, new))


def all_rows() -> list[list[dict[str, object]]]:
    tables = (ImageModel, Price, Provider, Budget)
    return [[model_to_dict(row) for row in table.objects.order_by("pk")] for table in tables]  # type: ignore[attr-defined]


def test_a_file_is_declared_once_however_often(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sync_models", file)
    said = capsys.readouterr().out
    assert "new: model fresco-1\n  name: Fresco 1\n" in said
    assert "  settings.style: 'neon'\n" in said
    assert "  price from 2026-11-01: $0.04 per image, at most $0.04 per image (the provider's page)\n" in said
    assert "4 new or changed, 0 unchanged.\n" in said
    declared = all_rows()
    assert [len(table) for table in declared] == [2, 1, 1, 1]
    call_command("sync_models", file)
    assert capsys.readouterr().out == "0 new or changed, 4 unchanged.\n"
    assert all_rows() == declared


def test_changes_are_printed_field_by_field(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sync_models", file)
    capsys.readouterr()
    change(file, '"neon"', '"pastel", blur = 0.1')
    change(file, "image = 0.04", "image = 0.05")
    change(file, "limit = 10", "limit = 10.001")
    change(file, 'name = "GPT Image"', 'name = "GPT Image"\nlifecycle = "retired"\nbudget = 2.5')
    call_command("sync_models", file)
    assert capsys.readouterr().out == (
        "changed: model fresco-1\n"
        "  settings.blur: none -> 0.1\n"
        "  settings.style: 'neon' -> 'pastel'\n"
        "changed: model gpt\n"
        "  lifecycle: live -> retired\n"
        "  budget: none -> $2.50\n"
        "  price from 2026-11-01: $0.04 per image, at most $0.04 per image (the provider's page)"
        " -> $0.05 per image, at most $0.05 per image (the provider's page)\n"
        "changed: budget nightly\n"
        "  limit: $10 -> $10.001\n"
        "3 new or changed, 1 unchanged.\n"
    )
    assert ImageModel.objects.get(slug="gpt").budget == Decimal("2.5")


def test_a_dry_run_prints_the_same_and_changes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sync_models", file, dry_run=True)
    dry = capsys.readouterr().out
    assert all_rows() == [[], [], [], []]
    call_command("sync_models", file)
    assert dry == capsys.readouterr().out + "This was a dry run: nothing was changed.\n"


def test_models_that_are_not_in_the_file_are_listed_and_unchanged(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = builders.make_model(slug="elsewhere")
    call_command("sync_models", file)
    assert "Not in the file and unchanged: elsewhere.\n" in capsys.readouterr().out
    assert ImageModel.objects.get(slug="elsewhere").name == other.name


def test_all_faults_are_listed_at_once_with_their_places(file: Path) -> None:
    change(file, 'style = "neon"', 'stepz = 4, key = "sk-hunter2", blur = 7')
    change(file, 'adapter = "openai"', 'adapter = "brush"')
    change(file, "requests_per_minute = 20", 'requests_per_minute = "20"')
    change(file, "limit = 10", "limit = -1")
    file.write_text(file.read_text() + '[[budgets]]\nslug = "nightly"\nlimit = 3\n[[modles]]\n')
    with pytest.raises(CommandError) as refused:
        call_command("sync_models", file)
    faults = str(refused.value).splitlines()
    assert faults[0] == f"{file}: 8 faults, so nothing was changed:"
    places = [line.strip().partition(": ")[0] for line in faults[1:]]
    assert sorted(places) == [
        "budgets",
        "budgets[0].limit (nightly)",
        "models[0].settings.blur (fresco-1)",
        "models[0].settings.key (fresco-1)",
        "models[0].settings.stepz (fresco-1)",
        "models[1].adapter (gpt)",
        "modles",
        "providers[0].requests_per_minute (openai)",
    ]
    assert "providers[0].requests_per_minute (openai): Input should be a valid integer; got '20'" in str(refused.value)
    assert "2 have the slug nightly" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert all_rows() == [[], [], [], []]


def test_all_changes_that_images_forbid_are_listed_and_nothing_is_changed(file: Path) -> None:
    call_command("sync_models", file)
    prompts = builders.make_prompt_set(1)
    for model in ImageModel.objects.all():
        done = {"status": "ok", "original": "0" * 64, "media_type": "image/png", "due_at": model.created_at}
        Generation.objects.create(model=model, prompt=prompts.prompts.get(), width=8, height=8, **done)
    before = all_rows()
    change(file, '"neon"', '"pastel"')
    change(file, '"gpt-image-1"', '"gpt-image-2"')
    change(file, "limit = 10", "limit = 20")
    with pytest.raises(CommandError, match=r"(?s)2 faults.*models\[0\]: Model fresco-1 .*models\[1\]: Model gpt "):
        call_command("sync_models", file)
    assert all_rows() == before


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[[models]", "line 1: this is not TOML"),
        (b"\xff\xfe", "line 1: these bytes are not UTF-8"),
        (b"models = 3", "models: "),
        (b"[models]\nslug = 3", "models: "),
        (b"[[models]]\n[[models]]", r"models\[1\].name"),
        (b"[[models]]\nslug = ['x']\nname = 'X'", r"models\[0\].slug"),
    ],
)
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "models.toml").write_bytes(content)
    with pytest.raises(CommandError, match=complaint):
        call_command("sync_models", tmp_path / "models.toml")


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(CommandError, match=r"nowhere\.toml: 1 fault, so .*\n  line 1: the file cannot be read"):
        call_command("sync_models", "nowhere.toml")


def test_an_empty_file_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models.toml").touch()
    call_command("sync_models", tmp_path / "models.toml")
    assert capsys.readouterr().out == "0 new or changed, 0 unchanged.\n"


def test_the_example_declares_models_of_adapters_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sync_models", EXAMPLE, dry_run=True)
    assert not ImageModel.objects.exists()
    call_command("sync_models", EXAMPLE)
    models = ImageModel.objects.all()
    used = {model.adapter for model in models}
    assert {"", "sketch", "diffusers", "onnx"} < used <= {*ADAPTERS, ""}
    assert {model.lifecycle for model in models} == {"private", "preview", "live", "retired"}
    for model in models.exclude(adapter=""):
        find_capabilities(model.adapter, model.settings)
    capsys.readouterr()
    call_command("sync_models", EXAMPLE)
    assert capsys.readouterr().out.startswith("0 new or changed, ")
