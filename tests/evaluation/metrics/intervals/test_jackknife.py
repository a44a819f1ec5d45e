"""Jackknife: groups left out, variance, bias, and the intervals of values of sets."""

from collections.abc import Iterable
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.metrics.intervals.jackknife import Spread, jackknife, leave_out, split_prompts
from evaluation.metrics.intervals.rates import rate_interval
from evaluation.metrics.intervals.sets import set_difference_interval, set_interval
from tests.evaluation.metrics.intervals.test_intervals import one_each

ANY = (-np.inf, np.inf)
SHARE = (0.0, 1.0)


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(-9, 9), min_size=1, max_size=3), min_size=2, max_size=43))
def test_each_group_and_each_pair_is_left_out_once(groups: list[list[int]]) -> None:
    read: list[int] = []

    def summarize(items: Iterable[int]) -> np.ndarray:
        taken = list(items)
        read.extend(taken)
        return np.array([len(taken), sum(taken)])

    found = {left_out: statistic.tolist() for left_out, statistic in leave_out(groups, summarize)}
    singles = [(i,) for i in range(len(groups))]
    pairs = [(i, i + 1) for i in range(0, len(groups) - 1, 2)] if len(groups) > 2 else []
    assert sorted(found) == sorted(singles + pairs)
    for left_out, statistic in found.items():
        kept = [item for i, group in enumerate(groups) if i not in left_out for item in group]
        assert statistic == [len(kept), sum(kept)]
    assert len(read) <= (np.ceil(np.log2(len(groups))) + 1) * sum(map(len, groups))


@pytest.mark.parametrize(
    ("n", "sizes"),
    [
        (1, [1]),
        (6, [1] * 6),
        (39, [1] * 39),
        (40, [2] * 20),
        (53, [2] * 26 + [1]),
        (119, [5] * 23 + [4]),
        (1000, [50] * 20),
    ],
)
def test_groups_are_equal_in_size_but_the_last(n: int, sizes: list[int]) -> None:
    keys = [f"p{i}" for i in range(n)]
    groups = split_prompts(keys + keys)
    assert sorted(chain(*groups)) == sorted(keys)
    assert [len(group) for group in groups] == sizes
    assert split_prompts(reversed(keys)) == groups


def test_the_jackknife_of_a_mean_is_students_interval_and_has_no_bias() -> None:
    values = np.random.default_rng(7).normal(size=20)
    alone = [np.delete(values, i).mean() for i in range(20)]
    paired = [np.delete(values, [i, i + 1]).mean() for i in range(0, 20, 2)]
    spread = jackknife(values.mean(), alone, [1] * 20, paired)
    found = set_interval(values.mean(), spread, limits=ANY)
    expected = stats.t.interval(0.95, 19, values.mean(), values.std(ddof=1) / np.sqrt(20))
    assert (found.low, found.high) == pytest.approx(expected)
    assert spread.bias == pytest.approx(0.0, abs=1e-12)


def test_groups_of_unequal_size_follow_the_published_formula() -> None:
    """Worked by hand from (1, 2), (6), (3): mean 3; without each 4.5, 2, 3; τ 1.5, 6, 3; θ_J 2.75 + ... ."""
    value, alone, sizes = 3.0, [4.5, 2.0, 3.0], [2, 1, 1]
    h = [2.0, 4.0, 4.0]
    center = 9.0 - (0.5 * 4.5 + 0.75 * 2.0 + 0.75 * 3.0)
    assert [h_j * value - (h_j - 1) * theta for h_j, theta in zip(h, alone, strict=True)] == [1.5, 6.0, 3.0]
    found = jackknife(value, alone, sizes)
    assert found.variance == pytest.approx(
        ((1.5 - center) ** 2 / 1 + (6.0 - center) ** 2 / 3 + (3.0 - center) ** 2 / 3) / 3
    )
    assert found.bias == pytest.approx(3.0 - center)


def square_of_mean(values: np.ndarray) -> float:
    return float(np.square(values.mean(axis=0)).sum())


def find_spread(values: np.ndarray, size: int = 1, pairs: bool = True) -> Spread:
    """Of the squared length of the mean of rows, whose bias is the variance of the mean."""
    parts = [np.arange(i, min(i + size, len(values))) for i in range(0, len(values), size)]
    alone = [square_of_mean(np.delete(values, part, axis=0)) for part in parts]
    without = [
        square_of_mean(np.delete(values, np.r_[parts[i], parts[i + 1]], axis=0)) for i in range(0, len(parts) - 1, 2)
    ]
    return jackknife(square_of_mean(values), alone, [len(part) for part in parts], without if pairs else ())


@pytest.mark.parametrize("size", [1, 3])
def test_the_bias_of_a_square_is_the_variance_of_the_mean(size: int) -> None:
    """For groups of one the jackknife gives it exactly."""
    values = np.random.default_rng(1).normal(3.0, 2.0, size=(60, 2))
    expected = values.var(axis=0, ddof=1).sum() / 60
    assert find_spread(values, size).bias == pytest.approx(expected, rel=1e-9 if size == 1 else 0.5)


def test_the_variance_of_a_purely_quadratic_value_is_not_counted_twice() -> None:
    """The squared length of the mean of n normal rows around 0 has the variance 2 d / n²."""
    rng = np.random.default_rng(2)
    n, d, plain, corrected = 40, 30, [], []
    for _ in range(200):
        values = rng.normal(size=(n, d))
        plain.append(find_spread(values, 2, pairs=False).variance)
        corrected.append(find_spread(values, 2).variance)
    assert np.mean(plain) * n**2 / (2 * d) == pytest.approx(2.0, abs=0.25)
    assert np.mean(corrected) * n**2 / (2 * d) == pytest.approx(1.1, abs=0.25)


def test_few_pairs_or_pairs_without_a_value_are_not_used() -> None:
    alone = [1.0, 2.0, 4.0, 3.0] * 3
    plain = jackknife(2.0, alone, [1] * 12)
    assert plain.degrees == 11
    assert jackknife(2.0, alone, [1] * 12, [5.0, 1.0, None, 1.0, 9.0, 4.0]) == plain
    assert jackknife(2.0, alone, [1] * 12, [5.0, 1.0, 9.0, 4.0]) == plain
    corrected = jackknife(2.0, alone, [1] * 12, [5.0, 1.0, 3.0, 1.0, 9.0, 4.0])
    assert (corrected.variance, corrected.degrees) == (plain.variance / 2, 5)


def test_a_share_on_its_boundary_has_the_exact_interval_of_as_many_prompts() -> None:
    for share in (0.0, 1.0):
        for variance in (0.0, 0.01):
            found = set_interval(share, Spread(variance, 19, 0.0, 40, 20), limits=SHARE)
            exact = rate_interval(one_each(np.full(40, share)))
            assert (found.low, found.high) == (exact.low, exact.high)


@given(
    value=st.floats(0.0, 1.0),
    variance=st.floats(0.0, 1.0),
    n=st.integers(2, 500),
    n_groups=st.integers(2, 30),
)
def test_an_interval_of_a_share_is_inside_its_range_and_holds_it(
    value: float, variance: float, n: int, n_groups: int
) -> None:
    found = set_interval(value, Spread(variance, n_groups - 1, 0.0, n, n_groups), limits=SHARE).contain(value, SHARE)
    assert found.low is not None
    assert found.high is not None
    assert 0.0 <= found.low <= value <= found.high <= 1.0


@given(
    values=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
    variances=st.tuples(st.floats(0.0, 0.2), st.floats(0.0, 0.2), st.floats(0.0, 0.4)),
)
def test_a_difference_of_shares_is_inside_its_range(values: tuple, variances: tuple) -> None:
    spreads = [Spread(variance, 24, 0.0, 50, 25) for variance in variances]
    found = set_difference_interval(values, (spreads[0], spreads[1]), spreads[2], limits=SHARE)
    assert found.low is not None
    assert found.high is not None
    assert -1.0 - 1e-9 <= found.low <= values[0] - values[1] <= found.high <= 1.0 + 1e-9


def test_a_difference_of_other_values_is_its_own_jackknife() -> None:
    spread = Spread(0.25, 19, 0.0, 40, 20)
    found = set_difference_interval((5.0, 3.0), (spread, spread), Spread(0.01, 19, 0.0, 40, 20), limits=(0.0, np.inf))
    half = stats.t.ppf(0.975, 19) * 0.1
    assert (found.low, found.high) == pytest.approx((2.0 - half, 2.0 + half))


def test_jackknife_intervals_have_their_nominal_coverage() -> None:
    """Variance of 33 prompts with 2 samples each, from sums that merge."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(200):
        values = {f"p{i:02}": rng.normal() + rng.normal(size=2) for i in range(33)}
        keys = split_prompts(values)
        groups = [[value for key in group for value in values[key]] for group in keys]
        alone, paired = {}, []
        for left_out, sums in leave_out(groups, lambda v: np.array([[1, x, x * x] for x in v]).sum(axis=0)):
            variance = sums[2] / sums[0] - (sums[1] / sums[0]) ** 2
            if len(left_out) == 1:
                alone[left_out[0]] = variance
            else:
                paired.append(variance)
        whole = np.array(list(values.values())).var()
        spread = jackknife(whole, [alone[i] for i in range(len(keys))], [len(group) for group in keys], paired)
        found = set_interval(whole, spread, limits=(0.0, np.inf))
        held += found.low <= 2.0 <= found.high
    assert 0.88 <= held / 200 <= 0.99
