"""Comparison of a run with its baseline on the same samples."""

import random

import numpy as np
import pytest

from evaluation.metrics.base import Metric
from evaluation.metrics.computing.comparing import compare_with_baseline
from evaluation.metrics.computing.evaluating import evaluate_metric
from tests.evaluation.metrics.made_up import Cheap, Mean, Rank, Rate, Share, Spread, Variance, make_sample, make_samples


def test_only_samples_scored_in_both_runs_are_compared() -> None:
    ours = make_samples([[1.0, 2.0], [None, 4.0], [5.0, 6.0]])
    theirs = make_samples([[0.0, None], [3.0, 3.0], [1.0, 2.0], [99.0, 99.0]])
    found = compare_with_baseline(Mean(), ours, theirs)
    assert (found.n_samples, found.n_prompts) == (4, 3)
    assert found.value == pytest.approx((1 + 4 + 5 + 6) / 4)
    assert found.baseline == pytest.approx((0 + 3 + 1 + 2) / 4)
    assert found.difference == pytest.approx(2.5)
    assert found.ci_low < 2.5 < found.ci_high
    assert found.reason == ""


def test_prompts_that_a_metric_does_not_apply_to_are_skipped() -> None:
    run, baseline = ([make_sample("a", 0, v, category="cheap"), make_sample("b", 0, 5.0)] for v in (3.0, 1.0))
    found = compare_with_baseline(Cheap(), run, baseline)
    assert (found.value, found.baseline, found.n_samples) == (3.0, 1.0, 1)


def test_prompt_metrics_compare_prompts_scored_in_both_runs() -> None:
    ours = make_samples([[1.0, 2.0], [None, 4.0], [5.0, 8.0]])
    theirs = make_samples([[0.0, 4.0], [3.0, 3.0], [1.0, 2.0]])
    found = compare_with_baseline(Spread(), ours, theirs)
    assert (found.value, found.baseline, found.n_samples, found.n_prompts) == (2.0, 2.5, 2, 2)


def test_prompt_metrics_use_the_same_seeds_of_both_runs() -> None:
    found = compare_with_baseline(
        Spread(), make_samples([[1.0, 2.0, 50.0], [1.0, 3.0]]), make_samples([[1.0, 4.0], [2.0, 5.0]])
    )
    assert (found.value, found.baseline) == (1.5, 3.0)


def test_set_metrics_use_samples_that_pass_the_check_in_both_runs() -> None:
    ours = make_samples([[1.0], [2.0], [None], [4.0], [7.0]])
    theirs = make_samples([[1.0], [5.0], [3.0], [9.0], [None]])
    found = compare_with_baseline(Variance(), ours, theirs)
    assert (found.n_samples, found.n_prompts) == (3, 3)
    assert found.value == pytest.approx(np.var([1, 2, 4], ddof=1))
    assert found.baseline == pytest.approx(np.var([1, 5, 9], ddof=1))
    assert found.ci_low < found.difference < found.ci_high


def test_both_runs_are_compared_with_the_same_reference() -> None:
    ours, theirs = make_samples([[1.0], [2.0], [4.0]]), make_samples([[1.0], [5.0], [9.0]])
    assert compare_with_baseline(Variance(), ours, theirs, reference=2.0).value == pytest.approx(
        np.var([1, 2, 4], ddof=1) - 2
    )


@pytest.mark.parametrize("metric", [Mean(), Spread(), Variance(), Rank()])
def test_a_run_does_not_differ_from_itself(metric: Metric) -> None:
    samples = make_samples(np.random.default_rng(0).normal(size=(25, 2)).tolist())
    found = compare_with_baseline(metric, samples, samples)
    assert (found.difference, found.ci_low, found.ci_high) == (0.0, pytest.approx(0.0), pytest.approx(0.0))
    assert found.value == pytest.approx(evaluate_metric(metric, samples).value)


@pytest.mark.parametrize("metric", [Rate(), Share()])
def test_equal_shares_have_an_interval_with_a_width(metric: Metric) -> None:
    samples = make_samples([[1.0]] * 30)
    found = compare_with_baseline(metric, samples, samples)
    assert found.difference == 0.0
    assert found.ci_low == pytest.approx(-(1 - 0.025 ** (1 / 30)))
    assert found.ci_high == pytest.approx(1 - 0.025 ** (1 / 30))


@pytest.mark.parametrize("metric", [Mean(), Variance()])
def test_pairing_removes_variance_between_prompts(metric: Metric) -> None:
    rng = np.random.default_rng(1)
    prompt = rng.normal(0, 5, (40, 1))
    ours, theirs = (make_samples((prompt + rng.normal(0, 0.2, (40, 2))).tolist()) for _ in range(2))
    paired, alone = compare_with_baseline(metric, ours, theirs), evaluate_metric(metric, ours)
    assert paired.ci_high - paired.ci_low < (alone.ci_high - alone.ci_low) / 5


@pytest.mark.parametrize("metric", [Mean(), Spread(), Variance()])
def test_order_does_not_matter_and_swapping_runs_changes_the_sign(metric: Metric) -> None:
    rng = np.random.default_rng(2)
    ours, theirs = (make_samples(rng.normal(size=(24, 2)).tolist()) for _ in range(2))
    found = compare_with_baseline(metric, ours, theirs)
    shuffled = random.Random(3).sample(theirs, len(theirs))
    assert compare_with_baseline(metric, ours[::-1], shuffled) == found
    swapped = compare_with_baseline(metric, theirs, ours)
    assert swapped.difference == pytest.approx(-found.difference)
    assert swapped.ci_low == pytest.approx(-found.ci_high, rel=0.2)


def test_ranks_are_among_the_common_samples() -> None:
    ours = [*make_samples([[1.0], [2.0], [3.0]]), make_sample("alone", 0, -5.0)]
    found = compare_with_baseline(Rank(), ours, make_samples([[1.0], [2.0], [3.0]]))
    assert (found.value, found.baseline) == (1.0, 1.0)


@pytest.mark.parametrize("metric", [Mean(), Spread(), Variance()])
def test_runs_without_common_samples_give_a_reason(metric: Metric) -> None:
    ours, theirs = make_samples([[1.0, 2.0]]), [make_sample("other", 0), make_sample("p000", 7)]
    found = compare_with_baseline(metric, ours, theirs)
    assert (found.value, found.difference, found.n_samples) == (None, None, 0)
    assert found.reason == "The two runs have no sample (prompt and seed) in common."


@pytest.mark.parametrize("metric", [Mean(), Spread(), Variance()])
def test_runs_without_commonly_scored_samples_give_a_reason(metric: Metric) -> None:
    found = compare_with_baseline(metric, make_samples([[1.0, None]]), make_samples([[None, 2.0]]))
    assert found.value is None
    assert found.reason == "No sample has a value in both runs: the price is unknown"


def test_a_run_without_a_value_cannot_be_compared() -> None:
    found = compare_with_baseline(Variance(), make_samples([[1.0]]), make_samples([[2.0]]))
    assert (found.value, found.reason) == (None, "No sample has a value in both runs: a variance needs 2 samples")


def test_one_prompt_gives_a_difference_without_an_interval() -> None:
    found = compare_with_baseline(Mean(), make_samples([[1.0, 2.0]]), make_samples([[0.0, 0.0]]))
    assert (found.difference, found.ci_low, found.ci_high) == (1.5, None, None)
