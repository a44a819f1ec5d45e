"""Moments and feature rows: merging parts in any order gives the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics.features.moments import Moments, Sums
from evaluation.metrics.features.rows import FeatureRows
from tests.evaluation.metrics.set_samples import draw_features


def moments_of(rows: np.ndarray) -> Moments:
    return Moments().add(rows)


@given(
    d=st.integers(1, 6),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    seed=st.integers(0, 1000),
    offset=st.sampled_from([0.0, 1.0, 1e4]),
)
def test_merged_parts_have_the_moments_of_the_whole(d: int, cuts: list[int], seed: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(40, d)) + offset
    parts = [moments_of(part) for part in np.split(rows, sorted(cuts)) if len(part)]
    rng.shuffle(parts)
    merged = sum(parts, Moments())
    assert (merged.n, merged.d) == (40, d)
    np.testing.assert_allclose(merged.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(merged.covariance, np.cov(rows, rowvar=False).reshape(d, d), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(merged.scatter, merged.covariance * 39)


@pytest.mark.parametrize("n", [3, 8, 9, 200])
def test_the_root_times_its_transpose_is_the_covariance(n: int) -> None:
    rows = draw_features(n, 8)
    root = moments_of(rows).root
    np.testing.assert_allclose(root.matrix @ root.matrix.T, np.cov(rows, rowvar=False), atol=1e-9)
    assert root.full_rank == (n > 8)


def test_a_constant_feature_gives_a_root_of_lower_rank() -> None:
    rows = draw_features(200, 8)
    rows[:, 3] = 0.7
    root = moments_of(rows).root
    assert root.matrix.shape == (8, 7)
    assert not root.full_rank
    np.testing.assert_allclose(root.matrix @ root.matrix.T, np.cov(rows, rowvar=False), atol=1e-9)


def test_the_variance_of_features_far_from_zero_is_precise() -> None:
    """The sum of squares minus the square of the sum would lose all digits."""
    rows = np.random.default_rng(0).normal(size=(5000, 2)) + 1e8
    merged = moments_of(rows[:7]) + moments_of(rows[7:2000]) + moments_of(rows[2000:])
    np.testing.assert_allclose(merged.covariance, np.cov(rows, rowvar=False), rtol=1e-6)


def test_all_blocks_of_rows_are_summed() -> None:
    rows = np.random.default_rng(0).normal(size=(9000, 2))
    assert moments_of(rows).n == 9000
    np.testing.assert_allclose(moments_of(rows).covariance, np.cov(rows, rowvar=False), rtol=1e-12)


def test_few_rows_are_kept_and_many_are_summed() -> None:
    rows = draw_features(9, 8)
    few = moments_of(rows[:4]).add(rows[4:8])
    assert few.sums is None
    many = few.add(rows[8:])
    assert many.sums is not None
    assert len(many.rows) == 0
    assert len(many.add(rows[:5]).rows) == 5


def test_fewer_than_two_images_have_no_covariance() -> None:
    for rows in (np.ones((1, 3)), np.ones((0, 3))):
        with pytest.raises(ValueError, match="at least 2 images, got"):
            _ = moments_of(rows).root
    with pytest.raises(ValueError, match="at least 2 images, got 0"):
        _ = Moments().root


def test_moments_of_an_unknown_number_of_images_cannot_be_merged() -> None:
    imported = Moments(Sums(None, np.zeros(3), np.eye(3)))
    assert imported.n is None
    np.testing.assert_array_equal(imported.covariance, np.eye(3))
    with pytest.raises(ValueError, match="scatter needs the number of images"):
        _ = imported.scatter
    with pytest.raises(ValueError, match="unknown number"):
        _ = imported + moments_of(draw_features(9, 3))


@given(order=st.permutations(range(12)), cut=st.integers(1, 11))
def test_stacked_rows_have_one_order(order: list[int], cut: int) -> None:
    rows = draw_features(12, 3)
    rows[5] = rows[2]
    shuffled = rows[order]
    merged = FeatureRows((shuffled[cut:],)) + FeatureRows((shuffled[:cut],)) + FeatureRows()
    assert (len(merged), merged.d) == (12, 3)
    np.testing.assert_array_equal(merged.stack(), FeatureRows((rows,)).stack())
    np.testing.assert_array_equal(np.sort(merged.stack(), axis=0), np.sort(rows, axis=0))
