"""Run report: the plain values that the HTML, JSON, Markdown and JUnit reports are rendered from."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, NamedTuple

from pydantic import ConfigDict

from evaluation.number_format import SHARE, write_value
from evaluation.reasons import write_reasons
from evaluation.results import MetricOutcome, Outcome, RuleVerdict, Verdict
from evaluation.suites.gate import Rule

SEVERITY: Final[tuple[Outcome, ...]] = ("fail", "inconclusive", "pass")
SCHEMA_VERSION: Final[Literal[1]] = 1


@dataclass(frozen=True, kw_only=True)
class ReportedSuite:
    """The suite. ``digest`` covers everything that decides which images are drawn, and how they are judged."""

    name: str
    version: str
    digest: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportedModel:
    """A model; ``run`` is the key of the run that measured it."""

    slug: str
    name: str
    revision: str
    run: str = ""


@dataclass(frozen=True, kw_only=True)
class SampleScore:
    """A metric's value for one sample, or in ``error`` the reason why it has none.

    ``is_unread``: the image could not be read from the store, so that the sample can be scored later.
    """

    value: float | None
    note: str = ""
    error: str = ""
    is_unread: bool = False


@dataclass(frozen=True, kw_only=True)
class ReadLine:
    """A line of text read from an image. ``box``: its corners (x, y), in pixels of the original."""

    text: str
    box: tuple[tuple[float, float], ...]
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True)
class FoundObject:
    """An object found by a detector. ``box``: left, top, right, bottom, in pixels of the original."""

    label: str
    box: tuple[float, float, float, float]
    color: str = ""
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True)
class SampleReport:
    """One sample. ``image`` is the sha256 of the original; if it is "", ``reason`` says why there is no image.

    ``scores`` are by the metric's label; a metric on prompts repeats its value for each sample of the prompt.
    """

    prompt_key: str
    prompt: str
    category: str = ""
    language: str = ""
    targets: tuple[str, ...] = ()
    seed: int
    status: str
    reason: str = ""
    image: str = ""
    scores: Mapping[str, SampleScore] = field(default_factory=dict)
    lines: tuple[ReadLine, ...] = ()
    objects: tuple[FoundObject, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """A run with its samples, metrics and verdict.

    ``policy`` holds the rules behind ``verdict``. Times are ISO 8601; ``usd`` is None if the cost is unknown. ``spec``
    and the ``identity`` of an outcome hold JSON values.
    """

    # Also applies to nested values: unknown keys are errors, and NaN and infinities are written as strings.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", ser_json_inf_nan="strings", json_schema_serialization_defaults_required=True
    )

    schema_version: Literal[1] = SCHEMA_VERSION
    run: str
    suite: ReportedSuite
    model: ReportedModel
    baseline: ReportedModel | None = None
    commit: str = ""
    status: str
    started: str
    finished: str = ""
    n_samples: int
    n_drawn: int
    n_refused: int
    n_failed: int
    usd: float | None = None
    outcomes: tuple[MetricOutcome, ...] = ()
    policy: tuple[Rule, ...] = ()
    verdict: Verdict | None = None
    samples: tuple[SampleReport, ...] = ()
    spec: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def find_seconds(report: RunReport) -> float | None:
    """Duration of the run in seconds, None if a time is missing."""
    try:
        return (datetime.fromisoformat(report.finished) - datetime.fromisoformat(report.started)).total_seconds()
    except (ValueError, TypeError):
        return None


def rank_rules(report: RunReport) -> list[RuleVerdict]:
    """Rules by severity: failed, inconclusive, passed."""
    return sorted(report.verdict.rules, key=lambda rule: SEVERITY.index(rule.outcome)) if report.verdict else []


def rank_outcomes(report: RunReport) -> list[MetricOutcome]:
    """Metrics by the severity of their rules: failed, inconclusive, passed, without a rule."""
    severity = {rule.label: SEVERITY.index(rule.outcome) for rule in reversed(rank_rules(report))}
    return sorted(report.outcomes, key=lambda outcome: severity.get(outcome.label, len(SEVERITY)))


def name_metrics(report: RunReport) -> dict[str, str]:
    """The names of the metrics by label: their titles, with the label where several metrics have one title."""
    counts = Counter(outcome.title for outcome in report.outcomes)
    return {
        outcome.label: f"{outcome.title} ({outcome.label})" if counts[outcome.title] > 1 else outcome.title
        for outcome in report.outcomes
    }


def write_bias(outcome: MetricOutcome) -> str:
    """The value minus its limit for infinitely many images: "bias by N about +0.45"; "" where there is none."""
    return "" if outcome.bias is None else f"bias by N about {outcome.bias:+.2g}"


def list_warnings(report: RunReport) -> list[str]:
    """The warnings of the run, then those of its metrics, each once with the names of the metrics that it is on."""
    names, found = name_metrics(report), dict[str, list[str]]()
    for outcome in report.outcomes:
        for warning in outcome.warnings:
            found.setdefault(warning, []).append(names[outcome.label])
    return [*report.warnings, *(f"{'; '.join(named)}: {warning}" for warning, named in found.items())]


def list_unscored(report: RunReport) -> list[tuple[list[str], str]]:
    """Unscored samples: the names of metrics that have the same reasons, and these reasons in one line."""
    names = name_metrics(report)
    alike: dict[str, list[str]] = {}
    for outcome in report.outcomes:
        if reasons := write_reasons(outcome.reasons):
            alike.setdefault(reasons, []).append(names[outcome.label])
    return [(metrics, reasons) for reasons, metrics in alike.items()]


def find_worst(report: RunReport, outcome: MetricOutcome, n: int) -> list[SampleReport]:
    """The ``n`` samples with the worst values of a metric, worst first, at most one for each prompt.

    Empty if no sample has a value, the metric has no better direction, or all values are equal. Samples with the best
    value of the run are left out; the only sample is worst unless it has the best possible value.
    """
    ranked = _rank_values(report, outcome)
    if len(ranked) == 1:
        return [] if _is_best(ranked[0].value, outcome) else [report.samples[ranked[0].place]]
    worst: dict[str, SampleReport] = {}
    for sample in ranked:
        if sample.value != ranked[-1].value:
            worst.setdefault(sample.prompt, report.samples[sample.place])
    return list(worst.values())[:n]


def describe_ties(report: RunReport, outcome: MetricOutcome, n: int) -> str:
    """A sentence on the samples that share the worst value, if all do or if they are more than ``n``; else "".

    Nothing is said if all have the best possible value.
    """
    ranked = _rank_values(report, outcome)
    if len(ranked) < 2 or _is_best(ranked[0].value, outcome):
        return ""
    n_worst = sum(sample.value == ranked[0].value for sample in ranked)
    value = write_value(ranked[0].value, outcome.unit)
    if n_worst == len(ranked):
        return f"All {n_worst:,} samples have the same value, {value}."
    return f"{n_worst:,} of {len(ranked):,} samples have the worst value, {value}." if n_worst > n else ""


class _Ranked(NamedTuple):
    value: float
    prompt: str
    seed: int
    place: int  # in the report


def _rank_values(report: RunReport, outcome: MetricOutcome) -> list[_Ranked]:
    """The samples with a value of a metric that has a better direction, the worst first."""
    if outcome.higher_is_better is None:
        return []
    sign = 1.0 if outcome.higher_is_better else -1.0
    found = [
        _Ranked(score.value, sample.prompt_key, sample.seed, index)
        for index, sample in enumerate(report.samples)
        if (score := sample.scores.get(outcome.label)) is not None and score.value is not None
    ]
    return sorted(found, key=lambda ranked: (sign * ranked.value, *ranked[1:]))


def _is_best(value: float, outcome: MetricOutcome) -> bool:
    """Whether no value of a sample can be better: 0 if lower is better, 1 for shares and numbers without a unit."""
    if outcome.higher_is_better:
        return value == 1.0 and outcome.unit in {SHARE, ""}
    return value == 0.0
