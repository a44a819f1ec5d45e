"""Evaluation of the three kinds of metrics: value, interval, unscored samples and reasons."""

import random
from dataclasses import replace

import numpy as np
import pytest
from structlog.testing import capture_logs

from evaluation.metrics.base import Measurement, Metric, Rows, SampleInputs, UnscoredError
from evaluation.metrics.computing.evaluating import describe_outcome, evaluate_metric
from evaluation.metrics.preference import WinRate
from evaluation.results import Comparison
from tests.evaluation.metrics.made_up import Cheap, Mean, Rank, Rate, Share, Spread, Variance, make_sample, make_samples

BROKEN = -2000.0


def test_the_value_is_the_aggregate_with_an_interval_over_prompts() -> None:
    samples = make_samples([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])
    found = evaluate_metric(Mean(), samples)
    assert found.value == pytest.approx(4.0)
    assert found.ci_low < 4.0 < found.ci_high
    assert found.interval == "bootstrap over 3 prompts, 1,000 resamples"
    assert (found.n_scored, found.n_unscored, found.n_prompts, found.reason, found.warnings) == (6, 0, 3, "", ())


def test_scores_are_in_the_order_of_the_samples() -> None:
    samples = [make_sample("b", 1, 4.0), make_sample("a", 0, None), make_sample("b", 0, 2.0)]
    first, second, third = evaluate_metric(Mean(), samples).scores
    assert (first, third) == (Measurement((4.0,), "read 4.0"), Measurement((2.0,), "read 2.0"))
    assert str(second) == "the price is unknown"


def test_unscored_samples_are_counted_by_reason_and_not_as_zero() -> None:
    found = evaluate_metric(Mean(), make_samples([[1.0, None], [3.0, float("nan")], [None, 2.0]]))
    assert found.value == pytest.approx(2.0)
    assert (found.n_scored, found.n_unscored) == (3, 3)
    assert dict(found.reasons) == {"the price is unknown": 2, "the values contain NaN or infinity: (nan,)": 1}


@pytest.mark.parametrize("metric", [Mean(), Spread(), Variance()])
def test_an_unexpected_exception_is_logged_and_unscores_one_sample(metric: Metric) -> None:
    samples = make_samples([[1.0, 2.0], [BROKEN, 5.0], [4.0, 7.0], [1.0, 1.5]])
    with capture_logs() as logs:
        found = evaluate_metric(metric, samples)
    assert found.value is not None
    assert found.reasons == {"ZeroDivisionError: division by zero": 1}
    assert [(log["event"], log["log_level"]) for log in logs] == [("metric_crashed", "error")]


def test_an_exception_in_measure_all_unscores_all_samples() -> None:
    assert evaluate_metric(Rank(), make_samples([[3.0], [1.0], [2.0]])).value == pytest.approx(1.0)
    found = evaluate_metric(Rank(), make_samples([[3.0], [BROKEN]]))
    assert (found.value, found.n_unscored) == (None, 2)
    assert found.reason == "No sample was scored: ZeroDivisionError: division by zero"


@pytest.mark.parametrize("metric", [Mean(), Spread(), Variance()])
def test_without_scored_samples_there_is_a_reason_instead_of_a_value(metric: Metric) -> None:
    found = evaluate_metric(metric, make_samples([[None, None], [None, None]]))
    assert (found.value, found.ci_low, found.interval, found.n_scored) == (None, None, "", 0)
    assert found.reason == "No sample was scored: the price is unknown"
    assert evaluate_metric(metric, []).reason == "There are no samples."


def test_skipped_prompts_are_neither_scored_nor_unscored() -> None:
    cheap, dear = (make_sample(name, value=value, category=name) for name, value in (("cheap", 1.0), ("dear", 9.0)))
    failed = replace(make_sample("dear too", value=None, category="dear"), outcome="failed")
    found = evaluate_metric(Cheap(), [dear, cheap, failed])
    assert (found.value, found.n_scored, found.n_unscored) == (1.0, 1, 0)
    assert found.scores == (None, Measurement((1.0,), "read 1.0"), None)
    assert evaluate_metric(Cheap(), [dear]).reason == "There are no samples."


def test_the_most_frequent_reason_is_reported() -> None:
    found = evaluate_metric(Mean(), make_samples([[None, float("inf")], [None, None]]))
    assert found.reason == ("No sample was scored: the price is unknown (3 of 4, the others for other reasons)")


class Ratio(Mean):
    """A metric whose aggregate can fail."""

    def aggregate(self, rows: Rows) -> float:
        if rows.sum() <= 0:
            raise UnscoredError("no price at all")
        if rows.sum() > 1e6:
            raise OverflowError("too dear")
        return float("nan") if rows.sum() == 13 else 1.0


@pytest.mark.parametrize(
    ("prices", "reason"),
    [
        ([[-1.0], [0.0]], "no price at all"),
        ([[1e7], [0.0]], "OverflowError: too dear"),
        ([[12.0], [1.0]], "the value is nan"),
    ],
)
def test_an_aggregate_that_fails_gives_a_reason(prices: list[list[float]], reason: str) -> None:
    found = evaluate_metric(Ratio(), make_samples(prices))
    assert (found.value, found.reason, found.n_scored) == (None, reason, 2)


def test_too_few_samples_give_a_warning() -> None:
    found = evaluate_metric(Rate(), make_samples([[1.0], [0.0], [1.0]]))
    assert found.value == pytest.approx(2 / 3)
    assert found.warnings == ("Only 3 samples were scored; the value is not meaningful below 20.",)


def test_one_prompt_gives_a_value_without_an_interval() -> None:
    for metric in (Mean(), Variance()):
        found = evaluate_metric(metric, make_samples([[1.0, 2.0, 3.0, 4.0, 5.0]]))
        assert found.value is not None
        assert (found.ci_low, found.ci_high, found.interval) == (None, None, "")
        assert found.warnings == ("No interval: an interval needs at least 2 prompts, got 1.",)


def test_a_share_of_zero_has_an_exact_upper_limit() -> None:
    """0 of 40: the Clopper-Pearson limit is 1 - 0.025^(1/40)."""
    found = evaluate_metric(Rate(), make_samples([[0.0]] * 40))
    assert (found.value, found.ci_low) == (0.0, 0.0)
    assert found.ci_high == pytest.approx(1 - 0.025 ** (1 / 40))
    in_a_set = evaluate_metric(Share(), make_samples([[0.0]] * 40))
    assert (in_a_set.value, in_a_set.ci_high) == (0.0, pytest.approx(found.ci_high))
    price = evaluate_metric(Mean(), make_samples([[0.0]] * 40))
    assert (price.ci_low, price.ci_high) == (0.0, 0.0)


def test_other_values_are_bootstrapped() -> None:
    votes = make_samples([[1.0], [0.0], [1.0]])
    for metric in (Mean(), Rate()):
        assert "exact" in evaluate_metric(metric, votes).interval
        assert "bootstrap" in evaluate_metric(metric, make_samples([[1.0], [0.5], [1.0]])).interval
    assert "bootstrap" in evaluate_metric(Ratio(), votes).interval


def test_prompt_metrics_count_prompts_and_score_each_sample_with_its_prompt() -> None:
    samples = make_samples([[1.0, 4.0], [2.0, 2.5], [7.0]])
    found = evaluate_metric(Spread(), samples)
    assert found.value == pytest.approx(1.75)
    assert (found.n_scored, found.n_unscored, found.n_prompts) == (2, 1, 2)
    assert [answer.values for answer in found.scores[:4]] == [(3.0,), (3.0,), (0.5,), (0.5,)]
    assert str(found.scores[4]) == "a spread needs 2 samples"


def test_set_metrics_keep_only_errors_per_sample() -> None:
    samples = make_samples([[1.0, 4.0], [None, 2.5], [7.0, 3.0]])
    found = evaluate_metric(Variance(), samples)
    assert found.value == pytest.approx(np.var([1, 4, 2.5, 7, 3], ddof=1))
    assert [str(error) if error else None for error in found.scores] == [
        None,
        None,
        "the price is unknown",
        *[None] * 3,
    ]
    assert found.interval == "jackknife over 3 prompts in 3 groups"
    assert found.ci_low < found.value < found.ci_high


def test_a_set_metric_gets_its_reference_and_adds_warnings() -> None:
    found = evaluate_metric(Variance(), make_samples([[1.0], [2.0], [3.0]]), reference=0.25)
    assert found.value == pytest.approx(0.75)
    assert found.warnings == ("Only 3 samples were scored; the value is not meaningful below 5.", "few")


def test_a_set_without_a_value_gives_a_reason() -> None:
    assert evaluate_metric(Variance(), make_samples([[1.0]])).reason == "a variance needs 2 samples"
    two = evaluate_metric(Variance(), make_samples([[1.0], [2.0]]))
    assert two.value == pytest.approx(0.5)
    assert (
        two.warnings[-1] == "No interval: Made up has no value without some of the prompts: a variance needs 2 samples."
    )


@pytest.mark.parametrize("metric", [Mean(), Spread(), Variance(), Rank()])
def test_the_order_of_samples_does_not_matter(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    samples = make_samples(rng.normal(size=(30, 3)).tolist())
    first = evaluate_metric(metric, samples)
    random.Random(1).shuffle(samples)
    again = evaluate_metric(metric, samples)
    assert replace(again, scores=()) == replace(first, scores=())


def test_groups_are_per_category_and_language_if_there_are_several() -> None:
    samples = [
        make_sample("a", 0, 1.0, category="signs", language="en"),
        make_sample("b", 0, 3.0, category="signs", language="en"),
        make_sample("c", 0, 8.0, category="posters", language="en"),
        make_sample("d", 0, 9.0, language="en"),
        make_sample("e", 0, None, category="cups", language="ja"),
    ]
    assert evaluate_metric(Mean(), samples).groups == {"category: posters": 8.0, "category: signs": 2.0}


def test_a_category_without_a_value_is_omitted() -> None:
    samples = [make_sample("a", 0, 1.0, category="x"), make_sample("b", 0, -1.0, category="y")]
    samples += [make_sample("c", 0, 2.0, category="z")]
    assert evaluate_metric(Ratio(), samples).groups == {"category: x": 1.0, "category: z": 1.0}


def test_an_outcome_includes_the_declaration() -> None:
    sample = SampleInputs(prompt=make_sample("a").prompt, seed=0)
    found = evaluate_metric(WinRate(), [sample], confidence=0.9)
    comparison = Comparison(reason="no baseline")
    outcome = describe_outcome(WinRate(), found, comparison, "wins", {"n": 3})
    assert (outcome.label, outcome.name, outcome.title, outcome.unit) == ("wins", "win-rate", "Win rate", "share")
    assert (outcome.value, outcome.n_unscored, outcome.confidence) == (None, 1, 0.9)
    assert outcome.reason == "No sample was scored: there are no votes on it"
    assert (outcome.comparison, outcome.identity) == (comparison, {"n": 3})
    assert describe_outcome(Mean(), found, None, "own", {}).name == "own"
