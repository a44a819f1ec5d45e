"""Metric cards of an HTML report: a metric's value, its charts, and everything that the value depends on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from evaluation.number_format import (
    write_difference,
    write_difference_interval,
    write_interval,
    write_limit,
    write_signed,
    write_value,
)
from evaluation.reasons import ReasonGroup, group_reasons
from evaluation.reports.group_charts import GroupBars, draw_groups
from evaluation.reports.interval_bar import Bound, IntervalBar, Reference, make_interval_bar
from evaluation.reports.report import SEVERITY, RunReport, write_bias
from evaluation.results import Comparison, MetricOutcome
from evaluation.suites.gate import Requirement, list_requirements

MAX_REASONS: Final = 12


@dataclass(frozen=True)
class Difference:
    """Difference from the baseline. ``direction``: better, worse, or unclear if the interval contains 0."""

    text: str
    interval: str
    direction: str
    phrase: str
    bar: IntervalBar | None


@dataclass(frozen=True)
class MetricCard:
    """``state`` is the most severe verdict of the rules on the metric, "" without a rule."""

    outcome: MetricOutcome
    state: str
    value: str
    direction: str
    interval: str
    bias: str
    confidence: str
    bar: IntervalBar | None
    difference: Difference | None
    groups: list[GroupBars]
    reasons: list[ReasonGroup]
    identity: str


def make_metric_card(report: RunReport, outcome: MetricOutcome) -> MetricCard:
    """The card of one of the report's metrics."""
    rules = [rule for rule in report.policy if rule.metric == outcome.label]
    requirements = [requirement for rule in rules for requirement in list_requirements(rule, report.outcomes)]
    baseline, write = (
        outcome.comparison.baseline if outcome.comparison else None,
        partial(write_value, unit=outcome.unit),
    )
    return MetricCard(
        outcome=outcome,
        state=find_state(report, outcome.label),
        value="–" if outcome.value is None else write(outcome.value),
        direction={True: "higher is better", False: "lower is better", None: ""}[outcome.higher_is_better],
        interval=_write_interval(outcome),
        bias=write_bias(outcome),
        confidence=f"{100 * outcome.confidence:g} %",
        bar=make_interval_bar(
            outcome.value,
            outcome.ci_low,
            outcome.ci_high,
            reference=None if baseline is None else Reference(baseline, f"baseline {write(baseline)}", "diamond"),
            bounds=[
                _make_bound(requirement, write_limit(requirement.bound, outcome.unit))
                for requirement in requirements
                if requirement.of == "value"
            ],
            write=write,
        ),
        difference=_compare(outcome, requirements) if outcome.comparison else None,
        groups=draw_groups(outcome),
        reasons=group_reasons(outcome.reasons, MAX_REASONS),
        identity=write_json(outcome.identity),
    )


def find_state(report: RunReport, label: str) -> str:
    """The most severe verdict of the rules on a metric, "" without a rule."""
    found = {rule.outcome for rule in report.verdict.rules if rule.label == label} if report.verdict else set()
    return next((outcome for outcome in SEVERITY if outcome in found), "")


def write_json(content: Mapping[str, Any]) -> str:
    """Indented JSON for people; values that JSON has no type for are written as Python prints them."""
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)


def _make_bound(requirement: Requirement, limit: str) -> Bound:
    label = f"{'at least' if requirement.at_least else 'at most'} {limit}"
    return Bound(requirement.bound, requirement.at_least, label)


def _compare(outcome: MetricOutcome, requirements: Sequence[Requirement]) -> Difference | None:
    found, unit = outcome.comparison, outcome.unit
    if found is None or found.difference is None:
        return None
    direction = _find_direction(found, outcome.higher_is_better)
    phrases = {"better": "better than", "worse": "worse than", "unclear": "no clear difference from", "": "against"}
    interval = ""
    if found.ci_low is not None and found.ci_high is not None:
        interval = write_difference_interval(found.ci_low, found.ci_high, unit)
    return Difference(
        text=write_difference(found.difference, unit),
        interval=interval,
        direction=direction,
        phrase=phrases[direction],
        bar=make_interval_bar(
            found.difference,
            found.ci_low,
            found.ci_high,
            reference=Reference(0.0, "0 is no difference", "line"),
            bounds=[
                _make_bound(requirement, write_signed(requirement.bound, unit))
                for requirement in requirements
                if requirement.of == "difference"
            ],
            write=partial(write_signed, unit=unit),
        ),
    )


def _find_direction(found: Comparison, higher_is_better: bool | None) -> str:
    if found.ci_low is None or found.ci_high is None or higher_is_better is None:
        return ""
    if found.ci_low <= 0.0 <= found.ci_high:
        return "unclear"
    return "better" if (found.ci_low > 0.0) == higher_is_better else "worse"


def _write_interval(outcome: MetricOutcome) -> str:
    if outcome.ci_low is None or outcome.ci_high is None:
        return ""
    return write_interval(outcome.ci_low, outcome.ci_high, outcome.unit)
