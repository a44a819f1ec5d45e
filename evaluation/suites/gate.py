"""Gate: the rules of a suite, and the verdict on a run. Pure: it sees metric outcomes only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evaluation import number_format
from evaluation.number_format import SHARE, write_limit, write_margin, write_value
from evaluation.results import Comparison, MetricOutcome, Outcome, RuleVerdict, Verdict

EXIT_CODES: Final[dict[Outcome, int]] = {"pass": 0, "fail": 1, "inconclusive": 2}
AS_GOOD: Final = "at least as good as the baseline"
# An estimate above this says only that the value is too close to the bound.
MAX_SAMPLES_NEEDED: Final = 10**9


class Rule(BaseModel):
    """Requirements on one metric, named by its label in the suite.

    ``at_least`` and ``at_most`` bound the value. ``max_loss`` (a non-inferiority margin) and ``min_gain`` bound the
    difference from the baseline, in the metric's unit and in the direction that is better. With ``on = "interval"`` the
    whole interval has to be on the right side of the bound; with ``on = "value"`` the value alone.
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
    def _expect_bound(self) -> Self:
        if all(bound is None for bound in (self.at_least, self.at_most, self.max_loss, self.min_gain)):
            raise ValueError("the rule has no bound: give at_least, at_most, max_loss or min_gain")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"no value is at least {self.at_least} and at most {self.at_most}")
        return self


@dataclass(frozen=True)
class Requirement:
    """One bound of a rule: the value, or its difference from the baseline, is at least (else at most) ``bound``."""

    text: str  # with the metric's label
    of: Literal["value", "difference"]
    bound: float
    at_least: bool


@dataclass(frozen=True)
class _Quantity:
    """The value or difference that a requirement is checked against, with its interval and number of samples."""

    value: float
    ci_low: float | None
    ci_high: float | None
    n: int


class _UndecidedError(Exception):
    """The rule cannot be decided. ``samples_needed`` is the number of samples it lacks, if it lacks samples."""

    def __init__(self, reason: str, samples_needed: int | None = None) -> None:
        super().__init__(reason)
        self.samples_needed = samples_needed


def judge(outcomes: Sequence[MetricOutcome], rules: Sequence[Rule]) -> Verdict:
    """Check every requirement of the rules; a rule with two bounds makes two requirements.

    With ``on="interval"`` a requirement passes if the whole interval is on the right side of its bound (the bound
    itself is right), fails if the whole interval is on the wrong side, and is inconclusive otherwise. It is also
    inconclusive if anything is missing: the metric, its value, an interval, a baseline, enough samples, finite numbers.

    ``samples_needed`` of an interval that contains its bound assumes that the value stays and the interval shrinks with
    1/√n: n ((w/d)² - 1), where w is the width of the interval on the bound's side of the value and d the distance of
    the value from the bound. It counts samples of further prompts from the same source.
    """
    verdicts = tuple(
        _judge_requirement(requirement, rule, outcomes)
        for rule in rules
        for requirement in list_requirements(rule, outcomes)
    )
    found = {verdict.outcome for verdict in verdicts}
    overall: Outcome = "fail" if "fail" in found else "pass" if found == {"pass"} else "inconclusive"
    return Verdict(outcome=overall, rules=verdicts)


def list_requirements(rule: Rule, outcomes: Sequence[MetricOutcome]) -> list[Requirement]:
    """The requirements of a rule, in the order of its fields. Unit and direction are those of the metric's outcome.

    A metric whose network is a parameter is named with it: "fid with EfficientNet-Lite0 at most 30".
    """
    found = [outcome for outcome in outcomes if outcome.label == rule.metric]
    unit, higher = found[0].unit if found else "", all(outcome.higher_is_better is not False for outcome in found)
    sign = 1.0 if higher else -1.0
    name = f"{rule.metric} with {found[0].network}" if found and found[0].network else rule.metric
    ends = " (value only)" if rule.on == "value" else ""

    def require(text: str, of: Literal["value", "difference"], bound: float, at_least: bool) -> Requirement:
        return Requirement(f"{name} {text}{ends}", of, bound, at_least)

    requirements = []
    if rule.at_least is not None:
        requirements.append(require(f"at least {write_limit(rule.at_least, unit)}", "value", rule.at_least, True))
    if rule.at_most is not None:
        requirements.append(require(f"at most {write_limit(rule.at_most, unit)}", "value", rule.at_most, False))
    if rule.max_loss is not None:
        text = f"at most {write_margin(rule.max_loss, unit)} worse than the baseline" if rule.max_loss else AS_GOOD
        requirements.append(require(text, "difference", -sign * rule.max_loss, higher))
    if rule.min_gain is not None:
        text = f"at least {write_margin(rule.min_gain, unit)} better than the baseline" if rule.min_gain else AS_GOOD
        requirements.append(require(text, "difference", sign * rule.min_gain, higher))
    return requirements


def _judge_requirement(requirement: Requirement, rule: Rule, outcomes: Sequence[MetricOutcome]) -> RuleVerdict:
    try:
        outcome = _find_outcome(rule, outcomes)
        quantity = _read_difference(rule, outcome) if requirement.of == "difference" else _read_value(rule, outcome)
        result = _decide(requirement, rule, quantity)
        reason = _explain(requirement, rule, outcome, quantity, result)
        needed = None if result != "inconclusive" else _estimate_samples(requirement, quantity)
    except _UndecidedError as missing:
        result, reason, needed = "inconclusive", str(missing), missing.samples_needed
    return RuleVerdict(rule=requirement.text, label=rule.metric, outcome=result, reason=reason, samples_needed=needed)


def _find_outcome(rule: Rule, outcomes: Sequence[MetricOutcome]) -> MetricOutcome:
    found = [outcome for outcome in outcomes if outcome.label == rule.metric]
    if not found:
        raise _UndecidedError(f"This run has no metric {rule.metric}.")
    if len(found) > 1:
        raise _UndecidedError(f"{len(found)} metrics of this run have the label {rule.metric}; labels must be unique.")
    return found[0]


def _read_value(rule: Rule, outcome: MetricOutcome) -> _Quantity:
    if outcome.value is None:
        raise _UndecidedError(f"There is no value: {_cite(outcome.reason)}.")
    _expect_samples(rule, outcome, outcome.n_scored, "scored", "unscored")
    _expect_finite("value", outcome.value, outcome.ci_low, outcome.ci_high)
    return _Quantity(outcome.value, outcome.ci_low, outcome.ci_high, outcome.n_scored)


def _read_difference(rule: Rule, outcome: MetricOutcome) -> _Quantity:
    if outcome.higher_is_better is None:
        raise _UndecidedError(
            "This metric has no better direction, so it has no loss or gain. Bound its value with at_least or at_most."
        )
    _read_value(rule, outcome)
    if outcome.comparison is None:
        raise _UndecidedError("This run was not compared with a baseline.")
    found: Comparison = outcome.comparison
    if found.reason or found.difference is None:
        raise _UndecidedError(f"It cannot be compared with the baseline: {_cite(found.reason)}.")
    _expect_samples(rule, outcome, found.n_samples, "scored in both runs", "not scored in both runs")
    _expect_finite("difference", found.difference, found.ci_low, found.ci_high)
    return _Quantity(found.difference, found.ci_low, found.ci_high, found.n_samples)


def _cite(reason: str) -> str:
    return reason.rstrip(". ") or "no reason is given"


def _expect_samples(rule: Rule, outcome: MetricOutcome, n: int, scored: str, unscored: str) -> None:
    least = max(1, outcome.min_samples if rule.min_samples is None else rule.min_samples)
    if n < least:
        only = "1 sample is" if n == 1 else f"{n:,} samples are"
        raise _UndecidedError(f"Only {only} {scored}; this rule needs {least:,}.", least - n)
    total = outcome.n_scored + outcome.n_unscored
    lost, allowed = total - n, rule.max_unscored
    if lost > allowed * total:
        limit = write_limit(allowed, SHARE)
        raise _UndecidedError(
            f"{_count_lost(lost, total, unscored, allowed)}, more than the {limit} that this rule allows."
        )


def _count_lost(lost: int, total: int, unscored: str, allowed: float) -> str:
    share = write_value(lost / total, SHARE, beside=allowed)
    return f"{lost:,} of {total:,} samples ({share}) {'is' if lost == 1 else 'are'} {unscored}"


def _warn_of_lost(rule: Rule, outcome: MetricOutcome, n: int) -> str:
    """A warning if one more unscored sample would make the rule inconclusive."""
    total = outcome.n_scored + outcome.n_unscored
    if n == total or total - n + 1 <= rule.max_unscored * total:
        return ""
    unscored = "unscored" if n == outcome.n_scored else "not scored in both runs"
    return f" {_count_lost(total - n, total, unscored, rule.max_unscored)}, the most this rule allows."


def _expect_finite(name: str, value: float, *others: float | None) -> None:
    if not all(math.isfinite(number) for number in (value, *others) if number is not None):
        raise _UndecidedError(f"The {name} or its interval is not a finite number.")


def _decide(requirement: Requirement, rule: Rule, found: _Quantity) -> Outcome:
    if rule.on == "value":
        return "pass" if _holds(requirement, found.value) else "fail"
    if found.ci_low is None or found.ci_high is None:
        raise _UndecidedError(f"The {requirement.of} has no interval, which this rule needs.")
    if found.ci_low > found.ci_high:
        raise _UndecidedError(f"The interval is reversed: from {found.ci_low:g} to {found.ci_high:g}.")
    sides = {_holds(requirement, found.ci_low), _holds(requirement, found.ci_high)}
    return "inconclusive" if len(sides) > 1 else "pass" if sides == {True} else "fail"


def _holds(requirement: Requirement, number: float) -> bool:
    return number >= requirement.bound if requirement.at_least else number <= requirement.bound


def _explain(requirement: Requirement, rule: Rule, outcome: MetricOutcome, found: _Quantity, result: Outcome) -> str:
    """The numbers, and the side of the limit on which they lie."""
    bound, unit, samples = requirement.bound, outcome.unit, "sample" if found.n == 1 else "samples"
    if requirement.of == "value":
        write_interval, limit = number_format.write_interval, write_limit(bound, unit)
        numbers = (
            f"{write_value(found.value, unit, beside=bound)} {_choose_preposition(found, unit)} {found.n:,} {samples}"
        )
    else:
        write_interval, limit = (
            number_format.write_difference_interval,
            number_format.write_difference_limit(bound, unit),
        )
        difference = number_format.write_difference(found.value, unit, beside=bound)
        numbers = f"{difference} against the baseline, from {found.n:,} {samples}"
    ends = [found.value]
    if rule.on == "interval" and found.ci_low is not None and found.ci_high is not None:
        ends = [found.ci_low, found.ci_high]
        interval = write_interval(found.ci_low, found.ci_high, unit, beside=bound)
        numbers = f"{numbers} ({100 * outcome.confidence:g} % interval {interval})"
    conclusion = (
        f"the interval contains the limit of {limit}, so the rule is undecided"
        if result == "inconclusive"
        else f"{_name_side(ends, bound)} the limit of {limit}"
    )
    return f"{numbers}: {conclusion}.{_warn_of_bias(requirement, outcome)}{_warn_of_lost(rule, outcome, found.n)}"


def _warn_of_bias(requirement: Requirement, outcome: MetricOutcome) -> str:
    """A warning if the value and its limit for infinitely many images are on different sides of the bound."""
    if requirement.of != "value" or outcome.value is None or outcome.bias is None:
        return ""
    if _holds(requirement, outcome.value) == _holds(requirement, outcome.value - outcome.bias):
        return ""
    return f" Without its bias by N, about {outcome.bias:+.2g}, the value would be on the other side of the limit."


def _choose_preposition(found: _Quantity, unit: str) -> str:
    """ "0 % of 20 samples" counts samples; the mean of 20 shares is "41.3 % over 20 samples"."""
    count = found.value * found.n
    if unit != SHARE:
        return "from"
    return "of" if math.isclose(count, round(count), abs_tol=1e-6) else "over"


def _name_side(ends: Sequence[float], bound: float) -> str:
    if min(ends) > bound:
        return "above"
    if max(ends) < bound:
        return "below"
    return (
        "not below" if min(ends) == bound and max(ends) > bound else "not above" if min(ends) < bound else "exactly at"
    )


def _estimate_samples(requirement: Requirement, found: _Quantity) -> int | None:
    distance = abs(found.value - requirement.bound)
    if distance == 0.0 or found.ci_low is None or found.ci_high is None:
        return None
    width = found.value - found.ci_low if found.value > requirement.bound else found.ci_high - found.value
    needed = found.n * ((width / distance) * (width / distance) - 1.0)
    return max(1, math.ceil(needed)) if needed <= MAX_SAMPLES_NEEDED else None
