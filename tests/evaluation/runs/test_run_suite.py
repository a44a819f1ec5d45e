"""Commands run_suite and replay: messages, exit codes, reports."""

import io
import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from evaluation.models import Run
from evaluation.reports.json import from_json
from evaluation.runs import lifecycle
from generators.adapters.base import AdapterError, GeneratedImage, GenerationRequest, Outcome
from generators.images import originals
from generators.models import ImageModel
from generators.workers.drawing import produce
from tests import builders
from tests.evaluation.shades import Shade, write_suite
from tests.fake_adapters import Script

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shades", "instant_workers")]


@pytest.fixture
def model() -> ImageModel:
    return builders.make_model(adapter="scripted")


def call(tmp_path: Path, model: ImageModel, *arguments: str, **suite: Any) -> tuple[int, str]:
    """(exit code, output)"""
    write_suite(tmp_path, **suite)
    out = io.StringIO()
    try:
        call_command("run_suite", str(tmp_path / "suite.toml"), "--model", model.slug, *arguments, stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def gate(rule: str) -> str:
    return f'[[gate]]\nmetric = "mean-shade"\n{rule}\n'


@pytest.mark.parametrize(("rule", "code"), [("at_least = 2", 0), ("at_least = 20", 1), ("at_least = 7.4", 2)])
def test_the_exit_code_is_the_verdict(tmp_path: Path, model: ImageModel, rule: str, code: int) -> None:
    found, printed = call(tmp_path, model, "--wait", more=gate(rule))
    assert found == code
    assert ("PASS", "FAIL", "INCONCLUSIVE")[code] in printed.upper()


@pytest.mark.django_db(transaction=True)
def test_the_waiting_command_sends_lost_messages_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """No beat runs, and the first message for each image is lost with its worker."""
    settings.REDISPATCH_SECONDS = settings.SWEEP_SECONDS = 0
    sent: set[int] = set()

    def send(name: str, args: tuple[int, ...], **options: Any) -> None:
        if name == "evaluation.score":
            lifecycle.score(*args)
        elif args[0] in sent:
            produce(*args)
        else:
            sent.add(args[0])

    monkeypatch.setattr("celery.current_app.send_task", send)
    monkeypatch.setattr("evaluation.management.waiting.POLL_SECONDS", 0)
    assert call(tmp_path, builders.make_model(adapter="scripted"), "--wait", more=gate("at_least = 2"))[0] == 0
    assert len(sent) == 8


def test_without_wait_the_key_of_the_run_is_printed(tmp_path: Path, model: ImageModel) -> None:
    code, printed = call(tmp_path, model)
    run = Run.objects.get()
    assert code == 0
    assert str(run.key) in printed
    assert run.status == Run.Status.PREPARING
    assert "Without beat, repeat the command with --wait" in printed


def test_the_reports_are_written(tmp_path: Path, model: ImageModel) -> None:
    folder = tmp_path / "reports"
    call(tmp_path, model, "--wait", "--report", str(folder), more=gate("at_least = 2"))
    stem = f"shades-{model.slug}"
    report = from_json((folder / f"{stem}.json").read_text())
    assert report.verdict
    assert report.verdict.outcome == "pass"
    assert (report.n_samples, report.n_drawn) == (8, 8)
    assert {outcome.label: outcome.value for outcome in report.outcomes} == {"mean-shade": 7.5, "spread": 13}
    assert ET.parse(folder / f"{stem}.xml").getroot() is not None
    assert "Mean shade" in (folder / f"{stem}.md").read_text()
    page = (folder / f"{stem}.html").read_text()
    assert "data:image/" in page
    assert "<script" not in page
    assert json.loads((folder / f"{stem}.json").read_text())["schema_version"] == 1


def test_the_baseline_is_run_too(tmp_path: Path, model: ImageModel) -> None:
    other = builders.make_model(adapter="scripted")
    code, printed = call(tmp_path, model, "--wait", "--baseline", other.slug, more=gate("max_loss = 1"))
    assert code == 0, printed
    assert Run.objects.count() == 2
    assert Run.objects.get(model=model).baseline == Run.objects.get(model=other)
    assert other.name in printed


def test_a_run_without_images_is_inconclusive(tmp_path: Path, model: ImageModel, script: Script) -> None:
    def refuse(request: GenerationRequest) -> GeneratedImage:
        raise AdapterError(Outcome.REFUSED, "no", stage="prompt")

    script(refuse)
    code, printed = call(tmp_path, model, "--wait", more=gate("at_least = 2"))
    assert code == 2
    assert "8" in printed


def test_unknown_models_and_suites_are_reported(tmp_path: Path, model: ImageModel) -> None:
    with pytest.raises(CommandError, match=f"There is no model 'missing'. Known: {model.slug}"):
        call_command("run_suite", "smoke", "--model", "missing")
    with pytest.raises(CommandError, match=r"There is no 'nothing'\. Known: .*smoke"):
        call_command("run_suite", "nothing", "--model", model.slug)
    (tmp_path / "broken.toml").write_text("name = 3\n")
    with pytest.raises(CommandError, match=r"broken\.toml:1: "):
        call_command("run_suite", str(tmp_path / "broken.toml"), "--model", model.slug)
    with pytest.raises(CommandError, match="--report needs --wait"):
        call_command("run_suite", "smoke", "--model", model.slug, "--report", str(tmp_path))


def test_a_failed_run_is_inconclusive(tmp_path: Path, model: ImageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.runs.scoring.judge", lambda *_: 1 / 0)
    with pytest.raises(CommandError, match="The run failed: ZeroDivisionError") as caught:
        call(tmp_path, model, "--wait", more=gate("at_least = 2"))
    assert caught.value.returncode == 2


def test_replay_accepts_the_first_characters_of_the_key(tmp_path: Path, model: ImageModel) -> None:
    call(tmp_path, model, "--wait")
    key, out = str(Run.objects.get().key), io.StringIO()
    call_command("replay", key[:8], stdout=out)
    assert "All 2 metrics" in out.getvalue()
    Shade.version = "2"
    with pytest.raises(CommandError, match="values differ"):
        call_command("replay", key, stdout=out)
    assert "record: extractors: shade: version: was '1', is '2'" in out.getvalue()
    with pytest.raises(CommandError, match=f"There is no run 'zz'. The newest:\n  {key}"):
        call_command("replay", "zz")


def test_a_run_is_resumed_by_its_key(tmp_path: Path, model: ImageModel) -> None:
    call(tmp_path, model, "--wait", more=gate("at_least = 2\nmax_unscored = 0"))
    run, out = Run.objects.get(), io.StringIO()
    call_command("resume_run", str(run.key)[:8], stdout=out)
    assert "has nothing to resume: each image and metric has its result" in out.getvalue()
    digest = run.samples.order_by("pk").values_list("generation__original", flat=True)[0]
    data, features = originals.read(digest), Path(settings.MEDIA_ROOT) / "features"
    shutil.rmtree(features)
    originals.path(digest).unlink()
    Run.objects.update(status=Run.Status.FAILED, message="the disk is gone", verdict="")
    with pytest.raises(SystemExit, match="2"):
        call_command("resume_run", str(run.key), "--wait", stdout=out)
    assert f"could not be read: paragone resume_run {run.key} --wait" in out.getvalue()
    # The suite file is not needed any more.
    (tmp_path / "suite.toml").unlink()
    originals.path(digest).write_bytes(data)
    out = io.StringIO()
    call_command("resume_run", str(run.key), "--wait", "--report", str(tmp_path / "again"), stdout=out)
    assert f"Run {run.key} is resumed." in out.getvalue()
    assert "PASS" in out.getvalue()
    assert (tmp_path / "again" / f"shades-{model.slug}.json").exists()
    with pytest.raises(CommandError, match="--report needs --wait"):
        call_command("resume_run", str(run.key), "--report", str(tmp_path))
    Run.objects.update(status=Run.Status.DRAWING, verdict="")
    call_command("resume_run", str(run.key), stdout=out)
    assert f"Run {run.key} has not ended: it is drawing." in out.getvalue()
