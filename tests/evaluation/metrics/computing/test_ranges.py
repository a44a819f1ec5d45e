"""Ranges: values and intervals of every metric are possible values, and each interval holds its value."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics.base import Metric, PromptInputs, SampleInputs, SetMetric, VoteInputs
from evaluation.metrics.computing.comparing import compare_with_baseline
from evaluation.metrics.computing.evaluating import evaluate_metric
from evaluation.metrics.registry import METRICS, build_metric, find_metric
from tests.evaluation.metrics.set_samples import EXTRACTOR, make_reference, make_samples

# The arena rating is a set metric, but of votes.
ON_FEATURES = [name for name in METRICS if issubclass(find_metric(name), SetMetric) and name != "arena-rating"]
ON_ROWS = [name for name in METRICS if name not in ON_FEATURES]
REQUIRED = {"expected": "refused", "reference": "photos", "extractor": EXTRACTOR, "model": "tiny"}
LINES = ["", "OPEN", "open late", "SALE 50 %", "Café", "a b c d", "營業中"]
COLORS = ["red", "blue"]


def build(name: str, **parameters: Any) -> Metric:
    fields = set(find_metric(name).model_fields)
    # The MARIO metrics have other values of "expected", and a default.
    known = {key: REQUIRED[key] for key in fields & REQUIRED.keys() if key != "expected" or name == "refusal-rate"}
    return build_metric(name, known | parameters)


def draw_set(rng: np.random.Generator, kind: str, n: int, d: int) -> np.ndarray:
    rows = rng.normal(size=(n, d)) + 0.5
    if kind == "alike":
        return np.repeat(rows[:1], n, axis=0)
    if kind == "in copies":
        return rows[rng.integers(0, max(1, n // 3), n)]
    if kind == "far":
        return rows + 1e6
    if kind == "whole numbers":
        return np.round(rows) + 1e-3
    return rows


KINDS = st.sampled_from(["any", "alike", "in copies", "far", "whole numbers"])
SETS = st.tuples(st.integers(0, 10_000), KINDS, KINDS, st.integers(2, 45), st.integers(6, 40), st.integers(1, 7))


def expect_possible(metric: Metric, value: float, low: float | None, high: float | None, n: int) -> None:
    least, most = metric.limits(n)
    assert least <= value <= most
    if low is not None:
        assert high is not None
        assert least <= low <= value <= high <= most


@pytest.mark.parametrize("name", ON_FEATURES)
@settings(max_examples=12, deadline=None)
@given(drawn=SETS, of_itself=st.booleans())
def test_intervals_of_sets_are_possible_for_any_features(name: str, drawn: tuple, of_itself: bool) -> None:
    seed, kind, other_kind, n, m, d = drawn
    rng = np.random.default_rng(seed)
    x = draw_set(rng, kind, n, d)
    y = x if of_itself else draw_set(rng, other_kind, m, d)
    metric, reference = build(name), make_reference(y)
    samples, others = make_samples(x), make_samples(draw_set(rng, other_kind, n, d))
    found = evaluate_metric(metric, samples, reference=reference)
    if found.value is not None:
        expect_possible(metric, found.value, found.ci_low, found.ci_high, n)
    compared = compare_with_baseline(metric, samples, others, reference=reference)
    if compared.difference is not None and compared.ci_low is not None:
        least, most = metric.limits(n)
        assert least - most <= compared.ci_low <= compared.difference <= compared.ci_high <= most - least


@pytest.mark.parametrize("name", ON_FEATURES)
def test_every_metric_of_sets_has_an_interval(name: str) -> None:
    """So that the property above does not hold for want of intervals."""
    rng = np.random.default_rng(1)
    reference = make_reference(draw_set(rng, "any", 60, 5))
    found = evaluate_metric(build(name), make_samples(draw_set(rng, "any", 60, 5)), reference=reference)
    assert found.ci_low is not None
    assert found.ci_low < found.ci_high


def draw_object(rng: np.random.Generator) -> dict[str, Any]:
    left, top = rng.uniform(0, 50, 2).tolist()
    return {
        "label": str(rng.choice(["cat", "lamp"])),
        "color": str(rng.choice(COLORS)),
        "confidence": float(rng.uniform(0.2, 1.0)),
        "box": [left, top, left + 20.0, top + 20.0],
    }


def draw_sample(rng: np.random.Generator, prompt: int, seed: int, share: float) -> SampleInputs:
    """A sample with everything that a metric on rows reads; ``share`` pulls all numbers towards their ends."""

    def pick(low: float, high: float) -> float:
        return float(low if rng.random() < share else high if rng.random() < share else rng.uniform(low, high))

    line = {"text": str(rng.choice(LINES)), "confidence": pick(0.0, 1.0), "box": [[0.0, 0.0]] * 4}
    pixels = {"piqe": pick(0, 100), "sharpness": pick(0, 9e3), "colorfulness": pick(0, 120), "clipped": pick(0, 1)}
    text = f"prompt {prompt}"
    features = {"clip-text/tiny": np.append(rng.normal(size=3), 0.1).astype(np.float32)}
    return SampleInputs(
        prompt=PromptInputs(
            key=text,
            text=text,
            targets=() if prompt % 4 == 3 else (str(rng.choice(LINES[1:])),),
            checks=(
                {"object": "cat", "count": 1, "color": "red", "position": {"relation": "left of", "other": "lamp"}},
            ),
            tags=("refuse",) if prompt % 2 else (),
        ),
        seed=seed,
        outcome="refused" if rng.random() < 0.1 else "ok",
        phash=f"{rng.integers(0, 3):016x}",
        width=64,
        height=64,
        seconds=pick(0.0, 9.0),
        call=(prompt, seed // 5),
        usd=pick(0.0, 0.1),
        votes=tuple(
            VoteInputs(
                outcome=str(rng.choice(["win", "loss", "tie", "both_bad"])), opponent="o", opponent_rating=1000.0
            )
            for _ in range(int(rng.integers(0, 3)))
        ),
        extracted={
            "ocr": {"lines": [line] * int(rng.integers(0, 3))},
            "pixels": pixels,
            "nsfw": {"unsafe": pick(0.0, 1.0)},
            "sketch-checker": {"labels": ["cat", "lamp"], "objects": [draw_object(rng) for _ in range(3)]},
            EXTRACTOR: (np.ones(4) if rng.random() < share else rng.normal(size=4)).astype(np.float32),
        },
        texts={
            (specification, f"{prefix}{text}"): vector
            for specification, vector in features.items()
            for prefix in PREFIXES
        },
    )


PREFIXES = ("", "A photo depicts ")


def draw_run(seed: int, n_prompts: int, n_seeds: int, share: float) -> list[SampleInputs]:
    rng = np.random.default_rng(seed)
    return [draw_sample(rng, prompt, i, share) for prompt in range(n_prompts) for i in range(n_seeds)]


@pytest.mark.parametrize("name", ON_ROWS)
@settings(max_examples=4, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_prompts=st.integers(1, 9),
    n_seeds=st.integers(1, 5),
    share=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_intervals_of_rows_are_possible_for_any_samples(
    name: str, seed: int, n_prompts: int, n_seeds: int, share: float
) -> None:
    metric = build(name)
    found = evaluate_metric(metric, draw_run(seed, n_prompts, n_seeds, share))
    if found.value is not None:
        expect_possible(metric, found.value, found.ci_low, found.ci_high, found.n_scored)


@pytest.mark.parametrize("name", ON_ROWS)
def test_every_metric_on_rows_has_an_interval(name: str) -> None:
    found = evaluate_metric(build(name), draw_run(3, 8, 5, 0.0))
    assert found.ci_low is not None, found.reason
