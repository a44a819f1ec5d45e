"""Unscored samples, declarations and notes of all text metrics."""

import pytest

from evaluation.extractors.base import MissingWeightsError
from evaluation.metrics.base import Measurement, UnscoredError
from tests.evaluation.metrics.text_rendering.readings import TEXT_METRICS, build, make_sample, measure

WORST = {"oneig-ed": 7.0, "lex-pned": 2.0, "lex-pned-words": 2.0, "cer": 1.0, "wer": 1.0}


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_a_prompt_without_targets_is_unscored_with_the_reason(name: str) -> None:
    for targets in ([], ["", "  "]):
        assert not build(name).applies_to(make_sample([], targets).prompt)
        (found,) = build(name).measure_all([make_sample(["SALE"], targets)])
        assert isinstance(found, UnscoredError)
        assert "no target strings" in str(found)


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_an_image_without_text_has_the_worst_value_and_a_note(name: str) -> None:
    for lines in ([], ["  "]):
        found = measure(name, make_sample(lines, ["FOR", "SAL"]))
        assert found.values[0] == WORST.get(name, 0.0)
        assert found.note == "no text was read"


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_missing_images_and_readings_are_unscored(name: str) -> None:
    for changes, reason in [
        ({"outcome": "refused", "reason": "policy"}, "no image: refused (policy)"),
        ({"extracted": {}}, "there is no output of ocr"),
        ({"extracted": {"ocr": MissingWeightsError("pip install it")}}, "pip install it"),
    ]:
        (found,) = build(name).measure_all([make_sample(["SALE"], ["SALE"], **changes)])
        assert isinstance(found, UnscoredError)
        assert str(found) == reason


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_every_text_metric_has_a_declaration_and_needs_ocr(name: str) -> None:
    metric = build(name)
    assert metric.image_extractors() == ("ocr",)
    assert metric.declaration.title
    assert metric.declaration.source
    assert metric.declaration.higher_is_better is (name not in WORST)
    assert len(measure(name, make_sample(["SALE"], ["SALE"])).values) == len(metric.columns)


def test_titles_are_unique() -> None:
    assert len({build(name).declaration.title for name in TEXT_METRICS}) == len(TEXT_METRICS)


@pytest.mark.parametrize(
    ("lines", "targets", "language", "note"),
    [
        (["SALE"], ["FOR SALE"], "en", 'read "SALE", expected "FOR SALE"'),
        (["FOR", "SALE"], ["FOR SALE"], "en", 'read "FOR SALE"'),
        (["出口"], ["入口"], "zh", 'read "出口", expected "入口"'),
    ],
)
def test_the_note_has_the_read_and_the_expected_text(
    lines: list[str], targets: list[str], language: str, note: str
) -> None:
    assert measure("cer", make_sample(lines, targets, language)).note == note


def test_long_texts_are_truncated_in_notes() -> None:
    note = measure("cer", make_sample(["a" * 5000], ["b" * 5000])).note
    assert len(note) < 450
    assert note.endswith('…"')


@pytest.mark.parametrize("name", ["oneig-ed", "oneig-cr", "oneig-wac", "oneig-text", "longtext-recall"])
def test_targets_that_cleaning_empties_are_unscored(name: str) -> None:
    (found,) = build(name).measure_all([make_sample(["50"], ["!!! %"])])
    assert isinstance(found, UnscoredError)
    assert "no letters or digits" in str(found)


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_a_measurement_does_not_depend_on_other_samples(name: str) -> None:
    samples = [make_sample(["SALE"], ["FOR SALE"]), make_sample([], ["x"]), make_sample(["出口 2"], ["出口"], "zh")]
    together = build(name).measure_all(samples)
    alone = [build(name).measure_all([sample])[0] for sample in samples]
    assert together == alone
    assert all(isinstance(found, Measurement) for found in together)
