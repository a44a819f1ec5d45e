"""The gate: what a suite demands of a run, held against what the run found. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evaluation.number_format import with_unit, write_beside, write_bound
from evaluation.results import Comparison, MetricOutcome, Outcome, RuleVerdict, Verdict

EXIT_CODES: Final[dict[Outcome, int]] = {"pass": 0, "fail": 1, "inconclusive": 2}
AS_GOOD: Final = "at least as good as the baseline"
# More samples than this are no plan: the value lies on the bound.
MOST_NEEDED: Final = 10**9


class Rule(BaseModel):
    """One demand on one metric, by the label that the suite gives it.

    ``at_least`` and ``at_most`` bound the value. ``max_loss`` is a non-inferiority margin and ``min_gain`` a required
    gain, both against the baseline, in the metric's unit, counted in the direction that is better. A rule holds them
    against the interval (all of it on the right side) or, with ``on = "value"``, against the value alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    max_loss: float | None = Field(default=None, ge=0)
    min_gain: float | None = Field(default=None, ge=0)
    on: Literal["interval", "value"] = "interval"
    min_samples: int | None = Field(default=None, ge=1)  # None: the metric's own
    max_unscored: float = Field(default=0.05, ge=0, le=1)  # share of samples

    @model_validator(mode="after")
    def _expect_demand(self) -> Self:
        if all(bound is None for bound in (self.at_least, self.at_most, self.max_loss, self.min_gain)):
            raise ValueError("the rule demands nothing; wanted at_least, at_most, max_loss or min_gain")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"no value is at least {self.at_least} and at most {self.at_most}")
        return self


@dataclass(frozen=True)
class Demand:
    """One bound of a rule: the value, or its difference from the baseline, is at least (else at most) ``bound``."""

    words: str
    of: Literal["value", "difference"]
    bound: float
    at_least: bool


@dataclass(frozen=True)
class _Quantity:
    """What a demand is held against: a value or a difference, its interval, and how many samples it is made of."""

    value: float
    ci_low: float | None
    ci_high: float | None
    n: int


class _UndecidedError(Exception):
    """Something is missing that the rule needs. ``samples_needed``: how many samples, where it is samples."""

    def __init__(self, reason: str, samples_needed: int | None = None) -> None:
        super().__init__(reason)
        self.samples_needed = samples_needed


def judge(outcomes: Sequence[MetricOutcome], policy: Sequence[Rule]) -> Verdict:
    """Hold every demand of the policy against the outcomes; a rule with two bounds makes two demands.

    With ``on="interval"`` a demand passes where the whole interval is on the right side of its bound (the bound
    itself is right), fails where the whole interval is on the wrong side, and else is inconclusive. Whatever is missing
    makes it inconclusive: a metric, a value, an interval, a baseline, enough samples, a number that is finite.

    ``samples_needed`` of an interval that holds its bound takes the value to stay and the interval to shrink with
    1/√n: n ((w/d)² - 1), where w is the width of the interval on the bound's side of the value and d the distance of
    the value from the bound. It counts samples of more prompts, drawn as those before.
    """
    rules = tuple(_judge_demand(demand, rule, outcomes) for rule in policy for demand in list_demands(rule, outcomes))
    found = {rule.outcome for rule in rules}
    overall: Outcome = "fail" if "fail" in found else "pass" if found == {"pass"} else "inconclusive"
    return Verdict(outcome=overall, rules=rules)


def list_demands(rule: Rule, outcomes: Sequence[MetricOutcome]) -> list[Demand]:
    """What the rule demands, in the order of its fields. Margins need the direction of the metric they are on."""
    higher = all(o.higher_is_better is not False for o in outcomes if o.label == rule.metric)
    sign = 1.0 if higher else -1.0
    demands = []
    if rule.at_least is not None:
        demands.append(Demand(f"at least {write_bound(rule.at_least)}", "value", rule.at_least, True))
    if rule.at_most is not None:
        demands.append(Demand(f"at most {write_bound(rule.at_most)}", "value", rule.at_most, False))
    if rule.max_loss is not None:
        words = f"at most {write_bound(rule.max_loss)} worse than the baseline" if rule.max_loss else AS_GOOD
        demands.append(Demand(words, "difference", -sign * rule.max_loss, higher))
    if rule.min_gain is not None:
        words = f"at least {write_bound(rule.min_gain)} better than the baseline" if rule.min_gain else AS_GOOD
        demands.append(Demand(words, "difference", sign * rule.min_gain, higher))
    alone = ", by its value alone" if rule.on == "value" else ""
    return [Demand(f"{rule.metric} {d.words}{alone}", d.of, d.bound, d.at_least) for d in demands]


def _judge_demand(demand: Demand, rule: Rule, outcomes: Sequence[MetricOutcome]) -> RuleVerdict:
    try:
        outcome = _find_outcome(rule, outcomes)
        quantity = _read_difference(rule, outcome) if demand.of == "difference" else _read_value(rule, outcome)
        result = _decide(demand, rule, quantity)
        reason = _explain(demand, rule, outcome, quantity, result)
        needed = None if result != "inconclusive" else _estimate_samples(demand, quantity)
    except _UndecidedError as missing:
        result, reason, needed = "inconclusive", str(missing), missing.samples_needed
    return RuleVerdict(rule=demand.words, label=rule.metric, outcome=result, reason=reason, samples_needed=needed)


def _find_outcome(rule: Rule, outcomes: Sequence[MetricOutcome]) -> MetricOutcome:
    found = [outcome for outcome in outcomes if outcome.label == rule.metric]
    if not found:
        raise _UndecidedError(f"This run has no metric {rule.metric}.")
    if len(found) > 1:
        raise _UndecidedError(f"{len(found)} metrics of this run are called {rule.metric}; a rule is about one.")
    return found[0]


def _read_value(rule: Rule, outcome: MetricOutcome) -> _Quantity:
    if outcome.value is None:
        raise _UndecidedError(f"There is no value: {_cite(outcome.reason)}.")
    _expect_samples(rule, outcome, outcome.n_scored, "scored")
    _expect_finite("value", outcome.value, outcome.ci_low, outcome.ci_high)
    return _Quantity(outcome.value, outcome.ci_low, outcome.ci_high, outcome.n_scored)


def _read_difference(rule: Rule, outcome: MetricOutcome) -> _Quantity:
    if outcome.higher_is_better is None:
        raise _UndecidedError(
            "Neither direction of this metric is better, so there is no loss or gain: bound its value."
        )
    _read_value(rule, outcome)
    if outcome.comparison is None:
        raise _UndecidedError("This run was not compared with a baseline.")
    found: Comparison = outcome.comparison
    if found.reason or found.difference is None:
        raise _UndecidedError(f"It cannot be compared with the baseline: {_cite(found.reason)}.")
    _expect_samples(rule, outcome, found.n_samples, "scored in both runs")
    _expect_finite("difference", found.difference, found.ci_low, found.ci_high)
    return _Quantity(found.difference, found.ci_low, found.ci_high, found.n_samples)


def _cite(reason: str) -> str:
    return reason.rstrip(". ") or "and no reason is given"


def _expect_samples(rule: Rule, outcome: MetricOutcome, n: int, which: str) -> None:
    least = max(1, outcome.min_samples if rule.min_samples is None else rule.min_samples)
    if n < least:
        raise _UndecidedError(f"Only {n:,} of the {least:,} samples that it needs are {which}.", least - n)
    total = outcome.n_scored + outcome.n_unscored
    if total - n > rule.max_unscored * total:
        share = 100 * rule.max_unscored
        raise _UndecidedError(f"{total - n:,} of {total:,} samples are not {which}; the rule bears {share:g} %.")


def _expect_finite(name: str, value: float, *others: float | None) -> None:
    if not all(math.isfinite(number) for number in (value, *others) if number is not None):
        raise _UndecidedError(f"The {name} or its interval is no finite number.")


def _decide(demand: Demand, rule: Rule, found: _Quantity) -> Outcome:
    if rule.on == "value":
        return "pass" if _holds(demand, found.value) else "fail"
    if found.ci_low is None or found.ci_high is None:
        raise _UndecidedError(f"The {demand.of} has no interval to hold against the bound.")
    if found.ci_low > found.ci_high:
        raise _UndecidedError(f"The interval is inside out: from {found.ci_low:g} to {found.ci_high:g}.")
    sides = {_holds(demand, found.ci_low), _holds(demand, found.ci_high)}
    return "inconclusive" if len(sides) > 1 else "pass" if sides == {True} else "fail"


def _holds(demand: Demand, number: float) -> bool:
    return number >= demand.bound if demand.at_least else number <= demand.bound


def _explain(demand: Demand, rule: Rule, outcome: MetricOutcome, found: _Quantity, result: Outcome) -> str:
    """The numbers, and what follows from them."""
    bound, unit = demand.bound, outcome.unit
    right, wrong = ("at or above", "below") if demand.at_least else ("at or below", "above")
    subject = "The value" if demand.of == "value" else "The difference from the baseline"
    numbers = f"{subject} is {with_unit(write_beside(found.value, bound), unit)}, from {found.n:,} samples"
    limit = with_unit(write_bound(bound), unit)
    if rule.on == "value" or found.ci_low is None or found.ci_high is None:
        return f"{numbers}: {right if result == 'pass' else wrong} {limit}."
    low, high = write_beside(found.ci_low, bound), write_beside(found.ci_high, bound)
    interval = f"its {100 * outcome.confidence:g} % interval, {low} to {high},"
    if result == "inconclusive":
        return f"{numbers}; {interval} has {limit} inside, so they do not decide it."
    return f"{numbers}; {interval} is wholly {right if result == 'pass' else wrong} {limit}."


def _estimate_samples(demand: Demand, found: _Quantity) -> int | None:
    distance = abs(found.value - demand.bound)
    if distance == 0.0 or found.ci_low is None or found.ci_high is None:
        return None
    width = found.value - found.ci_low if found.value > demand.bound else found.ci_high - found.value
    needed = found.n * ((width / distance) * (width / distance) - 1.0)
    return max(1, math.ceil(needed)) if needed <= MOST_NEEDED else None
