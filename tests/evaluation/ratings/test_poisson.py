"""Poisson numbers against scipy, a reference generator, and their independence."""

import numpy as np
import pytest
from scipy import stats

from evaluation.ratings.poisson import draw_deviations, find_deviations, make_key

RATES = [1, 5, 15, 16, 50, 5_000, 1_000_000]


def draw(rate: int, n: int, seed: int = 0) -> np.ndarray:
    """n numbers: n / 20 resamples of 20 cells."""
    return rate + draw_deviations(np.full(20, rate), np.arange(20), make_key(seed), 0, n // 20).astype(float).ravel()


@pytest.mark.parametrize("rate", RATES)
def test_the_numbers_have_a_poisson_distribution(rate: int) -> None:
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
def test_the_distance_from_the_poisson_distribution(rate: int) -> None:
    # All random bits are equally likely: 2^20 of them, evenly spaced, give each probability to 10^-6.
    words = (np.arange(2**20, dtype=np.uint64) * 2**12 + 2**11).astype(np.uint32)
    numbers = rate + find_deviations(rate, words).astype(float)
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


class SplitMix64:
    """The generator in Python integers: Steele, Lea & Flood 2014, figure 15."""

    def __init__(self, state: int) -> None:
        self.state = state

    def draw(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        x = (self.state ^ (self.state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)


def test_the_reference_generator_gives_the_published_numbers() -> None:
    generator = SplitMix64(1234567)
    assert [generator.draw() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("seed", [0, 9, 2**64 - 1])
def test_the_numbers_are_quantiles_of_splitmix64(seed: int) -> None:
    golden = 0x9E3779B97F4A7C15
    key = SplitMix64((seed - golden) % 2**64).draw()
    rates, cells = np.array([1, 5, 15, 16, 900, 10**9]), np.array([0, 4, 70_000, 1, 2, 3])
    drawn = draw_deviations(rates, cells, make_key(seed), 77, 500)
    for rate, cell, deviations in zip(rates.tolist(), cells.tolist(), drawn, strict=True):
        stream = SplitMix64((key + cell * golden) % 2**64).draw()
        generator = SplitMix64((stream + 76 * golden) % 2**64)
        bits = np.array([generator.draw() >> 32 for _ in range(500)], dtype=np.uint32)
        assert (deviations == find_deviations(rate, bits)).all()
        quantiles = stats.poisson.ppf((bits + 0.5) / 2**32, rate)
        # From 16 on, the expansion may differ by one plus rounding in float32, and by more in the tails.
        miss = 0 if rate < 16 else 1 + 2e-3 * np.sqrt(rate)
        inner = abs(bits / 2**32 - 0.5) < (0.5 if rate < 16 else 0.495)
        assert abs(rate + deviations.astype(float) - quantiles)[inner].max() <= miss


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 2"):
        make_key(seed)
