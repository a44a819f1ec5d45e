"""Common offsets of features: metrics of differences do not change, and lose no digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics.base import SetMetric
from evaluation.metrics.distances.base import squared_distances
from evaluation.metrics.distances.kernel import kernel_distance
from evaluation.metrics.registry import build_metric
from tests.evaluation.metrics.set_samples import EXTRACTOR, draw_features, make_reference, make_samples

INVARIANT = ["fid", "precision", "recall", "density", "coverage"]
OFFSETS = {"one number": np.full(8, 1e6), "negative": np.full(8, -1e6), "of some": np.array([0.0, 1e6] * 4)}


def compute(name: str, x: np.ndarray, y: np.ndarray) -> float:
    metric = build_metric(name, {"extractor": EXTRACTOR, "reference": "photos"})
    assert isinstance(metric, SetMetric)
    return metric.compute(metric.summarize(make_samples(x)), make_reference(y))


@pytest.mark.parametrize("name", INVARIANT)
@pytest.mark.parametrize("offset", OFFSETS.values(), ids=OFFSETS)
@pytest.mark.parametrize("n", [6, 150])
def test_an_offset_of_a_million_changes_nothing(name: str, offset: np.ndarray, n: int) -> None:
    """With fewer and with more images than features."""
    x = draw_features(n, 8).astype(np.float64)
    y = draw_features(120, 8, seed=1, shift=0.3).astype(np.float64)
    expected = compute(name, x, y)
    assert compute(name, x + offset, y + offset) == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert expected > 0


@pytest.mark.parametrize("name", ["precision", "recall", "coverage"])
def test_a_set_covers_itself_at_any_offset(name: str) -> None:
    x = draw_features(100, 8).astype(np.float64)
    for offset in (0.0, 1e3, 1e6, -1e9):
        assert compute(name, x + offset, x + offset) == 1.0


@given(seed=st.integers(0, 1000), offset=st.floats(-1e8, 1e8))
def test_squared_distances_are_those_of_the_differences(seed: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(7, 3)) + offset, rng.normal(size=(9, 3)) + offset
    exact = np.square(x[:, None] - y[None]).sum(axis=2)
    np.testing.assert_allclose(np.concatenate(list(squared_distances(x, y))), exact, rtol=1e-9, atol=1e-12)


def test_different_images_at_an_offset_are_not_called_equal() -> None:
    metric = build_metric("fid", {"extractor": EXTRACTOR, "reference": "photos"})
    assert isinstance(metric, SetMetric)
    rows = draw_features(100, 8).astype(np.float64) + 1e6
    assert not any("same features" in warning for warning in metric.warnings(metric.summarize(make_samples(rows))))
    same = np.repeat(rows[:1], 100, axis=0)
    assert any("same features" in warning for warning in metric.warnings(metric.summarize(make_samples(same))))


def test_the_polynomial_kernel_depends_on_the_offset_by_definition() -> None:
    """(x·y/d + 1)³ of 1 and 2 features, by hand; features are not centred for it."""
    x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [3.0]])
    within = (2 * (2 + 1) ** 3) / 2 + (2 * (0 + 1) ** 3) / 2
    between = ((0 + 1) ** 3 + (3 + 1) ** 3 + (0 + 1) ** 3 + (6 + 1) ** 3) / 4
    assert kernel_distance(x, y) == pytest.approx(within - 2 * between, rel=1e-12)
    assert kernel_distance(x + 1, y + 1) != pytest.approx(kernel_distance(x, y), rel=0.5)
