"""Degrees of freedom of a cluster jackknife, against the simulated distribution that defines them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evaluation.ratings.degrees_of_freedom import ShareSums, find_degrees_of_freedom

HARMONIC = 1.0 / np.arange(1, 13)
HALF = np.r_[11.0, np.ones(11)]


def solve(weights: np.ndarray, confidence: float = 0.95) -> float:
    shares = ShareSums(1)
    shares.add(np.asarray(weights, dtype=float)[:, None])
    return float(find_degrees_of_freedom(shares.divide(), confidence)[0])


@pytest.mark.parametrize("n", [2, 3, 5, 12, 39, 41, 1000])
def test_clusters_of_one_size_have_one_fewer(n: int) -> None:
    assert solve(np.full(n, 7.0)) == pytest.approx(n - 1, rel=1e-6)


@pytest.mark.parametrize("weights", [HARMONIC, HALF, 2.0 ** -np.arange(6), np.r_[9, 1, 1], np.r_[60, np.ones(60)]])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_they_are_those_of_the_simulated_ratio(weights: np.ndarray, confidence: float) -> None:
    """The interval holds with its probability or more whether clusters differ or only their votes do."""
    dof = solve(weights, confidence)
    a, rng = (weights / weights.sum())[:, None], np.random.default_rng(0)
    held = []
    for variance in (np.ones_like(a), 1.0 + 0.1 / a, 1.0 / a):
        x = rng.normal(size=(len(a), 200_000)) * np.sqrt(variance)
        mean = (a * x).sum(axis=0)
        error = np.sqrt((1 - 1 / len(a)) * ((a / (1 - a) * (x - mean)) ** 2).sum(axis=0))
        held.append(np.mean(np.abs(mean) <= stats.t.ppf(0.5 + confidence / 2, dof) * error))
    assert min(held) >= confidence - 0.006
    assert min(held) <= confidence + 0.02


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=60), st.floats(1e-3, 1e3), st.randoms())
def test_order_and_unit_of_the_weights_do_not_matter(weights: list[float], unit: float, rng) -> None:
    shuffled = rng.sample(weights, len(weights))
    found = solve(np.array(weights))
    assert 0.0 < found <= len(weights) - 1 + 1e-9
    assert solve(np.array(shuffled) * unit) == pytest.approx(found, rel=1e-3)


def test_small_clusters_beyond_the_largest_are_taken_together() -> None:
    """A hundred thousand raters, one of whom casts a fifth of the votes: added in blocks."""
    shares = ShareSums(2)
    for _ in range(10):
        shares.add(np.ones((10_000, 2)))
    shares.add(np.array([[25_000.0, 0.0]]))
    uneven, even = find_degrees_of_freedom(shares.divide())
    assert uneven == pytest.approx(solve(np.r_[25_000.0, np.full(1000, 100.0)]), rel=0.1)
    assert even > 90_000


def test_an_estimate_that_is_known_has_those_of_equal_clusters() -> None:
    assert solve(np.zeros(5)) == 4.0
