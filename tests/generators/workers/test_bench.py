"""bench_generator: the table of the benchmark, its errors, and that it leaves nothing behind."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from generators.adapters.diffusers.pipelines import Task
from generators.models import Generation, ImageModel, Prompt
from tests.builders import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_network_in_transactions() -> None:
    """The benchmark rolls everything back, so it draws in a transaction. Its originals are in a temporary folder."""


@pytest.fixture
def model(tiny: Path) -> ImageModel:
    return make_model(slug="tiny", adapter="diffusers", settings={"path": str(tiny), "steps": 2, "max_batch": 8})


def bench(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    call_command("bench_generator", *arguments, "--width", 64, "--height", 64)
    return capsys.readouterr().out


def read_line(table: str, name: str) -> list[float]:
    found = re.search(rf"^{re.escape(name)} +(.+)$", table, re.MULTILINE)
    assert found, table
    return [float(number) for number in re.findall(r"[\d.]+", found[1])]


def test_the_table_compares_the_worker_with_a_plain_loop(
    model: ImageModel, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    table = bench(capsys, "tiny", "--images", 5, "--batch", 2)
    assert "tiny on cpu, float32, 64 x 64 pixels: 5 images, the worker in batches of up to 2" in table
    worker, loop, ratio = read_line(table, "images per second")
    assert min(worker, loop) > 0
    assert ratio == pytest.approx(worker / loop, abs=0.02)
    for column in (0, 1):
        p50, p95, p99 = (read_line(table, f"latency p{q}, s")[column] for q in (50, 95, 99))
        assert 0 < p50 <= p95 <= p99
    # Images of one batch arrive together.
    assert read_line(table, "5 variants of a prompt, s")[0] > 0
    assert read_line(table, "peak memory, MB")[0] > 100
    overhead = re.search(r"adds ([\d.]+)% to the time in the pipeline", table)
    assert overhead
    assert float(overhead[1]) > 0


def test_a_benchmark_leaves_nothing_behind(
    model: ImageModel, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    storages, media = settings.STORAGES, settings.MEDIA_ROOT
    bench(capsys, "tiny", "--images", 2)
    assert list(ImageModel.objects.all()) == [model]
    assert not Generation.objects.exists()
    assert not Prompt.objects.exists()
    assert (storages, media) == (settings.STORAGES, settings.MEDIA_ROOT)
    assert not list(Path(media).rglob("*"))


def test_prompts_can_come_from_a_file(
    model: ImageModel, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from generators.workers import bench as measuring

    drawn: list[str] = []
    describe = measuring.describe_call

    def note(pipeline: Any, declared: Any, task: Task, batch: Any) -> Any:
        drawn.extend(request.prompt for request in batch)
        return describe(pipeline, declared, task, batch)

    monkeypatch.setattr(measuring, "describe_call", note)
    file = tmp_path / "prompts.txt"
    file.write_text("a green hat\n\n a blue hat \n")
    bench(capsys, "tiny", "--images", 2, "--prompts", file)
    assert set(drawn) == {"a green hat", "a blue hat"}


@pytest.mark.parametrize(
    ("fields", "arguments", "says"),
    [
        ({"adapter": "sketch", "settings": {}}, [], "has adapter 'sketch'. Only models of adapter 'diffusers'"),
        ({"settings": {"path": "/nowhere"}}, [], "There is no folder /nowhere"),
        ({}, ["--images", 0], "--images is 0. Draw at least 1."),
        ({}, ["--prompts", "/nowhere/prompts"], "No such file"),
        ({"slug": "another"}, [], "There is no model 'tiny'"),
    ],
)
def test_a_model_that_cannot_be_measured_is_refused_with_the_reason(
    model: ImageModel, fields: dict[str, Any], arguments: list[Any], says: str
) -> None:
    ImageModel.objects.update(**fields)
    with pytest.raises(CommandError, match=re.escape(says)):
        call_command("bench_generator", "tiny", *arguments)


def test_a_command_writes_the_tiny_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("make_tiny_model", tmp_path / "model")
    assert (tmp_path / "model" / "model_index.json").is_file()
    assert "adapter diffusers" in capsys.readouterr().out


def test_existing_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("existing")
    with pytest.raises(CommandError, match=r"Nothing was written\. .* exists already"):
        call_command("make_tiny_model", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["weights"]
