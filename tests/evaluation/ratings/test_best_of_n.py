"""Best-of-N correction: coverage by simulation, the defining equations by scipy, and refused input."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm, truncnorm

from evaluation.ratings.best_of_n import BestOfN, correct_best, correct_unseen, correct_variants, expected_maximum
from evaluation.ratings.ratings import Ratings

POINTS = st.floats(-300, 300).map(lambda x: round(x, 3))


def random_covariance(n: int, seed: int) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(n, n)) * 20
    return root @ root.T / n


def rate(models: str, values: list[float], covariance: np.ndarray, df: float = math.inf) -> Ratings:
    return Ratings(
        tuple(models), np.array(values), covariance, "bt", "half", "half", "hessian", 1000.0, degrees_of_freedom=df
    )


def simulate(means: np.ndarray, covariance: np.ndarray, reps: int) -> list[tuple[BestOfN, float]]:
    rng = np.random.default_rng(5)
    draws = rng.multivariate_normal(means, covariance, size=reps, method="svd")
    results = [correct_best(draw, covariance) for draw in draws]
    return [(result, float(means[result.selected])) for result in results if result.selected is not None]


@pytest.mark.parametrize("n", [2, 5, 20])
@pytest.mark.parametrize("gap", [0.0, 20.0])
def test_coverage_and_median(n: int, gap: float) -> None:
    """Correlated errors of unequal size: the corrected interval covers the truth, the naive one does not."""
    sizes = 10 * np.linspace(0.7, 1.3, n)
    covariance = 0.2 * np.outer(sizes, sizes) + 0.8 * np.diag(sizes**2)
    results = simulate(np.linspace(0, gap, n), covariance, 2000)
    covered = np.mean([r.ci_low <= truth <= r.ci_high for r, truth in results])
    naive = np.mean([r.naive_low <= truth <= r.naive_high for r, truth in results])
    too_high = np.mean([r.value > truth for r, truth in results])
    flattering = np.mean([r.shown_value > truth for r, truth in results])
    assert 0.935 < covered < 0.97
    assert 0.455 < too_high < 0.545
    assert flattering > {2: 0.55, 5: 0.8, 20: 0.95}[n]
    assert n < 20 or naive < 0.85


@settings(max_examples=50)
@given(st.lists(POINTS, min_size=2, max_size=6, unique=True), st.integers(0, 100), st.floats(0.5, 0.99))
def test_the_equations_of_the_paper_hold(values: list[float], seed: int, confidence: float) -> None:
    """Estimate and ends are the quantiles of scipy's truncated normal, with bounds found numerically."""
    estimates, covariance = np.array(values), random_covariance(len(values), seed)
    result = correct_best(values, covariance, confidence=confidence)
    s = int(estimates.argmax())
    assert (result.selected, result.n, result.shown_value) == (s, len(values), values[s])
    if result.method == "projection":
        return
    sigma = math.sqrt(covariance[s, s])
    alpha, beta = 1 - confidence, (1 - confidence) / 10
    reach = norm.isf((1 - (1 - beta) ** (1 / len(values))) / 2) * sigma
    independent = estimates - covariance[s] / covariance[s, s] * values[s]
    bounds = [(independent[j], 1 - covariance[s, j] / covariance[s, s]) for j in range(len(values)) if j != s]
    lower = max((z / k for z, k in bounds if k > 0), default=-math.inf)
    upper = min((z / k for z, k in bounds if k < 0), default=math.inf)
    tail = (alpha - beta) / (1 - beta) / 2
    for truth, probability in ((result.value, 0.5), (result.ci_low, 1 - tail), (result.ci_high, tail)):
        low, high = max(lower, truth - reach), min(upper, truth + reach)
        found = truncnorm.cdf(values[s], (low - truth) / sigma, (high - truth) / sigma, loc=truth, scale=sigma)
        # If the root is at the edge of the range, the distribution function is extremely steep there.
        assert found == pytest.approx(probability, abs=1e-5) or abs(abs(truth - values[s]) - reach) < 1e-6 * sigma
    assert values[s] - reach <= result.ci_low <= result.value <= result.ci_high <= values[s] + reach


@settings(max_examples=25)
@given(st.lists(POINTS, min_size=2, max_size=5, unique=True), st.integers(0, 100), POINTS, st.floats(0.1, 10))
def test_units_and_order_change_nothing(values: list[float], seed: int, shift: float, scale: float) -> None:
    covariance = random_covariance(len(values), seed)
    one = correct_best(values, covariance)
    other = correct_best(np.array(values)[::-1] * scale + shift, covariance[::-1, ::-1] * scale**2)
    assert other.selected == len(values) - 1 - (one.selected or 0)
    for name in ("value", "ci_low", "ci_high", "naive_low", "naive_high"):
        assert getattr(other, name) == pytest.approx(getattr(one, name) * scale + shift, rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("df", [math.inf, 7.0])
def test_a_single_variant_keeps_its_interval(df: float) -> None:
    ratings = rate("ab", [1010.0, 990.0], np.array([[30.0, -30.0], [-30.0, 30.0]]), df)
    one = correct_variants(ratings, ["a"])
    assert (one.value, one.ci_low, one.ci_high) == (one.shown_value, one.naive_low, one.naive_high)
    assert (one.selected, one.value) == (0, 1010.0)
    assert (one.ci_low, one.ci_high) == (pytest.approx(ratings.ci_low[0]), pytest.approx(ratings.ci_high[0]))
    unseen = correct_unseen(3.0, 2.0, 1)
    assert (unseen.value, unseen.ci_low, unseen.ci_high) == (3.0, unseen.naive_low, unseen.naive_high)


def test_variants_are_selected_by_name() -> None:
    covariance = random_covariance(4, 1)
    ratings = rate("abcd", [1000.0, 1040.0, 1090.0, 1030.0], covariance)
    found = correct_variants(ratings, ["d", "b"])
    assert found == correct_best([1030.0, 1040.0], covariance[np.ix_([3, 1], [3, 1])])
    assert (found.selected, found.n) == (1, 2)


def test_a_clear_winner_is_unchanged_and_a_narrow_one_is_corrected() -> None:
    far = correct_best([1000.0, 0.0, 0.0], np.eye(3))
    assert far.value == pytest.approx(1000.0, abs=1e-9)
    assert (far.ci_low, far.ci_high) == (
        pytest.approx(far.naive_low, abs=0.03),
        pytest.approx(far.naive_high, abs=0.03),
    )
    assert correct_best([1.0, 0.5, 0.0], np.eye(3)).value < 0.9


def test_an_exact_tie_gets_the_projection_interval() -> None:
    tie = correct_best([5.0, 1.0, 5.0], np.eye(3))
    width = norm.isf((1 - 0.95 ** (1 / 3)) / 2)
    assert (tie.method, tie.selected, tie.value) == ("projection", 0, 5.0)
    assert (tie.ci_low, tie.ci_high) == (pytest.approx(5 - width), pytest.approx(5 + width))


def test_singular_covariances_are_accepted() -> None:
    same = correct_best([5.0, 5.0], np.full((2, 2), 4.0))
    assert (same.method, same.value) == ("hybrid", pytest.approx(5.0))
    rounded = correct_best([5.0, 5.0], [[4.0, 4.0 - 1e-12], [4.0 - 1e-12, 4.0]])
    assert (rounded.method, rounded.value) == ("hybrid", pytest.approx(5.0))
    moved_alike = correct_best([5.0, 3.0], np.full((2, 2), 4.0))
    assert moved_alike.value == pytest.approx(5.0)
    # The runner-up moves twice as far with the same error: a larger error would have made it win.
    double = correct_best([5.0, 4.0], [[1.0, 2.0], [2.0, 4.0]])
    assert double.value > 5.0
    anchored = correct_best([5.0, 4.0], [[0.0, 0.0], [0.0, 9.0]])
    assert (anchored.value, anchored.ci_low, anchored.ci_high) == (5.0, 5.0, 5.0)
    assert correct_best([5.0, 4.0], [[9.0, 0.0], [0.0, 0.0]]).value < 5.0


@pytest.mark.parametrize("n", [2, 5, 20])
@pytest.mark.parametrize("gap", [0.0, 1.5])
def test_unseen_variants_are_corrected_for_the_worst_case(n: int, gap: float) -> None:
    """Each end fails at most as often as stated, and the value is not too high on average."""
    rng = np.random.default_rng(6)
    means = np.linspace(0, gap, n)
    draws = rng.normal(size=(40_000, n)) + means
    truth, shown = means[draws.argmax(axis=1)], draws.max(axis=1)
    step = correct_unseen(0.0, 1.0, n)
    too_low, too_high = (truth < shown + step.ci_low).mean(), (truth > shown + step.ci_high).mean()
    assert too_low < 0.028
    assert too_high < 0.028
    assert (shown + step.value - truth).mean() < 0.02
    if gap == 0.0:
        assert too_low > 0.022
        assert (shown + step.value).mean() == pytest.approx(0.0, abs=0.02)
        assert (truth < shown + step.naive_low).mean() == pytest.approx(1 - 0.975**n, abs=0.01)


@pytest.mark.parametrize(
    ("n", "known"),
    [(2, 1 / math.sqrt(math.pi)), (3, 1.5 / math.sqrt(math.pi)), (27, None), (10**6, None), (10**9, None)],
)
def test_the_expected_maximum_agrees_with_quadrature(n: int, known: float | None) -> None:
    def integrand(z: float) -> float:
        return float(-math.expm1(n * norm.logcdf(z)) - math.exp(n * norm.logcdf(-z)))

    peak = norm.isf(1 / (2 * n))
    oracle = quad(integrand, 0, peak, epsabs=1e-11)[0] + quad(integrand, peak, 15, epsabs=1e-11)[0]
    assert expected_maximum(n) == pytest.approx(oracle if known is None else known, abs=1e-8)
    assert expected_maximum(1) == 0.0


@pytest.mark.parametrize(
    ("values", "covariance", "message"),
    [
        ([], np.zeros((0, 0)), r"N >= 1; got \(0,\)"),
        ([1.0, 2.0], np.eye(3), r"got \(2,\), \(3, 3\)"),
        ([1.0, math.nan], np.eye(2), "finite"),
        ([1.0, 2.0], [[1.0, 0.5], [0.4, 1.0]], "symmetric"),
        ([1.0, 2.0], [[1.0, 2.0], [2.0, 1.0]], "positive semidefinite"),
        ([1.0, 2.0], [[-1.0, 0.0], [0.0, 1.0]], "positive semidefinite"),
    ],
)
def test_estimates_that_are_refused(values: Any, covariance: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        correct_best(values, covariance)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"value": math.inf}, "finite value"),
        ({"standard_error": 0.0}, "standard error > 0"),
        ({"n": 0}, "variants must be 1 to"),
        ({"n": 2.5}, "whole number, got 2.5"),
        ({"confidence": 1.0}, "confidence < 1"),
    ],
)
def test_shown_values_that_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        correct_unseen(**({"value": 1.0, "standard_error": 1.0, "n": 3} | arguments))


@pytest.mark.parametrize(
    ("variants", "message"),
    [([], "one or more"), (["a", "a"], "named once each"), (["x"], "not among the rated")],
)
def test_variants_that_are_refused(variants: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        correct_variants(rate("ab", [1.0, 0.0], np.eye(2)), variants)
