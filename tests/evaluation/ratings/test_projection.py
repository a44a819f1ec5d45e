"""Projection to a public board: cases by hand, other methods, and real leaderboards."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, norm, t

from evaluation.ratings.projection import Projection, PublishedBoard, project
from evaluation.ratings.ratings import Ratings
from evaluation.ratings.scales import Scale

EXACT = PublishedBoard(("a", "b", "c"), np.array([1200.0, 1310.0, 1000.0]), np.zeros(3))


def rate(models: Sequence[str], values: object, covariance: object, scale: Scale = Scale()) -> Ratings:
    numbers = np.asarray(values, dtype=float), np.asarray(covariance, dtype=float)
    return Ratings(tuple(models), *numbers, "by hand", "half", "half", "known", 0.0, scale)


def scatter(seed: int, k: int) -> tuple[Ratings, PublishedBoard]:
    """K baselines and "new" with a full covariance, and a board with two more models. Even seeds agree better."""
    rng = np.random.default_rng(seed)
    root = rng.normal(0, 8, (k + 1, k + 1))
    names = [f"m{i}" for i in range(k)]
    ratings = rate([*names, "new"], rng.normal(1000, 80, k + 1), root @ root.T)
    values = [*(ratings.values[:-1] + rng.normal(150, (8, 25)[seed % 2], k)), 1100.0, 1200.0]
    return ratings, PublishedBoard((*names, "x", "y"), np.array(values), rng.uniform(0, 10, k + 2))


def predict(ratings: Ratings, board: PublishedBoard, tau2: float) -> tuple[float, float, float]:
    """Value, variance and Cochran's Q at a given τ², by the plain matrices of generalized least squares."""
    k = len(ratings.models) - 1
    v = np.diag(board.standard_errors[:k] ** 2 + tau2) + ratings.covariance[:k, :k]
    c, ones, d = ratings.covariance[:k, k], np.ones(k), board.values[:k] - ratings.values[:k]
    inverse = np.linalg.inv(v)
    weights = inverse @ (c + (1.0 - ones @ inverse @ c) / (ones @ inverse @ ones) * ones)
    variance = ratings.covariance[k, k] + tau2 - 2.0 * weights @ c + weights @ v @ weights
    residual = d - (ones @ inverse @ d) / (ones @ inverse @ ones)
    return float(ratings.values[k] + weights @ d), float(variance), float(residual @ inverse @ residual)


def test_two_exact_baselines_by_hand() -> None:
    """Differences 200 and 210: τ² is their variance 50, the error √(50 · 3/2), and t with 1 degree is 12.706."""
    placed = project(rate(["a", "b", "new"], [1000, 1100, 1050], np.zeros((3, 3))), "new", EXACT)
    assert (placed.value, placed.shift, placed.n_shared, placed.degrees_of_freedom) == (1255.0, 205.0, 2, 1)
    assert (placed.tau, placed.standard_error) == pytest.approx((math.sqrt(50), math.sqrt(75)))
    assert placed.ci_high - placed.value == pytest.approx(12.7062 * math.sqrt(75), abs=1e-3)
    assert (placed.rank, placed.residuals) == (2, {"a": -5.0, "b": 5.0})
    assert placed.top[:2] == pytest.approx(t.sf([55 / math.sqrt(75), -55 / math.sqrt(75)], 1), abs=1e-4)
    assert str(placed) == placed.describe() == "2nd, between 1st and 3rd"


def test_two_baselines_with_errors_by_hand() -> None:
    """Q = 100 / (25 + 2τ²) = 1 gives τ² = 37.5; weights 0.535 and 0.465 are those of variances 46.5 and 53.5.

    With errors ten times as large Q(0) = 0.04 is below 1: no disagreement, and weights of variances 900 and 1600.
    """
    for size, tau2, value, variance in ((1, 37.5, 1254.65, 46.5 * 53.5 / 100 + 37.5), (10, 0.0, 1253.6, 576.0)):
        board = PublishedBoard(("a", "b"), np.array([1200.0, 1310.0]), size * np.array([3.0, 4.0]))
        placed = project(rate(["a", "b", "new"], [1000, 1100, 1050], np.zeros((3, 3))), "new", board)
        assert (placed.value, placed.standard_error) == pytest.approx((value, math.sqrt(variance)))
        assert placed.tau == (pytest.approx(math.sqrt(tau2)) if tau2 else 0.0)


@pytest.mark.parametrize("k", [2, 3, 6, 30])
def test_exact_ratings_give_students_t(k: int) -> None:
    d = np.random.default_rng(k).normal(100, 20, k)
    board = PublishedBoard(tuple(f"m{i}" for i in range(k)), d, np.zeros(k))
    ours = rate([*board.models, "new"], np.zeros(k + 1), np.zeros((k + 1, k + 1)))
    for confidence in (0.5, 0.95, 0.999):
        placed = project(ours, "new", board, confidence=confidence)
        margin = t.ppf(0.5 + confidence / 2, k - 1) * d.std(ddof=1) * math.sqrt(1 + 1 / k)
        assert (placed.ci_low, placed.ci_high) == pytest.approx((d.mean() - margin, d.mean() + margin), rel=1e-4)


@pytest.mark.parametrize(("seed", "k"), [(1, 2), (3, 3), (6, 5), (5, 9)])
def test_generalized_least_squares_agrees(seed: int, k: int) -> None:
    ratings, board = scatter(seed, k)
    placed = project(ratings, "new", board)
    value, variance, q = predict(ratings, board, placed.tau**2)
    assert q == pytest.approx(k - 1) if placed.tau else q <= k - 1
    assert (placed.value, placed.standard_error) == pytest.approx((value, math.sqrt(variance)))
    total = np.zeros(2)
    for level in (np.arange(200) + 0.5) / 200:
        wanted = chi2.ppf(level, k - 1)
        above = predict(ratings, board, 0.0)[2] > wanted
        tau2 = brentq(lambda x, q=wanted: predict(ratings, board, x)[2] - q, 0.0, 1e12) if above else 0.0
        value, variance, _ = predict(ratings, board, tau2)
        total += norm.cdf([placed.ci_low, placed.ci_high], value, math.sqrt(variance)) / 200
    assert total == pytest.approx([0.025, 0.975], abs=1e-3)


@pytest.mark.parametrize(("error", "gap"), [(0.0, 30.0), (3.0, 10.0), (40.0, 10.0), (1.0, 200.0)])
def test_ranks_agree_with_simulation(error: float, gap: float) -> None:
    """40 baselines that agree to ±1, and an error of 20 on our side: the projection is normal and can be simulated."""
    rng = np.random.default_rng(7)
    ours = rate([*(f"m{i}" for i in range(40)), "new"], [*np.zeros(40), 5 * gap], np.diag([*np.zeros(40), 400.0]))
    values, errors = np.append(rng.normal(0, 1, 40), gap * np.arange(10.0)), np.repeat([1.0, error], [40, 10])
    board = PublishedBoard((*ours.models[:-1], *"abcdefghij"), values, errors)
    placed = project(ours, "new", board)
    new = rng.normal(placed.value, placed.standard_error, (40_000, 1))
    above = (board.values[40:] + error * rng.standard_normal((40_000, 10)) > new).sum(axis=1)
    simulated = np.bincount(above, minlength=11).cumsum() / 40_000
    assert placed.top[:9] == pytest.approx(simulated[:9], abs=0.012)


def same(a: Projection, b: Projection, shift: float = 0.0) -> bool:
    for_a, for_b = ([p.value, p.standard_error, p.ci_low, p.ci_high, p.tau, *p.top] for p in (a, b))
    assert for_a == pytest.approx(for_b, rel=1e-5, abs=1e-5)
    assert a.residuals == pytest.approx(b.residuals, abs=1e-5)
    return a.describe() == b.describe() and a.shift == pytest.approx(b.shift + shift)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 8), st.floats(-3000, 3000), st.floats(0.1, 10), st.randoms())
def test_only_differences_of_our_ratings_count(seed: int, k: int, offset: float, unit: float, random: object) -> None:
    ratings, board = scatter(seed, k)
    placed = project(ratings, "new", board)
    assert placed.ci_low < placed.value < placed.ci_high
    assert 1 <= placed.rank_best <= placed.rank <= placed.rank_worst <= k + 3
    assert (np.diff(placed.top).min() >= 0.0, placed.top[-1]) == (True, pytest.approx(1.0))
    wide = project(ratings, "new", board, confidence=0.99)
    assert wide.ci_low < placed.ci_low < placed.ci_high < wide.ci_high
    assert wide.rank_best <= placed.rank_best <= placed.rank_worst <= wide.rank_worst
    models, values, covariance = ratings.models, ratings.values, ratings.covariance
    assert same(project(rate(models, values + offset, covariance), "new", board), placed, -offset)
    anchored = rate(models, *Scale(anchor="m0").place(models, values / Scale().unit, covariance / Scale().unit ** 2))
    assert same(project(anchored, "new", board), placed, values[0] - 1000.0)
    assert same(project(rate(models, values * unit, covariance * unit**2, Scale(400.0 * unit)), "new", board), placed)
    order = random.sample(range(k + 1), k + 1)
    shuffled = rate([models[i] for i in order], values[order], covariance[np.ix_(order, order)])
    turned = PublishedBoard(board.models[::-1], board.values[::-1], board.standard_errors[::-1])
    assert same(project(shuffled, "new", turned), placed)


def test_exact_boards_that_agree_leave_only_the_errors_of_other_models() -> None:
    ours = rate(["a", "b", "new"], [200, 310, 150], np.zeros((3, 3)))
    placed = project(ours, "new", EXACT)
    assert (placed.tau, placed.standard_error) == pytest.approx((0, 0), abs=1e-9)
    assert placed.describe() == "3rd"
    assert placed.ci_high - placed.ci_low < 1e-6
    others = PublishedBoard(("a", "b", "c"), np.array([1200.0, 1310.0, 1135.0]), np.array([0.0, 0.0, 20.0]))
    assert project(ours, "new", others).top == pytest.approx([0, 0, norm.cdf(15 / 20), 1], abs=1e-4)
    values, errors = np.repeat([0.0, 110.0, -51.0], [1, 1, 50]), np.repeat([0.0, 99.0], [2, 50])
    crowd = PublishedBoard(("a", "b", *map(str, range(50))), values, errors)
    assert project(ours, "new", crowd).describe() == "3rd, between 3rd and 35th"


def test_published_intervals_and_other_names_are_accepted() -> None:
    board = PublishedBoard.of_intervals(["A", "B"], [1200, 1310], [1.644854, 0], confidence=0.9)
    assert board.standard_errors == pytest.approx([1.0, 0.0])
    ours = rate(["a", "b", "new"], [1000, 1100, 1050], np.zeros((3, 3)))
    assert list(project(ours, "new", board, shared={"b": "B", "a": "A"}).residuals) == ["b", "a"]
    with pytest.raises(ValueError, match="Half-widths must be numbers"):
        PublishedBoard.of_intervals(["a"], [1.0], ["±4"])


def test_invalid_boards_are_refused() -> None:
    for models, values, errors, message in [
        ([], [], [], "at least 1 model"),
        (["a", "a"], [1, 2], [1, 1], "must name each model once.*: a"),
        (["a", "b"], [1, 2, 3], [1, 1], r"2 numbers for values, got shape \(3,\)"),
        (["a", "b"], ["1", "2"], [1, 1], "2 numbers for values"),
        (["a", "b"], [1, math.nan], [1, 1], "finite values, got nan for 'b'"),
        (["a", "b"], [1, 2], [1, math.inf], "finite standard_errors, got inf for 'b'"),
        (["a", "b"], [1, 2], [1, -2], "0 or more, got -2.0, first for 'b'"),
    ]:
        with pytest.raises(ValueError, match=message):
            PublishedBoard(tuple(models), np.array(values), np.array(errors))


def test_invalid_projections_are_refused() -> None:
    ours = rate(["a", "b", "new"], [1000, 1100, 1050], np.eye(3))
    for model, board, more, message in [
        ("unknown", EXACT, {}, "'unknown' is not among the rated models"),
        ("a", EXACT, {}, "'a' is already on the board"),
        ("new", EXACT.without("a"), {}, "at least 2 shared baselines, got 1"),
        ("new", EXACT, {"shared": {"a": "a", "b": "a"}}, "must be shared once, got a, a"),
        ("new", EXACT, {"shared": {"a": "a", "z": "d"}}, "'z' is not among the rated models"),
        ("new", EXACT, {"shared": {"a": "a", "b": "d"}}, "'d' is not on the board, which has a, b, c"),
        ("new", EXACT, {"confidence": 95}, "confidence=95"),
    ]:
        with pytest.raises(ValueError, match=message):
            project(ours, model, board, **more)
    for last, covariance, message in [
        (math.nan, np.eye(3), "must be finite"),
        (1, np.eye(2), r"\(3, 3\), got \(3,\) and \(2, 2\)"),
        (1, [[1, 3, 0], [3, 1, 0], [0, 0, 1]], "not positive semidefinite"),
        (1, [[1, 0, 3], [0, 1, -3], [3, -3, 1]], "not positive semidefinite"),
    ]:
        with pytest.raises(ValueError, match=message):
            project(rate(ours.models, [1, 2, last], covariance), "new", EXACT)


def test_ranks_are_described_in_english() -> None:
    board = PublishedBoard(tuple(map(str, range(125))), 1000.0 - 10 * np.arange(125.0), np.zeros(125))
    for word in ("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "101st", "111th", "123rd"):
        ours = rate(["0", "1", "new"], [1000, 990, 1005 - 10 * (int(word[:-2]) - 1)], np.zeros((3, 3)))
        assert str(project(ours, "new", board)) == word


def read(folder: Path, day: int, board: str) -> PublishedBoard:
    table = pd.read_csv(folder / "leaderboards" / "arena_daily_t2i_and_edit.csv")
    table = table[(table.date == sorted(table.date.unique())[day]) & (table.board == board)]
    return PublishedBoard.of_intervals(table.model.tolist(), table.score.to_numpy(), table.ci.to_numpy())


def leave_out(ours: PublishedBoard, public: PublishedBoard) -> NDArray[np.float64]:
    """Leave each shared model out of the public board: shares of values and ranks covered, and the mean tau."""
    ratings = rate(ours.models, ours.values, np.diag(ours.standard_errors**2))
    placed = [project(ratings, name, public.without(name)) for name in ours.models if name in public.models]
    return np.mean([[*covers(p, public), p.tau] for p in placed], axis=0)


def covers(placed: Projection, truth: PublishedBoard) -> tuple[bool, bool]:
    value = truth.values[truth.index(placed.model)]
    rank = 1 + (truth.values > value).sum()
    return placed.ci_low <= value <= placed.ci_high, placed.rank_best <= rank <= placed.rank_worst


def test_real_boards_of_another_day_and_another_task(shared_data: Path) -> None:
    public = read(shared_data, -1, "text-to-image")
    value, rank, tau = leave_out(read(shared_data, 0, "text-to-image"), public)
    assert (value > 0.85, rank > 0.95, tau < 1.0) == (True,) * 3
    value, rank, tau = leave_out(read(shared_data, -1, "image-edit"), public)
    assert (value > 0.88, rank > 0.88, 40 < tau < 60) == (True,) * 3


@pytest.mark.parametrize("tau", [0, 15, 30])
def test_intervals_of_a_small_arena_cover_the_truth(shared_data: Path, tau: int) -> None:
    """8 baselines and a new model, errors of 16 to 24 points that share 14, and a public board with its own errors."""
    truth, rng, hits = read(shared_data, -1, "text-to-image"), np.random.default_rng(tau), []
    covariance = 200.0 + np.diag(rng.uniform(50, 400, 9))
    for _ in range(300):
        chosen = rng.choice(len(truth.models), 9, replace=False)
        seen = rng.multivariate_normal(rng.normal(truth.values[chosen], tau), covariance)
        ours = rate([truth.models[k] for k in chosen], seen, covariance)
        printed = PublishedBoard(truth.models, rng.normal(truth.values, truth.standard_errors), truth.standard_errors)
        board = printed.without(ours.models[-1])
        hits.append(covers(project(ours, ours.models[-1], board), truth))
    value, rank = np.mean(hits, axis=0)
    assert (0.925 <= value <= 0.99, rank >= 0.94) == (True, True), (value, rank)
