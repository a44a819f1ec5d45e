"""Runs whose prompts are in several scripts: each image is read by the reader for its targets, or is unscored."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from django.core.management import call_command

from evaluation.models import Run
from evaluation.runs.reports import make_report
from generators.adapters.base import GeneratedImage
from generators.models import ImageModel
from tests import builders
from tests.evaluation.extractors.ocr.recognizers import install_recognizer
from tests.evaluation.extractors.ocr.signs import draw_sign, encode
from tests.evaluation.suites.sign_suite import make_suite
from tests.fake_adapters import Script

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instant_workers")]
TARGETS = [("en", "OPEN"), ("ru", "МОСКВА"), ("he", "שלום"), ("vi", "Phở"), ("en", "Don’t")]
GATE = '[[gate]]\nmetric = "cer"\nat_most = 0.1\non = "value"\nmax_unscored = {allowed}\nmin_samples = 2\n'


@pytest.fixture
def model(script: Script) -> ImageModel:
    """A model that draws each target perfectly."""
    script(
        lambda request: GeneratedImage(
            encode(draw_sign(request.prompt.removeprefix("a sign: "), 60, "Sans", shape=(400, 200))), "image/png"
        )
    )
    return builders.make_model(adapter="scripted")


def run_suite(
    folder: Path, model: ImageModel, allowed: float, targets: Sequence[tuple[str, str]] = TARGETS
) -> tuple[Run, str]:
    """A finished run of two images a prompt, and the warnings that were printed."""
    make_suite(folder, targets, ("cer", "text-sentence-accuracy"))
    pack, suite = folder / "pack.toml", folder / "suite.toml"
    text = pack.read_text(encoding="utf-8")
    for _, target in targets:
        text = text.replace('text = "a sign"', f'text = "a sign: {target}"', 1)
    pack.write_text(text, encoding="utf-8")
    declared = suite.read_text(encoding="utf-8").replace("samples_per_prompt = 10", "samples_per_prompt = 2")
    suite.write_text(declared + GATE.format(allowed=allowed), encoding="utf-8")
    errors = io.StringIO()
    try:
        call_command("run_suite", str(suite), "--model", model.slug, "--wait", stdout=io.StringIO(), stderr=errors)
    except SystemExit:
        pass
    return Run.objects.get(), errors.getvalue()


def test_each_image_is_read_in_the_script_of_its_targets(
    tmp_path: Path, model: ImageModel, monkeypatch: pytest.MonkeyPatch, settings
) -> None:
    settings.WEIGHTS = tmp_path / "weights"
    install_recognizer("cyrillic", settings.WEIGHTS, monkeypatch)
    run, warnings = run_suite(tmp_path, model, allowed=0.5)
    report = make_report(run)
    rates, accuracy = report.outcomes
    assert (rates.value, rates.n_scored, rates.n_unscored) == (0.0, 6, 4)
    assert set(rates.reasons) == {
        "the targets have ש, ל, ו, ם (Hebrew), which no reader reads",
        "the targets have ở (Latin), which ocr does not read",
    }
    assert accuracy.value == pytest.approx(2 / 3)  # the apostrophe of "Don’t" is read as another
    assert set(rates.identity["extractors"]) == {"ocr", "ocr/cyrillic"}
    assert [[line.text for line in sample.lines] for sample in report.samples[::2][:2]] == [["OPEN"], ["МОСКВА"]]
    assert run.verdict == "pass"
    assert "1 of 5 prompts (p2) will be unscored, because the targets have ש, ל, ו, ם (Hebrew)" in warnings
    assert "text-sentence-accuracy: 1 of 5 prompts (p4) will be short of the best value" in warnings


def test_unreadable_scripts_never_fail_a_gate(tmp_path: Path, model: ImageModel, settings) -> None:
    """Without the network for Cyrillic, 6 of 10 samples are unscored: more than the rule allows, but no failure."""
    settings.WEIGHTS = tmp_path / "weights"
    run, warnings = run_suite(tmp_path, model, allowed=0.05)
    rates = make_report(run).outcomes[0]
    assert (rates.value, rates.n_scored, rates.n_unscored) == (0.0, 4, 6)
    (missing,) = (reason for reason in rates.reasons if "only ocr/cyrillic reads" in reason)
    assert "М, О, С, К, В, А (Cyrillic)" in missing
    assert "Run: curl" in missing
    assert run.verdict == "inconclusive"
    assert "cyrillic_PP-OCRv5_rec_mobile.onnx is missing" in warnings


def test_a_suite_that_no_reader_reads_has_no_value(tmp_path: Path, model: ImageModel, settings) -> None:
    settings.WEIGHTS = tmp_path / "weights"
    run, _ = run_suite(
        tmp_path, model, 0.05, [("ru", "КОТ"), ("ru", "КАССА"), ("he", "שלום"), ("el", "ΨΑΡΙ"), ("ko", "문")]
    )
    for outcome in make_report(run).outcomes:
        assert (outcome.value, outcome.n_scored, outcome.n_unscored) == (None, 0, 10)
    assert run.verdict == "inconclusive"
