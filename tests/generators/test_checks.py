"""Checks of the models in the database: settings, keys and prices that would fail at the first drawing."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generators.adapters.registry import ADAPTERS, find_declaration, list_providers
from generators.checks import check_models
from generators.models import ImageModel, Price
from tests import builders
from tests.generators.adapters import plain_provider
from tests.generators.adapters.provider_servers import find_servers
from tests.processes import child_environment

ROOT = Path(__file__).resolve().parent.parent.parent


def found() -> list[tuple[str, str]]:
    return [(message.id or "", message.msg) for message in check_models()]


def give_price(model: ImageModel, days_from_now: int = 0) -> None:
    day = timezone.now().date() + timedelta(days=days_from_now)
    Price.objects.create(model=model, valid_from=day, units={"image": "0.04"}, estimate="0.04")


@pytest.fixture
def paid(db: None, settings) -> ImageModel:
    settings.PROVIDER_KEYS = {**settings.PROVIDER_KEYS, "PARAGONE_OPENAI_KEY": "sk-hunter2"}
    return builders.make_model(slug="paid", adapter="openai", settings={"model": "gpt-image-1"})


def test_models_that_can_draw_are_clean(paid: ImageModel) -> None:
    give_price(paid)
    builders.make_model()
    builders.make_model(adapter="")
    with CaptureQueriesContext(connection) as queries:
        assert found() == []
    assert len(queries) == 1


def test_settings_that_the_adapter_refuses_are_found(db: None) -> None:
    builders.make_model(slug="sharp", settings={"sharpness": 2})
    builders.make_model(slug="brushed", adapter="brush")
    brushed, sharp = found()
    assert brushed[0] == sharp[0] == "generators.E001"
    assert "brushed cannot draw: There is no adapter 'brush'" in brushed[1]
    assert "sharp cannot draw" in sharp[1]
    assert "sharpness" in sharp[1]


def test_a_provider_without_a_key_is_found_once(paid: ImageModel, settings) -> None:
    settings.PROVIDER_KEYS = {**settings.PROVIDER_KEYS, "PARAGONE_OPENAI_KEY": ""}
    other = builders.make_model(slug="other", adapter="openai", settings=paid.settings, lifecycle="private")
    for model in (paid, other):
        give_price(model)
    ((name, message),) = found()
    assert (name, message) == (
        "generators.W001",
        "PARAGONE_OPENAI_KEY is not set, so these models cannot draw: other, paid.",
    )


def test_a_server_of_ones_own_needs_no_key_or_the_one_that_its_model_names(paid: ImageModel, settings) -> None:
    settings.PROVIDER_KEYS = {"PARAGONE_OPENAI_KEY": "", "PARAGONE_SERVER_KEY_LAB": "abc"}
    paid.delete()
    address = {"model": "m", "base_url": "https://images.lab/v1"}
    for slug, variable in [("bare", {}), ("named", {"key_env": "PARAGONE_SERVER_KEY_LAB"})]:
        give_price(builders.make_model(slug=slug, adapter="openai", settings=address | variable))
    assert found() == []
    give_price(
        builders.make_model(slug="lost", adapter="openai", settings=address | {"key_env": "PARAGONE_SERVER_KEY_GONE"})
    )
    assert found() == [("generators.W001", "PARAGONE_SERVER_KEY_GONE is not set, so these models cannot draw: lost.")]


def test_keys_are_read_from_the_variables_of_providers_and_servers(db: None, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    variables = {find_declaration(name).key: f"key of {name}" for name in list_providers()}
    variables |= {"PARAGONE_SERVER_KEY_LAB": "of the lab"}
    file = {"PARAGONE_SERVER_KEY_OTHER_FILE": str(tmp_path / "key")}
    code = "import json; from arena.settings import PROVIDER_KEYS; print(json.dumps(PROVIDER_KEYS))"
    env = child_environment(**variables, **file)
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == variables | {"PARAGONE_SERVER_KEY_OTHER": "from a file"}


def test_the_missing_key_of_every_provider_is_found_by_its_variable(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = [*find_servers(), plain_provider.SERVER]
    monkeypatch.setitem(ADAPTERS, "plain", "tests.generators.adapters.plain_provider.PlainGenerator")
    providers = list_providers()
    for server in servers:
        builders.make_model(slug=server.adapter, adapter=server.adapter, settings=server.own_settings())
    warnings = {message for id, message in found() if id == "generators.W001"}
    assert "PARAGONE_PLAIN_KEY is not set, so these models cannot draw: plain." in warnings
    assert warnings == {
        f"{find_declaration(name).key} is not set, so these models cannot draw: {name}." for name in providers
    }


@pytest.mark.parametrize("days", [None, 1])
def test_a_model_that_no_price_holds_for_today_is_found(paid: ImageModel, days: int | None) -> None:
    if days is not None:
        give_price(paid, days)
    assert found() == [("generators.W002", "These models have no price for today, so they do not draw: paid.")]


def test_a_retired_model_may_be_as_it_is(db: None) -> None:
    builders.make_model(adapter="openai", settings={"nonsense": 1}, lifecycle="retired")
    builders.make_model(adapter="gone", lifecycle="retired")
    assert found() == []


CHECK = """
import sys
from django.core.management import execute_from_command_line
try:
    execute_from_command_line(["paragone", "check"])
finally:
    print("imported:", *sorted({"torch", "diffusers", "openai", "google.genai", "onnxruntime"} & set(sys.modules)))
"""


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    """``paragone check`` in a process of its own, which also says what it imported."""
    env = child_environment(**environment)
    return subprocess.run([sys.executable, "-c", CHECK], env=env, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_check_names_faults_and_no_secrets(transactional_db: None) -> None:
    builders.make_model(adapter="openai", settings={"model": "gpt-image-1", "key": "sk-hunter2"})
    builders.make_model(adapter="openai", settings={"model": "gpt-image-1"})
    done = check(PARAGONE_GEMINI_KEY="sk-hunter2")
    assert done.returncode == 1
    assert "generators.E001" in done.stderr
    assert "PARAGONE_OPENAI_KEY is not set" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_a_check_imports_no_network_and_no_providers_client(transactional_db: None) -> None:
    for adapter in ADAPTERS:
        builders.make_model(adapter=adapter, settings={"nonsense": 1})
    done = check()
    assert done.stderr.count("generators.E001") == len(ADAPTERS)
    assert "imported:\n" in done.stdout


@pytest.mark.parametrize("tables", ["none", "no database"])
def test_a_check_before_the_first_migration_finds_nothing(tmp_path: Path, tables: str) -> None:
    url = f"sqlite:///{tmp_path}/{'fresh.sqlite3' if tables == 'none' else 'nowhere/fresh.sqlite3'}"
    done = check(PARAGONE_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
