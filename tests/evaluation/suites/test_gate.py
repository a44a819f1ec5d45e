"""Gate: verdicts, their reasons, and the number of samples that would decide a rule."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from evaluation.results import Comparison, MetricOutcome, RuleVerdict
from evaluation.suites.gate import EXIT_CODES, Rule, judge
from tests.evaluation.reports.sample_reports import make_outcome

NUMBERS = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))
WIDTHS = st.floats(0, 1e3).map(lambda number: round(number, 3))
BOUNDS = ("at_least", "at_most", "max_loss", "min_gain")
ORDER = {"fail": 0, "inconclusive": 1, "pass": 2}


def score(low: float, value: float, high: float, **changes: Any) -> MetricOutcome:
    return make_outcome(**{"label": "m", "unit": "", "value": value, "ci_low": low, "ci_high": high, **changes})


def differ(
    low: float, difference: float, high: float, *, higher_is_better: bool = True, **changes: Any
) -> MetricOutcome:
    found = Comparison(
        value=1.0,
        baseline=1.0 - difference,
        difference=difference,
        ci_low=low,
        ci_high=high,
        n_samples=100,
        n_prompts=50,
    )
    compared = replace(found, **changes)
    return make_outcome(label="m", unit="", higher_is_better=higher_is_better, n_scored=100, comparison=compared)


def judge_one(outcome: MetricOutcome, **rule: Any) -> RuleVerdict:
    (verdict,) = judge([outcome], [Rule(metric="m", **rule)]).rules
    return verdict


# Decisions


@pytest.mark.parametrize(
    ("low", "value", "high", "rule", "expected"),
    [
        (0.76, 0.8, 0.84, {"at_least": 0.75}, "pass"),
        (0.75, 0.8, 0.84, {"at_least": 0.75}, "pass"),  # the bound itself passes
        (0.74, 0.8, 0.84, {"at_least": 0.75}, "inconclusive"),
        (0.70, 0.72, 0.75, {"at_least": 0.75}, "inconclusive"),
        (0.70, 0.72, 0.74, {"at_least": 0.75}, "fail"),
        (10, 12, 15, {"at_most": 15}, "pass"),
        (10, 12, 16, {"at_most": 15}, "inconclusive"),
        (16, 17, 18, {"at_most": 15}, "fail"),
        (0.70, 0.76, 0.9, {"at_least": 0.75, "on": "value"}, "pass"),
        (0.70, 0.74, 0.9, {"at_least": 0.75, "on": "value"}, "fail"),
        (None, 0.75, None, {"at_least": 0.75, "on": "value"}, "pass"),
    ],
)
def test_a_bound_is_checked_against_the_whole_interval_or_the_value(low, value, high, rule, expected) -> None:
    assert judge_one(score(low, value, high), **rule).outcome == expected


@pytest.mark.parametrize(
    ("higher_is_better", "low", "difference", "high", "rule", "expected"),
    [
        (True, -0.01, 0.01, 0.03, {"max_loss": 0.02}, "pass"),
        (True, -0.03, 0.01, 0.03, {"max_loss": 0.02}, "inconclusive"),
        (True, -0.09, -0.05, -0.03, {"max_loss": 0.02}, "fail"),
        (True, 0.02, 0.05, 0.08, {"min_gain": 0.01}, "pass"),
        (True, -0.02, 0.0, 0.005, {"min_gain": 0.01}, "fail"),
        (False, -3.0, -1.0, 0.4, {"max_loss": 0.5}, "pass"),
        (False, -3.0, -1.0, 0.6, {"max_loss": 0.5}, "inconclusive"),
        (False, 0.6, 1.0, 2.0, {"max_loss": 0.5}, "fail"),
        (False, -3.0, -2.0, -1.0, {"min_gain": 1}, "pass"),
        (False, -3.0, -2.0, -0.9, {"min_gain": 1}, "inconclusive"),
        (False, -3.0, -2.0, -0.9, {"min_gain": 1, "on": "value"}, "pass"),
        (True, 0.0, 0.0, 0.0, {"max_loss": 0}, "pass"),
    ],
)
def test_margins_are_in_the_better_direction(higher_is_better, low, difference, high, rule, expected) -> None:
    assert judge_one(differ(low, difference, high, higher_is_better=higher_is_better), **rule).outcome == expected


def test_one_failed_rule_fails_the_verdict_and_one_undecided_rule_leaves_it_inconclusive() -> None:
    passes, fails = Rule(metric="m", at_least=0.5), Rule(metric="m", at_least=0.95)
    opens, outcome = Rule(metric="m", at_least=0.8), score(0.75, 0.8, 0.85)
    assert judge([outcome], [passes, passes]).outcome == "pass"
    assert judge([outcome], [passes, opens]).outcome == "inconclusive"
    assert judge([outcome], [passes, opens, fails]).outcome == "fail"
    assert judge([outcome], []).outcome == "inconclusive"
    assert EXIT_CODES == {"pass": 0, "fail": 1, "inconclusive": 2}


def test_each_bound_of_a_rule_has_its_own_verdict() -> None:
    verdict = judge([score(0.76, 0.8, 0.84)], [Rule(metric="m", at_least=0.75, at_most=0.8, max_loss=0.1, min_gain=0)])
    assert [rule.rule for rule in verdict.rules] == [
        "m at least 0.75",
        "m at most 0.8",
        "m at most 0.1 worse than the baseline",
        "m at least as good as the baseline",
    ]
    assert [rule.outcome for rule in verdict.rules] == ["pass", "inconclusive", "pass", "pass"]


# Reasons


def test_the_reason_states_the_numbers_and_the_limit() -> None:
    outcome = score(0.76, 0.8, 0.84, unit="s", confidence=0.9)
    assert judge_one(outcome, at_least=0.75).reason == (
        "0.8 s from 120 samples (90 % interval 0.76 to 0.84 s): above the limit of 0.75 s."
    )
    assert judge_one(outcome, at_most=0.79, on="value").reason == "0.8 s from 120 samples: above the limit of 0.79 s."
    assert judge_one(outcome, at_most=0.84).reason.endswith(": not above the limit of 0.84 s.")
    assert judge_one(outcome, at_least=0.76).reason.endswith(": not below the limit of 0.76 s.")
    assert judge_one(outcome, at_least=0.8, on="value").reason.endswith(": exactly at the limit of 0.8 s.")
    assert judge_one(differ(-0.2, -0.1, 0.0), max_loss=0.1).reason == (
        "-0.1 against the baseline, from 100 samples (95 % interval -0.2 to 0): "
        "the interval contains the limit of -0.1, so the rule is undecided."
    )


def test_shares_are_written_in_percent_and_their_differences_in_percentage_points() -> None:
    none = score(0.0, 0.0, 0.1684, unit="share", n_scored=20, min_samples=20)
    verdict = judge_one(none, at_most=0.2)
    assert verdict.rule == "m at most 20 %"
    assert verdict.reason == "0 % of 20 samples (95 % interval 0 to 17 %): below the limit of 20 %."
    most = replace(none, n_scored=19, n_unscored=1, min_samples=10)
    assert judge_one(most, at_most=0.2).reason.endswith(
        "below the limit of 20 %. 1 of 20 samples (5 %) is unscored, the most this rule allows."
    )
    assert judge_one(most, at_most=0.2, max_unscored=0.1).reason.endswith("below the limit of 20 %.")
    mean = score(0.4, 0.51, 0.6, unit="share", n_scored=33)
    assert judge_one(mean, at_most=0.5).reason == (
        "51 % over 33 samples (95 % interval 40 to 60 %): "
        "the interval contains the limit of 50 %, so the rule is undecided."
    )
    worse = judge_one(replace(differ(-0.05, -0.04, -0.03), unit="share"), max_loss=0.02)
    assert worse.rule == "m at most 2 percentage points worse than the baseline"
    assert worse.reason == (
        "-4 percentage points against the baseline, from 100 samples (95 % interval -5 to -3): "
        "below the limit of -2 percentage points."
    )


@given(NUMBERS, st.floats(-1e-3, 1e-3))
@example(0.75, -1e-12)
def test_a_value_close_to_its_bound_is_written_on_its_side_of_it(bound: float, offset: float) -> None:
    value = bound + offset
    reason = judge_one(score(value, value, value), at_least=bound, on="value").reason
    written = float(reason.partition(" from ")[0].replace(",", ""))
    assert (written >= bound) == (value >= bound)


@pytest.mark.parametrize(
    ("outcome", "rule", "reason"),
    [
        (make_outcome(label="other"), {"at_least": 0}, "no metric m"),
        (score(0.8, 0.8, 0.8, n_scored=29), {"at_least": 0}, "Only 29 samples are scored; this rule needs 30."),
        (
            score(0.8, 0.8, 0.8),
            {"at_least": 0, "min_samples": 121},
            "Only 120 samples are scored; this rule needs 121.",
        ),
        (
            score(0.8, 0.8, 0.8, n_unscored=7),
            {"at_least": 0},
            "7 of 127 samples (5.5 %) are unscored, more than",
        ),
        (score(None, 0.8, None), {"at_least": 0}, "no interval"),
        (score(0.9, 0.8, 0.7), {"at_least": 0}, "reversed"),
        (score(0.8, 0.8, math.inf), {"at_least": 0}, "not a finite number"),
        (score(0.8, math.nan, 0.9), {"at_least": 0, "on": "value"}, "not a finite number"),
        (score(None, None, None, reason="no weights."), {"at_least": 0}, "There is no value: no weights."),
        (score(0.8, 0.8, 0.8, comparison=None), {"max_loss": 9}, "not compared with a baseline"),
        (score(0.8, 0.8, 0.8, higher_is_better=None), {"max_loss": 9}, "no better direction"),
        (differ(0, 0, 0, reason="the extractors differ"), {"max_loss": 9}, "the extractors differ"),
        (make_outcome(label="m", comparison=Comparison()), {"max_loss": 9}, "no reason is given"),
        (differ(0, 0, 0, ci_low=None), {"max_loss": 9}, "no interval"),
        (differ(0, math.nan, 0), {"max_loss": 9}, "not a finite number"),
        (differ(0, 0, 0, n_samples=29), {"max_loss": 9}, "Only 29 samples are scored in both runs; this rule"),
        (differ(0, 0, 0, n_samples=93), {"max_loss": 9}, "7 of 100 samples (7 %) are not scored in both runs"),
    ],
)
def test_missing_data_makes_a_rule_inconclusive_with_its_reason(outcome, rule, reason) -> None:
    verdict = judge_one(outcome, **rule)
    assert verdict.outcome == "inconclusive"
    assert reason in verdict.reason


def test_two_metrics_of_one_label_are_ambiguous() -> None:
    verdict = judge([score(1, 1, 1), score(0, 0, 0)], [Rule(metric="m", at_least=0.5)])
    assert verdict.outcome == "inconclusive"
    assert "2 metrics of this run have the label m" in verdict.rules[0].reason


# Samples needed


def test_the_samples_needed_shrink_the_interval_to_the_bound() -> None:
    # Half the width is 0.06 and the distance 0.02, so the width has to shrink to a third: nine times the samples.
    needed = judge_one(score(0.74, 0.8, 0.86, n_scored=100), at_least=0.78).samples_needed
    assert needed == 800
    assert judge_one(differ(-0.04, 0.0, 0.04), max_loss=0.02).samples_needed == 300
    # Of an asymmetric interval, only the width on the bound's side counts.
    assert judge_one(score(0.77, 0.8, 0.99, n_scored=100), at_least=0.78).samples_needed == 125


def test_no_number_of_samples_decides_a_value_at_its_bound() -> None:
    assert judge_one(score(0.7, 0.8, 0.9), at_least=0.8).samples_needed is None
    assert judge_one(score(-1e300, 1e-300, 1e300), at_least=0).samples_needed is None


def test_too_few_samples_need_the_missing_number() -> None:
    assert judge_one(score(0.8, 0.8, 0.8, n_scored=12), at_least=0.5).samples_needed == 18
    assert judge_one(differ(0, 0, 0, n_samples=12), max_loss=9).samples_needed == 18
    assert judge_one(score(None, None, None), at_least=0.5).samples_needed is None


@given(NUMBERS, WIDTHS, NUMBERS, st.integers(30, 10_000))
def test_the_samples_needed_are_enough_and_not_too_many(value, width, bound, n) -> None:
    verdict = judge_one(score(value - width, value, value + width, n_scored=n), at_least=bound)
    needed = verdict.samples_needed
    if needed is None or needed > 10**6:
        return
    assert verdict.outcome == "inconclusive"

    def shrink(total: int) -> float:
        return width * math.sqrt(n / total)

    assert shrink(n + needed) <= abs(value - bound) * (1 + 1e-9)
    assert needed == 1 or shrink(n + needed - 1) >= abs(value - bound) * (1 - 1e-9)


# Properties


@st.composite
def intervals(draw: st.DrawFn) -> tuple[float, float, float]:
    value = draw(NUMBERS)
    return value - draw(WIDTHS), value, value + draw(WIDTHS)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(BOUNDS))
    bound = draw(NUMBERS)
    return {
        name: abs(bound) if name in {"max_loss", "min_gain"} else bound,
        "on": draw(st.sampled_from(["interval", "value"])),
    }


def make_both(interval: tuple[float, float, float], *, higher_is_better: bool = True) -> MetricOutcome:
    """The same interval for the value and for its difference from the baseline."""
    low, middle, high = interval
    return replace(differ(low, middle, high, higher_is_better=higher_is_better), value=middle, ci_low=low, ci_high=high)


LOSSES = (
    {"label": "another"},
    {"value": None},
    {"value": math.nan},
    {"value": math.inf},
    {"n_scored": 0},
    {"n_scored": 29},
    {"n_unscored": 100},
)
LOSSES_OF_INTERVALS = ({"ci_low": None}, {"ci_high": None}, {"ci_high": math.nan}, {"ci_low": -math.inf})
LOSSES_OF_COMPARISONS = (
    {"difference": None},
    {"difference": math.nan},
    {"reason": "other identities"},
    {"n_samples": 29},
    {"n_samples": 0},
)


@given(intervals(), rules(), st.sampled_from(LOSSES), st.booleans())
def test_nothing_passes_or_fails_with_something_missing(interval, rule, loss, higher_is_better) -> None:
    outcome = replace(make_both(interval, higher_is_better=higher_is_better), **loss)
    assert judge_one(outcome, **rule).outcome == "inconclusive"


@given(intervals(), rules(), st.sampled_from(LOSSES_OF_INTERVALS))
def test_no_interval_never_passes_a_rule_on_the_interval(interval, rule, loss) -> None:
    outcome = make_both(interval)
    assert outcome.comparison
    outcome = replace(outcome, comparison=replace(outcome.comparison, **loss), **loss)
    if rule["on"] == "value" and None in loss.values():
        assert judge_one(outcome, **rule).outcome in {"pass", "fail"}
    else:
        assert judge_one(outcome, **rule).outcome == "inconclusive"


@given(intervals(), rules(), st.sampled_from(LOSSES_OF_COMPARISONS))
def test_no_comparison_never_passes_a_margin(interval, rule, loss) -> None:
    outcome = make_both(interval)
    assert outcome.comparison
    verdict = judge_one(replace(outcome, comparison=replace(outcome.comparison, **loss)), **rule)
    if {"max_loss", "min_gain"} & {*rule}:
        assert verdict.outcome == "inconclusive"
    assert judge_one(replace(outcome, comparison=None), max_loss=1e9).outcome == "inconclusive"


@given(intervals(), rules(), st.floats(0, 1e6), st.booleans())
def test_a_better_value_never_has_a_worse_verdict(interval, rule, better_by, higher_is_better) -> None:
    if "at_least" in rule or "at_most" in rule:
        higher_is_better = "at_least" in rule
    by = better_by if higher_is_better else -better_by
    low, value, high = interval
    before = judge_one(make_both(interval, higher_is_better=higher_is_better), **rule)
    after = judge_one(make_both((low + by, value + by, high + by), higher_is_better=higher_is_better), **rule)
    assert ORDER[after.outcome] >= ORDER[before.outcome]


@given(intervals(), rules())
def test_lower_is_better_is_the_mirror_of_higher_is_better(interval, rule) -> None:
    low, value, high = interval
    names = {"at_least": "at_most", "at_most": "at_least"}
    mirrored = {names.get(key, key): -bound if key in names else bound for key, bound in rule.items()}
    one = judge_one(make_both(interval), **rule)
    other = judge_one(make_both((-high, -value, -low), higher_is_better=False), **mirrored)
    assert (one.outcome, one.samples_needed) == (other.outcome, other.samples_needed)


@given(intervals(), rules(), st.integers(0, 10))
def test_a_verdict_is_the_most_severe_of_its_rules(interval, rule, n) -> None:
    verdict = judge([make_both(interval)], [Rule(metric="m", **rule)] * n)
    found = {one.outcome for one in verdict.rules}
    assert len(verdict.rules) == n
    assert verdict.outcome == (min(found, key=ORDER.__getitem__) if found else "inconclusive")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "has no bound"),
        ({"at_least": 2, "at_most": 1}, "no value is at least 2.0 and at most 1.0"),
        ({"at_least": math.nan}, "finite number"),
        ({"max_loss": -1}, "greater than or equal to 0"),
        ({"at_lest": 1}, "Extra inputs"),
    ],
)
def test_an_impossible_rule_is_rejected(rule, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Rule(metric="m", **rule)


@pytest.mark.parametrize(
    ("bias", "rule", "told"),
    [
        (3.0, {"at_most": 10}, True),  # 12 at this number of images, about 9 at infinitely many
        (3.0, {"at_most": 10, "on": "value"}, True),
        (1.0, {"at_most": 10}, False),
        (3.0, {"at_most": 20}, False),
        (-3.0, {"at_least": 13}, True),
        (None, {"at_most": 10}, False),
    ],
)
def test_a_side_that_is_due_to_the_bias_is_told(bias: float | None, rule: dict[str, Any], told: bool) -> None:
    found = judge_one(score(11, 12, 12.5, bias=bias, higher_is_better=False), **rule)
    assert ("Without its bias by N, about" in found.reason) == told
    if told:
        assert found.reason.endswith(f"about {bias:+.2g}, the value would be on the other side of the limit.")


def test_a_metric_with_a_choice_of_networks_is_named_with_its_network() -> None:
    found = judge_one(score(1, 2, 3, network="EfficientNet-Lite0"), at_most=5)
    assert found.rule == "m with EfficientNet-Lite0 at most 5"
