"""Readers of text metrics: the one for the script of the targets, and targets that none can read."""

from typing import Any

import pytest

from evaluation.extractors.base import MissingWeightsError
from evaluation.metrics.base import Measurement, PromptInputs, SampleInputs, UnscoredError
from tests.evaluation.metrics.text_rendering.readings import TEXT_METRICS, build, make_sample

LATIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def make_prompt(*targets: str, language: str = "") -> PromptInputs:
    return PromptInputs(key="sign", text="a sign", targets=targets, language=language)


def measure(name: str, targets: list[str], extracted: dict[str, Any], **changes: Any) -> Measurement | UnscoredError:
    sample = SampleInputs(prompt=make_prompt(*targets), seed=0, extracted=extracted, **changes)
    (found,) = build(name).measure_all([sample])
    return found


def lines(*texts: str) -> dict[str, Any]:
    return {"lines": [{"text": text, "confidence": 0.9, "box": []} for text in texts]}


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_the_script_of_the_targets_chooses_the_reader(name: str) -> None:
    metric = build(name)
    assert metric.prompt_extractors(make_prompt("OPEN", "24")) == ("ocr",)
    assert metric.prompt_extractors(make_prompt("Кафе", "Wi-Fi")) == ("ocr/cyrillic",)
    assert metric.prompt_extractors(make_prompt("שלום")) == ()
    read = {"ocr": lines("npuBeT"), "ocr/cyrillic": lines("Привет")}
    sample = SampleInputs(prompt=make_prompt("Привет", language="ru"), seed=0, extracted=read)
    (found,) = metric.measure_all([sample])
    assert isinstance(found, Measurement)
    assert found.note == 'read "Привет"'


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_targets_that_no_reader_reads_are_unscored_whatever_was_read(name: str) -> None:
    for text in ("", "DI7W"):
        found = measure(name, ["SALE", "שלום"], {"ocr": lines(text)})
        assert isinstance(found, UnscoredError)
        assert str(found) == "the targets have ש, ל, ו, ם (Hebrew), which no reader reads"


def test_a_second_script_that_the_reader_does_not_know_is_named() -> None:
    found = measure("cer", ["Кафе 咖啡"], {"ocr/cyrillic": lines("Кафе")})
    assert str(found) == "the targets have 咖, 啡 (Chinese), which no reader reads beside what ocr/cyrillic reads"


def test_letters_outside_of_the_alphabet_are_unscored() -> None:
    alphabets = {"ocr": LATIN}
    found = measure("cer", ["Phở bộ"], {"ocr": lines("Phở bộ")}, alphabets=alphabets)
    assert str(found) == "the targets have ở, ộ (Latin), which ocr does not read"
    assert isinstance(measure("cer", ["Pho bo, 5!"], {"ocr": lines("Pho bo, 5!")}, alphabets=alphabets), Measurement)
    # What another reader can return is not known.
    assert isinstance(measure("cer", ["Кафе"], {"ocr/cyrillic": lines("Кафе")}, alphabets=alphabets), Measurement)


def test_a_missing_network_is_named_with_the_letters_that_need_it() -> None:
    missing = {"ocr": lines("KAE"), "ocr/cyrillic": MissingWeightsError("cyrillic.onnx is missing. Run: curl ...")}
    found = measure("cer", ["Кафе Wi-Fi"], missing)
    assert str(found) == (
        "the targets have К, а, ф, е (Cyrillic), which only ocr/cyrillic reads: cyrillic.onnx is missing. Run: curl ..."
    )


def test_a_missing_image_comes_before_unreadable_letters() -> None:
    found = measure("cer", ["שלום"], {}, outcome="refused", reason="policy")
    assert str(found) == "no image: refused (policy)"


def test_quoted_words_choose_the_reader_of_mario() -> None:
    prompt = PromptInputs(key="sign", text='a sign "Кафе"', targets=("OPEN",))
    assert build("mario-f").prompt_extractors(prompt) == ("ocr",)
    assert build("mario-f", expected="quoted").prompt_extractors(prompt) == ("ocr/cyrillic",)


WITH_TYPOGRAPHY = ["lex-pned", "mario-accuracy", "mario-f", "text-ned", "text-sentence-accuracy"]
OWN = ["cer", "exact-text", "wer"]


@pytest.mark.parametrize("target", ["Don’t stop", "５０％ off", "8–12", "co\u00adoperate", "oﬃce", "Wait…"])
def test_targets_that_no_image_can_pass_are_foreseen(target: str) -> None:
    prompt = make_prompt(target, language="en")
    found = {name: build(name).find_obstacle(prompt, {}) for name in (*WITH_TYPOGRAPHY, *OWN)}
    assert [name for name, obstacle in found.items() if obstacle] == WITH_TYPOGRAPHY
    assert all(found[name].startswith("short of the best value, because readings have") for name in WITH_TYPOGRAPHY)


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_plain_targets_have_no_obstacle(name: str) -> None:
    assert build(name).find_obstacle(make_prompt("Don't stop", "8-12 / 50% (now)", language="en"), {}) == ""


def test_typography_that_a_metric_removes_is_no_obstacle() -> None:
    assert build("oneig-ed").find_obstacle(make_prompt("Don’t stop", language="en"), {}) == ""


def test_an_obstacle_names_the_forms_of_readings() -> None:
    found = build("text-ned").find_obstacle(make_prompt("Don’t “wait”…", language="en"), {})
    assert found == 'short of the best value, because readings have \' for ’, " for “, " for ”, ... for …'


def test_targets_that_will_be_unscored_are_foreseen() -> None:
    metric = build("cer")
    assert metric.find_obstacle(make_prompt("שלום"), {}).startswith("unscored, because the targets have ש")
    assert metric.find_obstacle(make_prompt("Phở"), {"ocr": LATIN}) == (
        "unscored, because the targets have ở (Latin), which ocr does not read"
    )
    assert build("oneig-ed").find_obstacle(make_prompt("!!!", language="en"), {}).startswith("unscored, because")


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_samples_made_by_hand_are_measured_as_before(name: str) -> None:
    (found,) = build(name).measure_all([make_sample(["SALE"], ["SALE"])])
    assert isinstance(found, Measurement)
