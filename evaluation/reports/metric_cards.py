"""A metric on the HTML report: its number, the charts of it, and everything that the number depends on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.number_format import with_unit, write_number, write_signed
from evaluation.reports.charts import GroupBars, IntervalBar, draw_groups, draw_interval
from evaluation.reports.report import SEVERITY, RunReport
from evaluation.results import Comparison, MetricOutcome
from evaluation.suites.gate import Demand, list_demands


@dataclass(frozen=True)
class Difference:
    """A metric against the baseline. ``sense``: better, worse, or unclear where the interval does not tell."""

    text: str
    interval: str
    sense: str
    words: str
    bar: IntervalBar | None


@dataclass(frozen=True)
class Card:
    """``state`` is the gravest verdict of the rules on the metric, "" where none is."""

    outcome: MetricOutcome
    state: str
    value: str
    direction: str
    interval: str
    confidence: str
    bar: IntervalBar | None
    difference: Difference | None
    groups: list[GroupBars]
    reasons: list[tuple[str, int]]
    facts: str


def make_card(report: RunReport, outcome: MetricOutcome) -> Card:
    """The card of one of the report's metrics."""
    demands = [d for rule in report.policy if rule.metric == outcome.label for d in list_demands(rule, report.outcomes)]
    baseline = outcome.comparison.baseline if outcome.comparison else None
    return Card(
        outcome=outcome,
        state=find_state(report, outcome.label),
        value="–" if outcome.value is None else write_number(outcome.value),
        direction={True: "higher is better", False: "lower is better", None: ""}[outcome.higher_is_better],
        interval=_write_interval(outcome.ci_low, outcome.ci_high),
        confidence=f"{100 * outcome.confidence:g} %",
        bar=draw_interval(
            outcome.value,
            outcome.ci_low,
            outcome.ci_high,
            None if baseline is None else (baseline, f"baseline {write_number(baseline)}"),
            [demand for demand in demands if demand.of == "value"],
        ),
        difference=_compare(outcome, demands) if outcome.comparison else None,
        groups=draw_groups(outcome),
        reasons=sorted(outcome.reasons.items(), key=lambda reason: (-reason[1], reason[0])),
        facts=write_json(outcome.identity),
    )


def find_state(report: RunReport, label: str) -> str:
    """The gravest verdict of the rules on a metric, "" where there is none."""
    found = {rule.outcome for rule in report.verdict.rules if rule.label == label} if report.verdict else set()
    return next((outcome for outcome in SEVERITY if outcome in found), "")


def write_json(content: Mapping[str, Any]) -> str:
    """For people to read; what JSON cannot hold is written as Python does."""
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)


def _compare(outcome: MetricOutcome, demands: Sequence[Demand]) -> Difference | None:
    found = outcome.comparison
    if found is None or found.difference is None:
        return None
    sense = _find_sense(found, outcome.higher_is_better)
    words = {"better": "better than", "worse": "worse than", "unclear": "no clear difference from", "": "against"}
    return Difference(
        text=with_unit(write_signed(found.difference), outcome.unit),
        interval="" if found.ci_low is None or found.ci_high is None else _write_ends(found.ci_low, found.ci_high),
        sense=sense,
        words=words[sense],
        bar=draw_interval(
            found.difference,
            found.ci_low,
            found.ci_high,
            (0.0, "0 is no difference"),
            [demand for demand in demands if demand.of == "difference"],
        ),
    )


def _find_sense(found: Comparison, higher_is_better: bool | None) -> str:
    if found.ci_low is None or found.ci_high is None or higher_is_better is None:
        return ""
    if found.ci_low <= 0.0 <= found.ci_high:
        return "unclear"
    return "better" if (found.ci_low > 0.0) == higher_is_better else "worse"


def _write_ends(low: float, high: float) -> str:
    return f"{write_signed(low)} to {write_signed(high)}"


def _write_interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{write_number(low)} to {write_number(high)}"
