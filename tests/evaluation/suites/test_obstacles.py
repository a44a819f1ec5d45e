"""Obstacles of a suite: prompts that cannot be scored or passed, found before anything is drawn."""

from pathlib import Path

import pytest

from evaluation.extractors import weights
from evaluation.suites.obstacles import find_obstacles
from evaluation.suites.suite import load_suite
from tests.evaluation.extractors.ocr.recognizers import install_recognizer
from tests.evaluation.suites.sign_suite import make_suite

PLAIN = [("en", "WET PAINT"), ("en", "EXIT 12"), ("it", "Più piano"), ("ja", "コーヒー")]


def test_plain_targets_have_none(tmp_path: Path) -> None:
    assert find_obstacles(make_suite(tmp_path, PLAIN, ("cer", "text-ned", "latency")), tmp_path) == []


def test_scripts_without_a_reader_are_named_with_metrics_and_prompts(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [*PLAIN, ("he", "שלום"), ("he", "שלום")], ("cer", "wer"))
    assert find_obstacles(suite, tmp_path) == [
        "cer, wer: 2 of 6 prompts (p4, p5) will be unscored, because the targets have ש, ל, ו, ם (Hebrew), which no "
        "reader reads."
    ]


def test_letters_that_the_reader_loses_are_named(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [*PLAIN, ("vi", "Phở"), ("cs", "buď")])
    assert find_obstacles(suite, tmp_path) == [
        "cer: 1 of 6 prompts (p4) will be unscored, because the targets have ở (Latin), which ocr does not read.",
        "cer: 1 of 6 prompts (p5) will be unscored, because the targets have ď (Latin), which ocr does not read.",
    ]


def test_a_network_that_is_not_installed_is_named_once_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = make_suite(tmp_path, [*PLAIN, *[("ru", "КОТ")] * 4], ("cer", "text-ned"))
    (found,) = find_obstacles(suite, tmp_path)
    assert found.startswith("cer, text-ned: 4 of 8 prompts (p4, p5, p6, …) will be unscored, because ")
    assert "cyrillic_PP-OCRv5_rec_mobile.onnx is missing. Run: curl " in found
    install_recognizer("cyrillic", tmp_path, monkeypatch)
    assert find_obstacles(suite, tmp_path) == []


def test_a_missing_package_is_said_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = make_suite(tmp_path, PLAIN)
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    (found,) = find_obstacles(suite, tmp_path)
    assert found.startswith("cer: 4 of 4 prompts (p0, p1, p2, …) will be unscored, because The package rapidocr")


def test_published_metrics_that_no_image_can_pass_are_named(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [*PLAIN, ("en", "Don’t stop")], ("cer", "text-ned", "text-sentence-accuracy"))
    assert find_obstacles(suite, tmp_path) == [
        "text-ned, text-sentence-accuracy: 1 of 5 prompts (p4) will be short of the best value, because readings have "
        "' for ’."
    ]


@pytest.mark.parametrize("name", ["text-rendering", "smoke", "photoreal"])
def test_shipped_suites_have_none(name: str) -> None:
    from generators.fixtures import find_fixture

    assert find_obstacles(load_suite(find_fixture(name, "suites")), Path("/nowhere")) == []
