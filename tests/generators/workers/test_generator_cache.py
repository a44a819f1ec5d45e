"""The generator cache: what is loaded once, what is evicted and when; and the cores that a worker's processes share."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from generators.adapters.base import AdapterError, Capabilities, Outcome
from generators.adapters.sketch.generator import SketchGenerator
from generators.adapters.sketch.settings import SketchSettings
from generators.models import ImageModel
from generators.workers import process_setup
from generators.workers.generator_cache import MAX_WITHOUT_WEIGHTS, get_generator
from tests.builders import make_model

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The styles of the closed generators, in order."""
    styles: list[str] = []
    monkeypatch.setattr(SketchGenerator, "close", lambda self: styles.append(self.settings.style))
    heavy = Capabilities(holds_weights=True)
    monkeypatch.setattr(SketchGenerator, "capabilities", staticmethod(lambda settings: heavy))
    return styles


def make_styled(style: str) -> ImageModel:
    return make_model(settings={"style": style})


def test_a_model_is_loaded_once(settings: Any) -> None:
    settings.CACHED_GENERATORS = 1
    model = make_styled("crayon")
    first = get_generator(model)
    assert get_generator(ImageModel.objects.get(pk=model.pk)) is first


def test_the_least_recently_used_model_is_evicted(settings: Any, closed: list[str]) -> None:
    settings.CACHED_GENERATORS = 2
    crayon, neon, woodcut, pastel = (make_styled(style) for style in ("crayon", "neon", "woodcut", "pastel"))
    first = get_generator(crayon)
    get_generator(neon)
    get_generator(crayon)
    get_generator(woodcut)
    assert closed == ["neon"]
    assert get_generator(crayon) is first
    get_generator(pastel)
    assert closed == ["neon", "woodcut"]


def test_generators_without_weights_do_not_evict_those_with_weights(
    settings: Any, closed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHED_GENERATORS = 1
    heavy = get_generator(model := make_styled("crayon"))
    monkeypatch.setattr(SketchGenerator, "capabilities", staticmethod(lambda settings: Capabilities()))
    light = [make_model() for _ in range(MAX_WITHOUT_WEIGHTS + 1)]
    for other in light[:-1]:
        get_generator(other)
    assert not closed
    get_generator(light[-1])
    assert closed == ["gouache"]
    assert get_generator(model) is heavy


def test_a_model_is_evicted_before_the_next_one_is_loaded(
    settings: Any, closed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHED_GENERATORS = 1
    closed_by_then: list[int] = []

    def note(self: SketchGenerator, declared: SketchSettings, key: SecretStr) -> None:
        self.settings = declared
        closed_by_then.append(len(closed))

    monkeypatch.setattr(SketchGenerator, "__init__", note)
    get_generator(make_styled("crayon"))
    get_generator(make_styled("neon"))
    assert closed_by_then == [0, 1]


def test_edited_settings_are_used_at_once_and_the_old_generator_is_closed(settings: Any, closed: list[str]) -> None:
    settings.CACHED_GENERATORS = 2
    model, other = make_styled("crayon"), make_styled("neon")
    get_generator(model)
    kept = get_generator(other)
    model.settings = {"style": "pastel"}
    model.save()
    edited = get_generator(ImageModel.objects.get(pk=model.pk))
    assert isinstance(edited, SketchGenerator)
    assert edited.settings.style == "pastel"
    assert closed == ["crayon"]
    assert get_generator(other) is kept


def test_a_generator_that_fails_to_close_does_not_stop_the_next(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CACHED_GENERATORS = 1

    def fail(self: SketchGenerator) -> None:
        raise RuntimeError("the GPU is gone")

    monkeypatch.setattr(SketchGenerator, "close", fail)
    first = get_generator(make_styled("crayon"))
    assert get_generator(make_styled("neon")) is not first


def test_a_server_is_sent_the_key_of_its_provider_the_one_that_the_model_names_or_none(settings: Any) -> None:
    settings.PROVIDER_KEYS = {"PARAGONE_OPENAI_KEY": "the-key", "PARAGONE_SERVER_KEY_LAB": "another"}

    def find_key(adapter: str, **declared: str) -> str | None:
        key = get_generator(make_model(adapter=adapter, settings=declared)).key  # type: ignore[attr-defined]
        return None if key is None else str(key.get_secret_value())

    lab = {"model": "m", "base_url": "https://images.lab/v1"}
    assert find_key("openai", model="m") == "the-key"
    assert find_key("openai", **lab) is None
    assert find_key("openai", **lab, key_env="PARAGONE_SERVER_KEY_LAB") == "another"
    assert find_key("openai", model="m", key_env="PARAGONE_SERVER_KEY_LAB") == "another"
    assert find_key("stability") == ""


def test_a_model_without_an_adapter_is_invalid() -> None:
    model = make_model(slug="midjourney-6", adapter="")
    with pytest.raises(AdapterError) as raised:
        get_generator(model)
    assert raised.value.outcome is Outcome.INVALID
    assert (
        raised.value.message == "Model midjourney-6 has no adapter, so its images cannot be drawn. Import them instead."
    )


def test_invalid_settings_leave_nothing_in_the_cache(settings: Any, closed: list[str]) -> None:
    settings.CACHED_GENERATORS = 1
    broken = make_model(settings={"style": "no such style"})
    for _ in range(2):
        with pytest.raises(AdapterError):
            get_generator(broken)
    get_generator(make_styled("crayon"))
    assert closed == []


def test_the_processes_of_the_pool_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_setup.os, "sched_getaffinity", lambda _: set(range(8)))
    for concurrency, threads in ((1, "8"), (3, "2"), (20, "1")):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        process_setup.share_cores(SimpleNamespace(concurrency=concurrency))
        assert process_setup.os.environ.get("OMP_NUM_THREADS") == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    process_setup.share_cores(SimpleNamespace(concurrency=1))
    assert process_setup.os.environ.get("OMP_NUM_THREADS") == "5"


WORKER = """
import os, sys
from arena.celery import app
app.Worker(pool="prefork", concurrency=10_000)
assert {"generators.produce", "arena.rate_boards"} < set(app.tasks), sorted(app.tasks)
print("heavy:", *{"torch", "diffusers", "transformers", "onnxruntime"} & set(sys.modules), flush=True)
if os.fork() == 0:
    import torch
    print("threads:", torch.get_num_threads(), flush=True)
    os._exit(0)
os.wait()
"""


def test_a_worker_does_not_import_torch_before_it_forks_and_its_children_share_the_cores(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "PARAGONE_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "arena.settings"}
    done = subprocess.run(
        [sys.executable, "-c", WORKER], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "heavy:\nthreads: 1\n"
