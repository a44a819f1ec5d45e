"""Kernel distance, compared with torchmetrics and a double loop."""

import numpy as np
import pytest

from evaluation.metrics.base import UnscoredError
from evaluation.metrics.distances.kernel import KernelDistance, kernel_distance, kernel_distances
from evaluation.metrics.distances.subsets import draw_subsets
from evaluation.metrics.features.rows import FeatureRows
from tests.evaluation.metrics.set_samples import EXTRACTOR, draw_features, make_reference, make_samples


def stacked(rows: np.ndarray) -> np.ndarray:
    return FeatureRows((rows,)).stack()


def ask_torchmetrics(x: np.ndarray, y: np.ndarray) -> float:
    import torch
    from torchmetrics.image.kid import poly_mmd

    return float(poly_mmd(torch.from_numpy(x), torch.from_numpy(y)))


def ask_loops(x: np.ndarray, y: np.ndarray) -> float:
    def mean(a: np.ndarray, b: np.ndarray, skip: bool) -> float:
        return np.mean(
            [(a[i] @ b[j] / a.shape[1] + 1) ** 3 for i in range(len(a)) for j in range(len(b)) if not (skip and i == j)]
        )

    return float(mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False))


def test_it_equals_the_formula() -> None:
    x, y = draw_features(7, 3).astype(np.float64), draw_features(11, 3, seed=1).astype(np.float64)
    assert kernel_distance(x, y) == pytest.approx(ask_loops(x, y), rel=1e-12)


def test_it_equals_torchmetrics_in_float64() -> None:
    x, y = draw_features(300, 64).astype(np.float64), draw_features(300, 64, seed=1).astype(np.float64)
    assert kernel_distance(x, y) == pytest.approx(ask_torchmetrics(x, y), rel=1e-12, abs=1e-12)


def test_float32_features_are_computed_in_float64() -> None:
    """torchmetrics computes in the type of its input."""
    x, y = 3.0 * draw_features(300, 64), 3.0 * draw_features(300, 64, seed=1)
    exact = ask_torchmetrics(x.astype(np.float64), y.astype(np.float64))
    assert kernel_distance(x, y) == pytest.approx(exact, rel=1e-12, abs=1e-12)
    assert abs(ask_torchmetrics(x, y) - exact) > 1e-6


@pytest.mark.parametrize(("n", "m", "size"), [(60, 90, 50), (400, 700, 20), (60, 700, 20), (50, 90, 50)])
def test_distances_of_subsets_equal_torchmetrics(n: int, m: int, size: int) -> None:
    """Small sets use the kernel of all pairs, large sets one subset at a time."""
    x, y = (stacked(rows.astype(np.float64)) for rows in (draw_features(n, 8), draw_features(m, 8, seed=1)))
    pairs = zip(draw_subsets(x, size, 100, "5 x"), draw_subsets(y, size, 100, "5 y"), strict=True)
    expected = [ask_torchmetrics(x[left], y[right]) for left, right in pairs]
    np.testing.assert_allclose(kernel_distances(x, y, size, seed=5), expected, rtol=1e-12, atol=1e-12)


def test_sets_of_the_subset_size_are_compared_once() -> None:
    x, y = stacked(draw_features(40, 8)), stacked(draw_features(40, 8, seed=1))
    assert kernel_distances(x, y, 40) == pytest.approx([kernel_distance(x, y)], rel=1e-12)


def test_for_equal_distributions_it_is_zero_on_average() -> None:
    values = [kernel_distance(draw_features(60, 8, seed=s), draw_features(60, 8, seed=s + 500)) for s in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(200)
    assert min(values) < 0


@pytest.mark.parametrize(
    ("subset", "n", "m", "size"),
    [("clean-fid", 700, 900, 700), ("clean-fid", 1200, 1100, 1000), ("torchmetrics", 1200, 1100, 1000)],
)
def test_the_variants_differ_in_subset_size(subset: str, n: int, m: int, size: int) -> None:
    x, y = draw_features(n, 2), draw_features(m, 2, seed=1)
    metric = KernelDistance(extractor=EXTRACTOR, reference="photos", subset=subset, seed=3)
    value = metric.compute(FeatureRows((x,)), make_reference(y))
    assert value == kernel_distances(stacked(x), stacked(y), size, seed=3).mean()


def test_the_torchmetrics_variant_needs_1000_images() -> None:
    metric = KernelDistance(extractor=EXTRACTOR, reference="photos", subset="torchmetrics")
    with pytest.raises(UnscoredError, match=r"1,000 images \(torchmetrics\) cannot be drawn from 700"):
        metric.compute(FeatureRows((draw_features(700, 2),)), make_reference(draw_features(900, 2, seed=1)))


def test_the_metric_is_the_mean_over_subsets() -> None:
    x, y = draw_features(30, 8), draw_features(50, 8, seed=1)
    metric = KernelDistance(extractor=EXTRACTOR, reference="photos", seed=2)
    value = metric.compute(metric.summarize(make_samples(x)), make_reference(y))
    assert value == kernel_distances(stacked(x), stacked(y), 30, seed=2).mean()


@pytest.mark.parametrize("size", [1, 21])
def test_the_subset_size_must_fit_both_sets(size: int) -> None:
    with pytest.raises(ValueError, match=f"2 to 20 images, got {size}"):
        kernel_distances(draw_features(20, 2), draw_features(30, 2), size)
