"""Vendi score: published examples, bounds, and merging of parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics.base import UnscoredError
from evaluation.metrics.diversity import Vendi, vendi_score
from evaluation.metrics.features.moments import Moments
from tests.evaluation.metrics.set_samples import EXTRACTOR, draw_features, make_sample, make_samples

METRIC = Vendi(extractor=EXTRACTOR)


def of(rows: np.ndarray) -> float:
    return METRIC.compute(METRIC.summarize(make_samples(rows)))


def test_the_published_examples() -> None:
    """From the README of vendi-score: numbers with the kernel exp(-|a - b|), and a similarity matrix."""
    samples = np.array([0.0, 0.0, 10.0, 10.0, 20.0, 20.0])
    assert vendi_score(np.exp(-np.abs(samples[:, None] - samples))) == pytest.approx(2.9999, abs=1e-4)
    similarities = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert vendi_score(similarities) == pytest.approx(2.1573, abs=5e-5)


def test_two_similar_items_by_hand() -> None:
    """For similarity s the eigenvalues are (1 ± s) / 2."""
    shares = np.array([0.8, 0.2])
    assert vendi_score(np.array([[1.0, 0.6], [0.6, 1.0]])) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


@pytest.mark.parametrize("copies", [1, 2, 7])
def test_it_counts_distinct_images(copies: int) -> None:
    """Orthogonal features with copies; few and many images are computed in different ways."""
    rows = np.repeat(np.diag([1.0, 5.0, 0.1, 2.0]), copies, axis=0)
    assert of(rows) == pytest.approx(4.0, rel=1e-12)


@given(n=st.integers(2, 30), d=st.integers(2, 12), seed=st.integers(0, 1000), cut=st.integers(0, 30))
def test_it_is_between_1_and_n_and_parts_merge(n: int, d: int, seed: int, cut: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = vendi_score(unit @ unit.T)
    assert 1.0 - 1e-9 <= expected <= min(n, d) + 1e-9
    halves = METRIC.summarize(make_samples(rows[cut:])) + METRIC.summarize(make_samples(rows[:cut]))
    assert METRIC.compute(halves) == pytest.approx(expected, rel=1e-9)


def test_equal_images_have_score_1() -> None:
    assert of(np.repeat(draw_features(1, 8), 30, axis=0)) == pytest.approx(1.0, rel=1e-9)


def test_fewer_than_two_images_are_unscored() -> None:
    for n in (0, 1):
        with pytest.raises(UnscoredError, match=f"at least 2 images, there are {n}"):
            METRIC.compute(sum([METRIC.summarize(make_samples(draw_features(n, 4)))], Moments()))


def test_zero_features_are_unscored() -> None:
    with pytest.raises(UnscoredError, match="no direction"):
        METRIC.check(make_sample(np.zeros(4, np.float32)))
