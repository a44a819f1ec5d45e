"""Poisson numbers against scipy's, and as functions of key, cell and resample alone."""

import importlib.util
import sys

import numpy as np
import pytest
from scipy import stats

from evaluation.ratings import poisson
from evaluation.ratings.bootstrap import draw_votes
from evaluation.ratings.compiled import prefer_compiled
from evaluation.ratings.poisson import draw_deviations, make_key, normal_pieces, small_thresholds

RATES = [1, 5, 15, 16, 50, 5_000, 1_000_000]


def draw(rate: int, n: int, seed: int = 0) -> np.ndarray:
    """n numbers: 20 cells, n / 20 resamples."""
    return rate + draw_deviations(np.full(20, rate), np.arange(20), make_key(seed), 0, n // 20).astype(float).ravel()


@pytest.mark.parametrize("rate", RATES)
def test_the_numbers_are_poissons(rate: int) -> None:
    n = 40_000
    numbers = draw(rate, n)
    assert (numbers >= 0).all()
    assert abs(numbers.mean() - rate) < 4.5 * np.sqrt(rate / n)
    # The variance of a sample variance: (μ4 - μ2²) / n, μ4 = rate (1 + 3 rate).
    assert abs(numbers.var() - rate) < 4.5 * np.sqrt((rate + 2 * rate**2) / n)
    edges = np.unique(stats.poisson.ppf(np.linspace(0, 1, 41)[1:-1], rate))
    observed = np.histogram(numbers, np.concatenate([[-np.inf], edges + 0.5, [np.inf]]))[0]
    expected = n * np.diff(stats.poisson.cdf(np.concatenate([[-np.inf], edges, [np.inf]]), rate))
    assert stats.chisquare(observed, expected).pvalue > 1e-3


@pytest.mark.parametrize("rate", [1, 3, 15, 16, 20, 50, 5_000])
def test_how_far_the_distribution_is_from_poissons(rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Every random word is as likely: 2^20 of them, evenly spaced, show the distribution to 10^-6 a number.
    words = (np.arange(2**20, dtype=np.uint64) * 2**12 + 2**11).astype(np.uint32)[None, :]
    monkeypatch.setattr(poisson, "_draw_bits", lambda *_: words)
    numbers = rate + draw_deviations(np.array([rate]), np.array([0]), make_key(0), 0, 1).astype(float)
    drawn, times = np.unique(numbers, return_counts=True)
    p = stats.poisson.pmf(drawn, rate)
    variation = (abs(times / words.size - p).sum() + 1 - p.sum()) / 2
    assert variation < (2e-5 if rate < 16 else 4e-4)
    assert numbers.mean() == pytest.approx(rate, rel=1e-5)
    assert numbers.var() == pytest.approx(rate, rel=2e-4)


def test_a_number_depends_on_its_key_cell_and_resample_alone() -> None:
    rates, cells, key = np.array([3, 40, 900]), np.array([0, 1, 2]), make_key(1)
    whole = draw_deviations(rates, cells, key, 0, 200)
    assert (draw_deviations(rates, cells, key, 150, 50) == whole[:, 150:]).all()
    assert (draw_deviations(rates[1:], cells[1:], key, 0, 200) == whole[1:]).all()
    assert (draw_deviations(rates, cells, make_key(2), 0, 200) != whole).mean() > 0.5


def test_cells_resamples_and_seeds_are_not_correlated() -> None:
    n = 100
    blocks = [draw_deviations(np.full(n, 100), np.arange(n), make_key(seed), 0, 1000) for seed in (0, 1)]
    between = np.corrcoef(np.concatenate(blocks))
    assert abs(between - np.eye(2 * n)).max() < 6 / np.sqrt(1000)
    within = np.corrcoef(blocks[0].T)
    assert abs(within - np.eye(1000)).max() < 6.5 / np.sqrt(n)


def test_a_rate_of_zero_gives_zero_and_huge_rates_stay_whole() -> None:
    numbers = draw_deviations(np.array([0, 10**12]), np.array([0, 1]), make_key(0), 0, 1000)
    assert not numbers[0].any()
    assert (numbers[1] == np.round(numbers[1])).all()
    assert numbers[1].std() == pytest.approx(1e6, rel=0.1)


def test_the_kernel_draws_the_same_numbers() -> None:
    pytest.importorskip("numba")
    votes = np.array([[1, 0, 15], [16, 5, 0], [10**6, 10**9, 300]])
    left, right = np.array([0, 0, 1], dtype=np.uint32), np.array([1, 2, 2], dtype=np.uint32)
    p = np.array([0.5, 0.7, 0.1], dtype=np.float32)
    totals, slopes = np.zeros((2, 3, 500), np.float32), np.zeros((2, 3, 500), np.float32)
    for k, function in enumerate((draw_votes, prefer_compiled(draw_votes))):
        tables = small_thresholds(), normal_pieces()
        function(votes, left, right, p, make_key(9), 77, *tables, totals[k], slopes[k])
    assert prefer_compiled(draw_votes) is not draw_votes
    assert (totals[0] == totals[1]).all()
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 2"):
        make_key(seed)


def test_without_numba_the_function_itself_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "evaluation.ratings.kernels", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    assert prefer_compiled(draw_votes) is draw_votes


def test_kernels_work_where_no_cache_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    caching = pytest.importorskip("numba.core.caching")

    def refuse(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", refuse)
    spec = importlib.util.find_spec("evaluation.ratings.kernels")
    kernels = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kernels)
    theta, zero = np.zeros(2), np.zeros(1, dtype=np.uint32)
    steps = np.full(4, 0.1)
    kernels.update_elo(theta, zero, zero + 1, zero.astype(np.uint8), np.ones(1), np.array([1.0, 0.0, 0.5, 0.5]), steps)
    assert theta == pytest.approx([0.05, -0.05])
