"""Bias by the number of images: its estimate, the warning, and the width of intervals of few images."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from evaluation.metrics.base import SetMetric
from evaluation.metrics.computing.evaluating import Evaluation, evaluate_metric
from evaluation.metrics.distances.frechet import frechet_distance
from evaluation.metrics.features.moments import Moments, Sums
from evaluation.metrics.features.reference import ReferenceStatistics
from evaluation.metrics.registry import build_metric
from tests.evaluation.metrics.set_samples import EXTRACTOR, draw_features, make_reference, make_samples


def build(name: str) -> SetMetric:
    parameters: dict[str, Any] = {"extractor": EXTRACTOR} | ({} if name == "vendi" else {"reference": "photos"})
    metric = build_metric(name, parameters)
    assert isinstance(metric, SetMetric)
    return metric


def standard_normal(d: int) -> ReferenceStatistics:
    """The exact moments of a distribution, so that the distance of infinitely many images is known."""
    return ReferenceStatistics(Moments(Sums(None, np.zeros(d), np.eye(d))))


def draw_at_distance(distance: float, n: int, d: int, seed: int) -> np.ndarray:
    """Rows (n, d) of a normal distribution at this Fréchet distance from the standard one."""
    return np.random.default_rng(seed).normal(size=(n, d)) + np.sqrt(distance / d)


def evaluate(distance: float, n: int, d: int, seed: int = 0) -> Evaluation:
    return evaluate_metric(
        build("fid"), make_samples(draw_at_distance(distance, n, d, seed)), reference=standard_normal(d)
    )


@pytest.mark.parametrize(("n", "d"), [(200, 16), (64, 16), (32, 16), (60, 5)])
def test_the_bias_is_the_value_minus_that_of_infinitely_many_images(n: int, d: int) -> None:
    found = [evaluate(1.0, n, d, seed) for seed in range(6)]
    bias = np.mean([each.value for each in found]) - 1.0
    assert np.mean([each.bias for each in found]) == pytest.approx(bias, rel=0.3)


def test_the_bias_is_warned_of_beyond_as_many_images_as_features() -> None:
    """At 12 times as many it is still a third of the value, so that the interval misses the limit."""
    found = evaluate(1.0, 200, 16)
    (warning,) = found.warnings
    assert 0.35 < found.bias < 0.55
    assert warning.startswith(f"With 200 images the value is about {found.bias:.2g} too high (")
    assert "The interval is that of the value of 200 images." in warning
    assert sum(evaluate(1.0, 200, 16, seed).ci_low <= 1.0 for seed in range(10)) <= 5


@pytest.mark.parametrize(("distance", "n", "d"), [(25.0, 200, 4), (400.0, 300, 16), (1.0, 500, 1)])
def test_a_small_bias_is_not_warned_of(distance: float, n: int, d: int) -> None:
    found = evaluate(distance, n, d)
    assert abs(found.bias) < 0.05 * found.value
    assert found.warnings == ()


def test_with_few_images_all_of_the_value_may_be_bias() -> None:
    found = evaluate(0.0, 40, 30)
    assert found.bias == pytest.approx(found.value)
    assert "too high (100 % of it)" in found.warnings[-1]


def test_without_an_interval_the_bias_is_not_known() -> None:
    samples = make_samples(draw_features(30, 4), prompts=["one"] * 30)
    found = evaluate_metric(build("fid"), samples, reference=make_reference(draw_features(50, 4, seed=1)))
    assert found.bias is None
    assert "The bias by the number of images is not known." in found.warnings[-2]


def test_the_bias_of_the_gaussian_kernel_is_exact() -> None:
    """It is the mean kernel within the set minus that of different images."""
    rows, reference = draw_features(30, 4), make_reference(draw_features(200, 4, seed=1, shift=-2.0))
    metric = build("cmmd")
    found = evaluate_metric(metric, make_samples(rows), reference=reference)
    unit = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    kernel = np.exp(-np.square(unit[:, None] - unit[None]).sum(axis=2) / 200)
    unbiased = (kernel.sum() - 30) / (30 * 29)
    assert found.bias == pytest.approx(1000 * (kernel.mean() - unbiased), rel=1e-6)


def test_the_vendi_score_of_few_images_is_too_low() -> None:
    found = evaluate_metric(build("vendi"), make_samples(draw_features(30, 20)))
    assert found.bias < 0
    assert "too low (" in found.warnings[-1]


@pytest.mark.parametrize("name", ["kid", "fid-infinity", "precision", "recall", "density", "coverage"])
def test_other_metrics_have_no_such_limit(name: str) -> None:
    reference = make_reference(draw_features(60, 4, seed=1))
    assert evaluate_metric(build(name), make_samples(draw_features(60, 4)), reference=reference).bias is None


@pytest.mark.parametrize("n", [8, 16, 20, 32, 64])
def test_intervals_are_as_wide_as_the_value_varies_with_fewer_and_more_images_than_features(n: int) -> None:
    """For 16 features. The plain jackknife gives 1.3 to 1.4 times the standard deviation at n ≤ 2 d."""
    d, reference = 16, standard_normal(16)
    values = [
        frechet_distance(Moments().add(draw_at_distance(1.0, n, d, seed)), reference.moments)
        for seed in range(1000, 1600)
    ]
    widths = []
    for seed in range(60):
        found = evaluate(1.0, n, d, seed)
        widths.append((found.ci_high - found.ci_low) / (2 * stats.norm.ppf(0.975)))
    assert np.mean(widths) / np.std(values) == pytest.approx(1.08, abs=0.2)
