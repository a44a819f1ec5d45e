"""Fréchet distance, compared with torchmetrics, scipy and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from evaluation.metrics.distances.frechet import FrechetDistance, frechet_distance
from evaluation.metrics.features.moments import Moments, Sums
from tests.evaluation.metrics.set_samples import EXTRACTOR, draw_features, make_reference, make_samples


def moments_of(rows: np.ndarray) -> Moments:
    return Moments().add(rows)


def only_covariance(rows: np.ndarray) -> Moments:
    return Moments(Sums(None, rows.mean(axis=0, dtype=np.float64), np.cov(rows, rowvar=False, dtype=np.float64)))


def ask_torchmetrics(x: np.ndarray, y: np.ndarray, dtype: str = "float64") -> float:
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    # The features are given, so the network passes them on unchanged.
    network = torch.nn.Identity()
    network.num_features = x.shape[1]
    metric = FrechetInceptionDistance(feature=network)
    metric.set_dtype(getattr(torch, dtype))
    metric.update(torch.from_numpy(x.astype(dtype)), real=True)
    metric.update(torch.from_numpy(y.astype(dtype)), real=False)
    return float(metric.compute())


def ask_scipy(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x.astype(np.float64), y.astype(np.float64)
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2.0 * linalg.sqrtm(a @ b).real))


@pytest.mark.parametrize("n", [400, 70, 65, 40])
def test_it_equals_torchmetrics_in_float64(n: int) -> None:
    """64 features, with more and fewer images."""
    x, y = draw_features(n, 64, seed=1), draw_features(300, 64, seed=2, shift=0.1)
    expected = ask_torchmetrics(x, y)
    assert frechet_distance(moments_of(x), moments_of(y)) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(moments_of(y), moments_of(x)) == pytest.approx(expected, rel=1e-6)


def test_it_equals_torchmetrics_for_small_sets() -> None:
    x, y = draw_features(40, 64, seed=1), draw_features(25, 64, seed=2, shift=0.1)
    assert frechet_distance(moments_of(x), moments_of(y)) == pytest.approx(ask_torchmetrics(x, y), rel=1e-6)


def test_it_equals_scipys_matrix_square_root() -> None:
    x, y = draw_features(400, 32, seed=1), draw_features(300, 32, seed=2, shift=0.1)
    assert frechet_distance(moments_of(x), moments_of(y)) == pytest.approx(ask_scipy(x, y), rel=1e-9)


def test_torchmetrics_in_float32_is_inaccurate() -> None:
    """torchmetrics uses float32 unless set_dtype(float64) is called; with fewer images than features it shows."""
    x, y = draw_features(100, 192, seed=1), draw_features(100, 192, seed=2)
    exact = ask_torchmetrics(x, y)
    assert frechet_distance(moments_of(x), moments_of(y)) == pytest.approx(exact, rel=1e-6)
    assert abs(ask_torchmetrics(x, y, "float32") - exact) > 1e-3


def test_rank_deficient_features_have_the_distance_of_their_subspace() -> None:
    """Rotated into 48 dimensions, 6 features have the same distance, from rows or from covariances."""
    x, y = (draw_features(n, 6, seed=n, shift=n / 1000).astype(np.float64) for n in (90, 120))
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(48, 6)))[0].T
    expected = ask_scipy(x, y)
    few = [(moments_of(rows[:30]), moments_of(rows[:30] @ turn)) for rows in (x, y)]
    assert frechet_distance(few[0][1], few[1][1]) == pytest.approx(frechet_distance(few[0][0], few[1][0]), rel=1e-12)
    many = [moments_of(rows @ turn) for rows in (x, y)]
    imported = [only_covariance(rows @ turn) for rows in (x, y)]
    for a in (many[0], imported[0]):
        for b in (many[1], imported[1]):
            assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_a_covariance_without_features_is_sufficient() -> None:
    x, y = draw_features(50, 64, seed=1), draw_features(500, 64, seed=2)
    expected = frechet_distance(moments_of(x), moments_of(y))
    assert frechet_distance(moments_of(x), only_covariance(y)) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(only_covariance(x), only_covariance(y)) == pytest.approx(expected, rel=1e-6)


def test_independent_features_have_the_sum_of_their_distances() -> None:
    """In one dimension it is (μ1 - μ2)² + (σ1 - σ2)²."""
    a = Moments(Sums(None, np.array([0.0, 1.0, 5.0]), np.diag([4.0, 9.0, 0.0])))
    b = Moments(Sums(None, np.array([3.0, 1.0, 5.0]), np.diag([1.0, 16.0, 25.0])))
    assert frechet_distance(a, b) == pytest.approx((9 + 1) + (0 + 1) + (0 + 25), rel=1e-12)


@pytest.mark.parametrize("n", [20, 100])
def test_equal_sets_have_distance_zero(n: int) -> None:
    x = draw_features(n, 30)
    assert 0.0 <= frechet_distance(moments_of(x), moments_of(x)) < 1e-9


def test_duplicated_images_change_only_the_divisor_of_the_covariance() -> None:
    x, y = (draw_features(80, 16, seed=seed).astype(np.float64) for seed in (1, 2))
    doubled = np.concatenate([x, x])
    same = Moments(Sums(None, x.mean(0), np.cov(x, rowvar=False) * 79 * 2 / 159))
    assert frechet_distance(moments_of(doubled), moments_of(y)) == pytest.approx(
        frechet_distance(same, moments_of(y)), rel=1e-9
    )


@given(cuts=st.lists(st.integers(0, 60), max_size=5), d=st.sampled_from([4, 40, 59, 60, 80]))
def test_merged_parts_give_the_value_of_the_whole(cuts: list[int], d: int) -> None:
    x, y = draw_features(60, d, seed=1), moments_of(draw_features(90, d, seed=2))
    metric = FrechetDistance(extractor=EXTRACTOR, reference="photos")
    parts = [metric.summarize(make_samples(part)) for part in np.split(x, sorted(cuts))]
    merged = sum(reversed(parts), Moments())
    assert frechet_distance(merged, y) == pytest.approx(frechet_distance(moments_of(x), y), rel=1e-9, abs=1e-9)


def test_features_of_different_dimensions_are_rejected() -> None:
    with pytest.raises(ValueError, match="dimensions: 5 and 6"):
        frechet_distance(moments_of(draw_features(9, 5)), moments_of(draw_features(9, 6)))


def test_equal_images_give_a_warning() -> None:
    metric = FrechetDistance(extractor=EXTRACTOR, reference="photos")
    x = draw_features(20, 30)
    assert metric.warnings(metric.summarize(make_samples(x))) == ()
    assert metric.warnings(metric.summarize(make_samples(draw_features(31, 30)))) == ()
    constant = np.repeat(x[:1], 40, axis=0)
    (warning,) = metric.warnings(metric.summarize(make_samples(constant)))
    assert warning == "All 40 images have the same features."


@pytest.mark.parametrize("n", [5, 50])
def test_equal_images_have_the_distance_of_a_point(n: int) -> None:
    y = draw_features(100, 30, seed=2).astype(np.float64)
    x = np.repeat(draw_features(1, 30), n, axis=0)
    metric = FrechetDistance(extractor=EXTRACTOR, reference="photos")
    expected = np.square(x[0] - y.mean(0)).sum() + np.trace(np.cov(y, rowvar=False))
    value = metric.compute(metric.summarize(make_samples(x)), make_reference(y))
    assert value == pytest.approx(expected, rel=1e-6)
