"""Limit of the Fréchet distance for infinitely many images."""

import numpy as np
import pytest

from evaluation.metrics.base import UnscoredError
from evaluation.metrics.distances.frechet import FrechetDistanceInfinity, frechet_distance, frechet_distance_infinity
from evaluation.metrics.features.moments import Moments, Sums
from evaluation.metrics.features.rows import FeatureRows
from tests.evaluation.metrics.set_samples import EXTRACTOR, draw_features, make_reference, make_samples


def stacked(rows: np.ndarray) -> np.ndarray:
    return FeatureRows((rows,)).stack()


def test_it_is_less_biased_than_the_distance() -> None:
    """Both distributions are standard normal: the true distance is 0, that of finite sets is above."""
    d, n = 16, 200
    truth = Moments(Sums(None, np.zeros(d), np.eye(d)))
    limits, distances = [], []
    for seed in range(20):
        rows = stacked(np.random.default_rng(seed).normal(size=(n, d)))
        limits.append(frechet_distance_infinity(rows, truth))
        distances.append(frechet_distance(Moments().add(rows), truth))
    assert np.mean(distances) > 0.3
    assert abs(np.mean(limits)) < 0.03
    assert abs(np.median(limits)) < min(distances) / 4


def test_it_is_the_intercept_of_a_line_over_one_over_n() -> None:
    rows, reference = stacked(draw_features(40, 3)), Moments().add(draw_features(90, 3, seed=1))
    by_hand = [
        frechet_distance(Moments().add(subset), reference)
        for subset in (rows[_order(rows)[:size]] for size in (20, 25, 30, 35, 40))
    ]
    columns = np.stack([np.ones(5), 1.0 / np.array([20, 25, 30, 35, 40])], axis=1)
    expected = np.linalg.lstsq(columns, np.array(by_hand), rcond=None)[0][0]
    assert frechet_distance_infinity(rows, reference) == pytest.approx(expected, rel=1e-9)


def _order(rows: np.ndarray) -> np.ndarray:
    from evaluation.metrics.distances.subsets import draw_subsets

    return draw_subsets(rows, len(rows), 1, "0")[0]


def test_the_value_depends_on_the_seed_but_not_on_the_order() -> None:
    x, reference = draw_features(50, 8), make_reference(draw_features(80, 8, seed=1))
    metric, other = (FrechetDistanceInfinity(extractor=EXTRACTOR, reference="photos", seed=seed) for seed in (0, 1))
    whole = metric.compute(metric.summarize(make_samples(x)), reference)
    halves = metric.summarize(make_samples(x[20:])) + metric.summarize(make_samples(x[:20]))
    assert metric.compute(halves, reference) == whole
    assert other.compute(halves, reference) != whole


def test_equal_images_give_the_plain_distance() -> None:
    x = np.repeat(draw_features(1, 8), 30, axis=0)
    reference = Moments().add(draw_features(80, 8, seed=1))
    assert frechet_distance_infinity(x, reference) == pytest.approx(frechet_distance(Moments().add(x), reference))


def test_few_images_are_rejected_or_give_a_warning() -> None:
    metric = FrechetDistanceInfinity(extractor=EXTRACTOR, reference="photos")
    three = metric.summarize(make_samples(draw_features(3, 8)))
    with pytest.raises(UnscoredError, match="at least 4 images, there are 3"):
        metric.compute(three, make_reference(draw_features(80, 8)))
    with pytest.raises(ValueError, match="at least 4 images, got 3"):
        frechet_distance_infinity(three.stack(), Moments().add(draw_features(80, 8)))
    assert metric.warnings(three) == ("With 3 images for 8 features, the limit is inaccurate. Use at least 32 images.",)
    assert metric.warnings(metric.summarize(make_samples(draw_features(32, 8)))) == ()
