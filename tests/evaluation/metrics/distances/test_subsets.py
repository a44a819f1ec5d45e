"""Random subsets that depend only on key and features."""

import numpy as np
from scipy import stats

from evaluation.metrics.distances.subsets import draw_subsets
from evaluation.metrics.features.rows import FeatureRows
from tests.evaluation.metrics.set_samples import draw_features


def stacked(rows: np.ndarray) -> np.ndarray:
    return FeatureRows((rows,)).stack()


def test_rows_are_drawn_without_replacement() -> None:
    subsets = draw_subsets(stacked(draw_features(30, 2)), 20, 7, "key")
    assert subsets.shape == (7, 20)
    assert all(len(set(subset.tolist())) == 20 for subset in subsets)


def test_all_rows_are_equally_likely() -> None:
    subsets = draw_subsets(stacked(draw_features(20, 2)), 5, 4000, "key")
    drawn = np.bincount(subsets.ravel(), minlength=20)
    assert stats.chisquare(drawn).pvalue > 0.001
    pairs = np.zeros((20, 20))
    for subset in subsets:
        pairs[np.ix_(subset, subset)] += 1
    assert stats.chisquare(pairs[np.triu_indices(20, 1)]).pvalue > 0.001


def test_equal_rows_are_drawn_independently() -> None:
    rows = stacked(np.repeat(draw_features(1, 2), 20, axis=0))
    subsets = draw_subsets(rows, 5, 4000, "key")
    assert stats.chisquare(np.bincount(subsets.ravel(), minlength=20)).pvalue > 0.001


def test_subsets_depend_on_the_key_but_not_on_the_order() -> None:
    rows = draw_features(50, 2)
    first, again, other = (
        stacked(given)[draw_subsets(stacked(given), 10, 3, key)]
        for given, key in ((rows, "1"), (rows[::-1], "1"), (rows, "2"))
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_leaving_out_a_few_rows_changes_a_few_members() -> None:
    rows = stacked(draw_features(1000, 2))
    less = np.delete(rows, [10, 500], axis=0)
    for whole, part in zip(draw_subsets(rows, 400, 5, "1"), draw_subsets(less, 400, 5, "1"), strict=True):
        shared = set(map(bytes, rows[whole])) & set(map(bytes, less[part]))
        assert len(shared) >= 398


def test_a_smaller_subset_is_the_beginning_of_a_larger_one() -> None:
    rows = stacked(draw_features(100, 2))
    np.testing.assert_array_equal(draw_subsets(rows, 10, 3, "1"), draw_subsets(rows, 60, 3, "1")[:, :10])
