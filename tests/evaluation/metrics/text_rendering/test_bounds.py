"""Properties of all text metrics for arbitrary readings."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.evaluation.metrics.text_rendering.readings import TEXT_METRICS, aggregate, build, make_sample, value

LANGUAGES = st.sampled_from(["en", "it", "zh", "ja", "th", ""])
WORDS = st.text("aAbéìß1出口ラ", min_size=1, max_size=6)
TARGETS = st.lists(st.lists(WORDS, min_size=1, max_size=4).map(" ".join), min_size=1, max_size=3)
LINES = st.lists(st.text(max_size=12) | WORDS, max_size=4)
UNBOUNDED = {"oneig-ed", "lex-pned", "lex-pned-words", "cer", "wer"}


def has_published_letters(targets: list[str]) -> bool:
    return any(c in "aAbé1出口" for target in targets for c in target)


@pytest.mark.parametrize("name", TEXT_METRICS)
@settings(max_examples=40)
@given(targets=TARGETS.filter(has_published_letters), language=LANGUAGES)
@example(targets=["1", "1", "1 1"], language="en")
def test_a_perfect_reading_has_the_best_value(name: str, targets: list[str], language: str) -> None:
    best = 1.0 if build(name).declaration.higher_is_better else 0.0
    assert value(name, targets, targets, language) == best
    assert aggregate(name, [make_sample(targets, targets, language)] * 2) == best


@pytest.mark.parametrize("name", TEXT_METRICS)
@settings(max_examples=40)
@given(lines=LINES, targets=TARGETS.filter(has_published_letters), language=LANGUAGES)
def test_values_are_within_their_bounds(name: str, lines: list[str], targets: list[str], language: str) -> None:
    found = value(name, lines, targets, language)
    assert 0.0 <= found <= (math.inf if name in UNBOUNDED else 1.0)
    # The value of a run with this image is the same, except for OneIG's score of an image without text.
    assert name == "oneig-text" or aggregate(name, [make_sample(lines, targets, language)]) == pytest.approx(found)


@pytest.mark.parametrize("name", TEXT_METRICS)
@settings(max_examples=20)
@given(st.lists(st.tuples(LINES, TARGETS.filter(has_published_letters)), min_size=2, max_size=5))
def test_the_order_of_samples_does_not_matter(name: str, pairs: list[tuple[list[str], list[str]]]) -> None:
    samples = [make_sample(lines, targets) for lines, targets in pairs]
    assert aggregate(name, samples) == pytest.approx(aggregate(name, samples[::-1]), abs=1e-12)
