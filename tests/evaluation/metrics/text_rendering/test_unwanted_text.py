"""Unwanted text: lines that count, and prompts that are skipped."""

from typing import Any

import pytest
from pydantic import ValidationError

from evaluation.extractors.base import MissingWeightsError
from evaluation.metrics.base import Measurement, PromptInputs, SampleInputs, UnscoredError
from evaluation.metrics.computing.evaluating import evaluate_metric
from evaluation.metrics.text_rendering.unwanted_text import UnwantedText

BEACH = PromptInputs(key="beach", text="A beach at dawn, the painter's easel in the sand")


def sample(*lines: tuple[str, float], prompt: PromptInputs = BEACH, seed: int = 0, **changes: Any) -> SampleInputs:
    read = {"lines": [{"text": text, "confidence": confidence, "box": []} for text, confidence in lines]}
    return SampleInputs(**{"prompt": prompt, "seed": seed, "extracted": {"ocr": read}} | changes)


@pytest.mark.parametrize(
    ("lines", "parameters", "expected"),
    [
        ([], {}, Measurement((0.0,))),
        ([("SHOP", 0.8)], {}, Measurement((1.0,), 'read "SHOP"')),
        ([("SHOP", 0.79)], {}, Measurement((0.0,))),
        ([("SHOP", 0.79)], {"confidence": 0.7}, Measurement((1.0,), 'read "SHOP"')),
        ([("ll", 0.99)], {}, Measurement((0.0,))),
        ([("ll", 0.99)], {"letters": 2}, Measurement((1.0,), 'read "ll"')),
        ([("- a. b! -", 0.99)], {}, Measurement((0.0,))),
        ([("7 a.m.", 0.99)], {}, Measurement((1.0,), 'read "7 a.m."')),
        ([("営業中", 0.9)], {}, Measurement((1.0,), 'read "営業中"')),
        ([("12", 0.9), ("34", 0.9)], {}, Measurement((0.0,))),  # Lines are not added up.
        ([("SHOP", 0.9), ("ll", 0.9), ("OPEN", 0.5), ("now  in", 0.9)], {}, Measurement((1.0,), 'read "SHOP now in"')),
    ],
)
def test_a_line_counts_by_confidence_and_length(
    lines: list[tuple[str, float]], parameters: dict[str, Any], expected: Measurement
) -> None:
    assert UnwantedText(**parameters).measure(sample(*lines)) == expected


def test_long_texts_are_truncated_in_notes() -> None:
    note = UnwantedText().measure(sample(("a" * 5000, 0.9))).note
    assert len(note) < 250
    assert note.endswith('…"')


@pytest.mark.parametrize(
    "prompt",
    [
        PromptInputs(key="sign", text="a sign", targets=("SALE",)),
        PromptInputs(key="quoted", text='a sign that says "SALE"'),
        PromptInputs(key="kagi", text="「営業中」の看板"),
    ],
)
def test_prompts_that_ask_for_text_are_skipped(prompt: PromptInputs) -> None:
    assert not UnwantedText().applies_to(prompt)
    with pytest.raises(UnscoredError, match="the prompt asks for text"):
        UnwantedText().measure(sample(("SALE", 0.9), prompt=prompt))


def test_an_apostrophe_or_an_empty_target_does_not_ask_for_text() -> None:
    assert UnwantedText().applies_to(BEACH)
    assert UnwantedText().applies_to(PromptInputs(key="empty", text="a beach", targets=("", "  ")))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"outcome": "refused", "reason": "policy"}, "no image: refused (policy)"),
        ({"outcome": "failed", "reason": "503"}, "no image: failed (503)"),
        ({"extracted": {}}, "there is no output of ocr"),
        ({"extracted": {"ocr": MissingWeightsError("pip install it")}}, "pip install it"),
    ],
)
def test_missing_readings_are_unscored(changes: dict[str, Any], reason: str) -> None:
    (found,) = UnwantedText().measure_all([sample(**changes)])
    assert isinstance(found, UnscoredError)
    assert str(found) == reason


def test_the_value_is_a_share_with_an_exact_interval() -> None:
    sign = PromptInputs(key="sign", text="a sign", targets=("SALE",))
    lettered = [sample(("SHOP", 0.9)), sample(("SALE", 0.9), prompt=sign)]
    found = evaluate_metric(UnwantedText(), [*lettered, *(sample(seed=seed) for seed in (1, 2, 3))])
    assert (found.value, found.n_scored, found.n_unscored) == (0.25, 4, 0)
    assert found.scores[1] is None
    clean = evaluate_metric(
        UnwantedText(), [sample(prompt=PromptInputs(key=str(n), text="a beach")) for n in range(20)]
    )
    assert clean.value == clean.ci_low == 0.0
    assert clean.ci_high == pytest.approx(1 - 0.025 ** (1 / 20))  # Clopper and Pearson's, by hand


@pytest.mark.parametrize("parameters", [{"confidence": 0.4}, {"confidence": 1.1}, {"letters": 0}, {"words": 3}])
def test_parameters_out_of_bounds_are_errors(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UnwantedText(**parameters)
