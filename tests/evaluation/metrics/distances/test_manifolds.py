"""Precision, recall, density and coverage, compared with values by hand and loops over all pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics.base import UnscoredError
from evaluation.metrics.distances.manifolds import (
    Coverage,
    Density,
    Precision,
    Recall,
    coverage,
    density,
    precision,
    recall,
)
from tests.evaluation.metrics.set_samples import EXTRACTOR, draw_features, make_reference, make_samples


def line(*points: float) -> np.ndarray:
    return np.array(points, dtype=np.float32)[:, None]


def ask_loops(generated: np.ndarray, reference: np.ndarray, k: int, side: str) -> dict[str, float]:
    """Squared distances of integers are exact."""

    def squared(p: np.ndarray, q: np.ndarray) -> int:
        return int(np.square(p.astype(int) - q.astype(int)).sum())

    def radius(rows: np.ndarray, i: int) -> int:
        return sorted(squared(rows[i], rows[j]) for j in range(len(rows)) if j != i)[k - 1]

    def within(p: np.ndarray, rows: np.ndarray, i: int) -> bool:
        return squared(p, rows[i]) <= radius(rows, i) if side == "≤" else squared(p, rows[i]) < radius(rows, i)

    def hits(points: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.array([[within(p, rows, i) for i in range(len(rows))] for p in points])

    of_reference, of_generated = hits(generated, reference), hits(reference, generated)
    return {
        "precision": of_reference.any(axis=1).mean(),
        "recall": of_generated.any(axis=1).mean(),
        "density": of_reference.sum() / (k * len(generated)),
        "coverage": of_reference.any(axis=0).mean(),
    }


def test_an_example_worked_by_hand() -> None:
    """With k = 1 the reference 0, 1, 3, 10 has the balls 0±1, 1±1, 3±2, 10±7, the generated 1±3, 4±3, 18±14, 40±22.

    1 is on the edge of the first ball, in the second, and on the edge of the third. 4 is in the third and in the last.
    18 and 40 are in none. Of the reference, 0, 1 and 3 are in the ball of 1 and 10 is in that of 18.
    """
    reference, generated = line(0, 1, 3, 10), line(1, 4, 18, 40)
    assert precision(generated, reference, 1) == 2 / 4
    assert recall(generated, reference, 1) == 4 / 4
    assert density(generated, reference, 1) == (1 + 2) / 4
    assert coverage(generated, reference, 1) == 3 / 4


def test_balls_are_closed_for_precision_and_open_for_density() -> None:
    """For 0, 2, 9 with k = 1, the ball of 2 ends at 4, and that of 9 begins at 2."""
    reference, generated = line(0, 2, 9), line(4, -2)
    assert precision(generated, reference, 1) == 1.0
    assert coverage(generated, reference, 1) == 1 / 3
    assert density(generated, reference, 1) == 1 / 2
    assert density(line(-2), reference, 1) == 0.0


@given(
    shape=st.tuples(st.integers(5, 12), st.integers(5, 12), st.integers(1, 3)),
    k=st.integers(1, 4),
    spread=st.sampled_from([2, 50]),
    seed=st.integers(0, 10_000),
)
def test_they_equal_loops_over_all_pairs(shape: tuple[int, int, int], k: int, spread: int, seed: int) -> None:
    n, m, d = shape
    rng = np.random.default_rng(seed)
    generated, reference = (rng.integers(0, spread, size=(rows, d)).astype(np.float32) for rows in (n, m))
    closed, opened = (ask_loops(generated, reference, k, side) for side in ("≤", "<"))
    assert precision(generated, reference, k) == pytest.approx(closed["precision"])
    assert recall(generated, reference, k) == pytest.approx(closed["recall"])
    assert density(generated, reference, k) == pytest.approx(opened["density"])
    assert coverage(generated, reference, k) == pytest.approx(opened["coverage"])


def test_equal_images_are_equal_despite_rounding() -> None:
    """The computed distance of copies of 64 features is about 1e-13, not 0."""
    reference = np.repeat(draw_features(30, 64) * 30, 6, axis=0)
    assert precision(reference[::6], reference, 3) == 1.0
    assert recall(reference, reference[::6], 3) == 1.0
    assert density(reference[::6], reference, 5) == 0.0
    assert coverage(reference[::6], reference, 5) == 0.0


def test_a_set_covers_itself() -> None:
    x = draw_features(700, 16)
    assert precision(x, x) == recall(x, x) == coverage(x, x) == 1.0
    # Each ball contains its centre and the k - 1 nearest; the k-th is on its edge.
    assert density(x, x, 5) == pytest.approx(1.0)


def test_a_collapsed_model_has_low_recall() -> None:
    rng = np.random.default_rng(42)
    generated, reference = rng.normal(size=(200, 16)) * 0.1, rng.normal(size=(200, 16)) * 3.0
    assert precision(generated, reference) > 0.8
    assert recall(generated, reference) < 0.3


@pytest.mark.parametrize(("metric", "pure", "k"), [(Precision, precision, 3), (Recall, recall, 3)])
@pytest.mark.parametrize("blocks", [100, 700])
def test_the_metrics_compare_a_run_with_the_reference(metric, pure, k: int, blocks: int) -> None:
    x, y = draw_features(blocks, 4), draw_features(90, 4, seed=1, shift=0.5)
    built = metric(extractor=EXTRACTOR, reference="photos")
    assert built.k == k
    assert built.compute(built.summarize(make_samples(x)), make_reference(y)) == pure(x, y, k)


@pytest.mark.parametrize(("metric", "pure", "k"), [(Density, density, 5), (Coverage, coverage, 5)])
def test_density_and_coverage_use_five_neighbours(metric, pure, k: int) -> None:
    x, y = draw_features(60, 4), draw_features(90, 4, seed=1, shift=0.5)
    built = metric(extractor=EXTRACTOR, reference="photos")
    assert built.k == k
    assert built.compute(built.summarize(make_samples(x)), make_reference(y)) == pure(x, y, k)
    assert pure(x, y, k) != pure(x, y, 3)


def test_too_few_neighbours_are_unscored() -> None:
    x, y = draw_features(3, 4), draw_features(20, 4, seed=1)
    with pytest.raises(UnscoredError, match="at least 4 images in each set, but one has 3"):
        recall(x, y)
    with pytest.raises(UnscoredError, match="at least 6 images in each set, but one has 3"):
        density(y, x)
