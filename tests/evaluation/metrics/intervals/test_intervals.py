"""Intervals over prompts, compared with closed forms and brute force, and by their coverage."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.metrics.base import Rows, UnscoredError
from evaluation.metrics.intervals.base import ClusteredRows, Interval, cluster_rows
from evaluation.metrics.intervals.bootstrap import bootstrap, bootstrap_difference
from evaluation.metrics.intervals.rates import rate_difference, rate_interval


def mean(rows: Rows) -> float:
    return float(rows[:, 0].mean())


def one_each(values: np.ndarray) -> ClusteredRows:
    """Each value is a cluster."""
    return ClusteredRows(np.asarray(values, dtype=float)[:, None], np.ones(len(values), dtype=np.int64))


def clusters_of(values: np.ndarray) -> ClusteredRows:
    """Clusters of values (C, m), m values each."""
    return ClusteredRows(values.astype(float).reshape(-1, 1), np.full(len(values), values.shape[1]))


@settings(max_examples=60)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_drawing_clusters_returns_all_their_rows(lengths: list[int], data: st.DataObject) -> None:
    rows = np.arange(2.0 * sum(lengths)).reshape(-1, 2)
    drawn = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=9))
    parts = np.split(rows, np.cumsum(lengths)[:-1])
    clustered = ClusteredRows(rows, np.array(lengths))
    assert np.array_equal(clustered.draw(np.array(drawn)), np.concatenate([parts[i] for i in drawn]))
    assert np.array_equal(clustered.sum(), [part.sum(axis=0) for part in parts])


def test_rows_are_grouped_by_label() -> None:
    clustered = cluster_rows(np.array([[1.0], [2.0], [3.0], [4.0]]), ["b", "a", "b", "a"])
    assert clustered.rows[:, 0].tolist() == [2.0, 4.0, 1.0, 3.0]
    assert clustered.lengths.tolist() == [2, 2]


def test_for_many_independent_values_it_is_students_interval() -> None:
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    found = bootstrap(mean, one_each(values))
    expected = stats.t.interval(0.95, 399, values.mean(), values.std(ddof=1) / 20)
    assert (found.low, found.high) == pytest.approx(expected, abs=0.03)
    assert found.method == "bootstrap over 400 prompts, 1,000 resamples"


def test_copies_within_a_prompt_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(1).normal(size=30)
    once, often = bootstrap(mean, one_each(values)), bootstrap(mean, clusters_of(np.repeat(values[:, None], 5, axis=1)))
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-12)


def test_the_interval_depends_on_the_seed_only() -> None:
    rows = one_each(np.random.default_rng(2).normal(size=25))
    assert bootstrap(mean, rows) == bootstrap(mean, rows)
    assert bootstrap(mean, rows) != bootstrap(mean, rows, seed=1)


def test_higher_confidence_gives_a_wider_interval() -> None:
    rows = one_each(np.random.default_rng(3).normal(size=25))
    wide, narrow = bootstrap(mean, rows, confidence=0.99), bootstrap(mean, rows, confidence=0.8)
    assert wide.low < narrow.low < narrow.high < wide.high
    with pytest.raises(ValueError, match="0 < confidence < 1"):
        bootstrap(mean, rows, confidence=95)


def test_one_prompt_has_no_interval_but_a_reason() -> None:
    alone = clusters_of(np.array([[0.0, 1.0, 1.0]]))
    for found in (
        bootstrap(mean, alone),
        rate_interval(alone),
        rate_difference(alone, alone),
    ):
        assert (found.low, found.high) == (None, None)
        assert found.method == "an interval needs at least 2 prompts, got 1"


def test_resamples_without_a_value_are_counted_up_to_a_limit() -> None:
    def expect_a_win(rows: Rows) -> float:
        if not rows.any():
            raise UnscoredError("never won")
        return mean(rows)

    few = bootstrap(expect_a_win, one_each(np.array([0.0] * 8 + [1.0] * 4)))
    assert few.low is not None
    assert "of which have no value" in few.method
    many = bootstrap(expect_a_win, one_each(np.array([0.0] * 8 + [1.0])))
    assert many.low is None
    assert "resamples of the 9 prompts have no value" in many.method


def test_the_same_prompts_are_drawn_on_both_sides() -> None:
    rng = np.random.default_rng(4)
    prompt = rng.normal(0, 10, 60)
    ours, theirs = one_each(prompt + 0.5 + rng.normal(0, 0.1, 60)), one_each(prompt)
    paired = bootstrap_difference(mean, ours, theirs)
    alone = bootstrap(mean, ours)
    assert 0.45 < paired.low < 0.5 < paired.high < 0.55
    assert paired.high - paired.low < (alone.high - alone.low) / 50


def test_for_linear_values_it_is_the_bootstrap_of_the_differences() -> None:
    rng = np.random.default_rng(5)
    ours, theirs = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    direct = bootstrap(mean, clusters_of(ours - theirs))
    paired = bootstrap_difference(mean, clusters_of(ours), clusters_of(theirs))
    assert (paired.low, paired.high) == pytest.approx((direct.low, direct.high), abs=1e-12)


def test_a_thousand_prompts_take_well_under_a_second() -> None:
    rows = clusters_of(np.random.default_rng(6).normal(size=(1000, 4)))
    started = time.thread_time()
    bootstrap(mean, rows)
    assert time.thread_time() - started < 1.0


@pytest.mark.parametrize("n", [5, 40, 300])
def test_shares_of_none_and_all_have_the_exact_interval(n: int) -> None:
    none, every = rate_interval(one_each(np.zeros(n))), rate_interval(one_each(np.ones(n)))
    exact = stats.binomtest(0, n).proportion_ci(0.95, method="exact")
    assert (none.low, none.high) == pytest.approx((0.0, exact.high))
    assert (every.low, every.high) == pytest.approx((1.0 - exact.high, 1.0))


def test_independent_samples_have_the_clopper_pearson_interval_of_one_sample_less() -> None:
    """One sample less because the variance is estimated with n - 1: 12 of 40 becomes 11.7 of 39."""
    found = rate_interval(one_each(np.arange(40) < 12))
    expected = stats.beta.ppf([0.025, 0.975], [11.7, 12.7], [28.3, 27.3])
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_samples_that_agree_within_a_prompt_count_once() -> None:
    answers = np.repeat((np.arange(20) < 6)[:, None], 8, axis=1)
    clustered = rate_interval(clusters_of(answers))
    once, independent = rate_interval(one_each(answers[:, 0])), rate_interval(one_each(answers.ravel()))
    width = clustered.high - clustered.low
    assert once.high - once.low == pytest.approx(width, rel=0.1)
    assert independent.high - independent.low < width / 2


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_paired_intervals_contain_the_difference_and_mirror_when_swapped(pairs: list[tuple[bool, bool]]) -> None:
    ours, theirs = (one_each(np.array(side)) for side in zip(*pairs, strict=True))
    found, mirrored = rate_difference(ours, theirs), rate_difference(theirs, ours)
    assert found.low <= mean(ours.rows) - mean(theirs.rows) <= found.high
    assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low), abs=1e-9)
    assert -1.0 - 1e-9 <= found.low < found.high <= 1.0 + 1e-9


def test_sides_that_always_agree_have_an_interval_with_a_width() -> None:
    for share in (0, 15, 30):
        side = one_each(np.arange(30) < share)
        found = rate_difference(side, side)
        assert found.low < -0.02
        assert found.high > 0.02


@pytest.mark.parametrize(("n", "share"), [(12, 0.8), (40, 0.5), (40, 0.03)])
def test_intervals_of_shares_have_their_nominal_coverage(n: int, share: float) -> None:
    """Beta-binomial: four samples per prompt, prompts of unequal difficulty."""
    rng = np.random.default_rng(8)
    held = 0
    for _ in range(400):
        difficulty = rng.beta(2 * share, 2 * (1 - share), n)
        found = rate_interval(clusters_of(rng.binomial(1, difficulty[:, None], (n, 4))))
        held += found.low <= share <= found.high
    assert 0.93 <= held / 400 <= 1.0


def test_paired_intervals_keep_their_coverage_where_a_bootstrap_does_not() -> None:
    """The baseline never fails, the run fails on 2 % of prompts: usually at most once in 40."""
    rng = np.random.default_rng(9)
    held = np.zeros(2)
    for _ in range(40):
        ours, theirs = one_each(rng.random(40) >= 0.02), one_each(np.ones(40))
        for i, found in enumerate((rate_difference(ours, theirs), bootstrap_difference(mean, ours, theirs))):
            held[i] += found.low <= -0.02 <= found.high
    assert held[0] >= 38
    assert held[1] < 30


def test_intervals_of_means_of_few_prompts_have_their_nominal_coverage() -> None:
    """A plain percentile interval of 8 prompts has a coverage of about 88 %."""
    rng = np.random.default_rng(10)
    held = 0
    for _ in range(100):
        values = rng.normal(size=(8, 1)) + rng.normal(size=(8, 3))
        found = bootstrap(mean, clusters_of(values))
        held += found.low <= 0.0 <= found.high
    assert 92 <= held <= 99


@pytest.mark.parametrize("lengths", [[200, *[10] * 20], [300 // k for k in range(1, 21)]])
def test_intervals_hold_if_few_prompts_have_most_rows(lengths: list[int]) -> None:
    """Votes or images of prompts that differ. For shares, an interval made for prompts of one length holds in 80 %."""
    rng = np.random.default_rng(11)
    held = [0, 0]
    for _ in range(80):
        rate = rng.beta(7, 3, len(lengths))
        codes = np.repeat(np.arange(len(lengths)), lengths)
        rows = cluster_rows((rng.random(len(codes)) < rate[codes]).astype(float)[:, None], codes)
        held[0] += covers(rate_interval(rows), 0.7)
        held[1] += covers(bootstrap(mean, rows), 0.7)
    assert min(held) >= 73


def covers(found: Interval, value: float) -> bool:
    return found.low <= value <= found.high
