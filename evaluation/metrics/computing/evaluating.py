"""Evaluation of a metric on the samples of a run: value, interval, and counts of scored and unscored samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from evaluation.metrics.base import (
    Measurement,
    Metric,
    PromptMetric,
    SampleInputs,
    SampleMetric,
    SetMetric,
    UnscoredError,
)
from evaluation.metrics.computing.intervals import find_row_interval, find_set_interval
from evaluation.metrics.computing.measuring import (
    Measured,
    RowMetric,
    attempt,
    attempt_value,
    check_samples,
    count_reasons,
    measure_samples,
    sort_samples,
    to_rows,
)
from evaluation.metrics.intervals.base import Interval
from evaluation.metrics.registry import METRICS
from evaluation.number_format import SHARE, write_number, write_value
from evaluation.reasons import group_reasons
from evaluation.results import Comparison, MetricOutcome

# Share of the value above which its bias by the number of images is warned of.
MAX_BIAS: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Result of a metric on a run.

    Attributes:
        n_scored: Number of scored samples (for a PromptMetric: prompts).
        n_unscored: Number of unscored samples (for a PromptMetric: prompts).
        n_prompts: Number of prompts with a scored sample.
        reasons: Number of occurrences of each reason for unscored samples.
        scores: One per sample, in order; None if the metric does not apply to its prompt. A PromptMetric repeats the
            measurement of the prompt for each of its samples, a SetMetric has only errors.
        interval: The method of the interval, or "".
        bias: The value minus its limit for infinitely many images, estimated, for a SetMetric that has one.
        reason: Why there is no value, or "".
        groups: The value per category and per language.
    """

    n_scored: int
    n_unscored: int
    n_prompts: int
    reasons: Mapping[str, int]
    scores: tuple[Measurement | UnscoredError | None, ...]
    confidence: float
    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    interval: str = ""
    bias: float | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    groups: Mapping[str, float] = field(default_factory=dict)


def evaluate_metric(
    metric: Metric, samples: Sequence[SampleInputs], *, reference: Any = None, confidence: float = 0.95
) -> Evaluation:
    """Measure samples, aggregate, and compute the interval. Exceptions raised by the metric become reasons.

    Args:
        metric: Any of the three kinds.
        samples: Samples of the run; those whose prompt the metric does not apply to are skipped.
        reference: Statistic of the reference set, for a metric that has one.
        confidence: Of the interval.

    Raises:
        TypeError: The metric is none of the three kinds.
    """
    applicable = [sample for sample in samples if metric.applies_to(sample.prompt)]
    if isinstance(metric, SetMetric):
        found = _evaluate_set(metric, applicable, reference, confidence)
    elif isinstance(metric, SampleMetric | PromptMetric):
        found = _evaluate_rows(metric, applicable, confidence)
    else:
        raise TypeError(f"{type(metric).__name__} is not a SampleMetric, PromptMetric or SetMetric.")
    answers = iter(found.scores)
    scores = (next(answers) if metric.applies_to(sample.prompt) else None for sample in samples)
    return replace(found, scores=tuple(scores))


def _evaluate_rows(metric: RowMetric, samples: Sequence[SampleInputs], confidence: float) -> Evaluation:
    measured = measure_samples(metric, samples)
    answer_by_id = {id(s): answer for unit, answer in zip(measured.units, measured.answers, strict=True) for s in unit}
    counted = Evaluation(
        n_scored=len(measured.scored),
        n_unscored=len(measured.unscored),
        n_prompts=len({prompt.key for prompt, _ in measured.scored}),
        reasons=count_reasons(measured.unscored),
        scores=tuple(answer_by_id[id(sample)] for sample in samples),
        confidence=confidence,
    )
    if not measured.scored:
        return replace(counted, reason=_explain(measured.unscored))
    value = attempt_value(metric, lambda: metric.aggregate(measured.rows.rows))
    if isinstance(value, UnscoredError):
        return replace(counted, reason=str(value))
    interval = find_row_interval(metric, measured.rows, confidence)
    return _conclude(metric, replace(counted, value=value, groups=_group(metric, measured)), interval)


def _evaluate_set(metric: SetMetric, samples: Sequence[SampleInputs], reference: Any, confidence: float) -> Evaluation:
    errors = check_samples(metric, samples)
    passed = sort_samples([sample for sample, error in zip(samples, errors, strict=True) if error is None])
    unscored = [error for error in errors if error is not None]
    counted = Evaluation(
        n_scored=len(passed),
        n_unscored=len(unscored),
        n_prompts=len({sample.prompt.key for sample in passed}),
        reasons=count_reasons(unscored),
        scores=tuple(errors),
        confidence=confidence,
    )
    if not passed:
        return replace(counted, reason=_explain(unscored))
    statistic = attempt(metric, lambda: metric.summarize(passed))
    value = (
        statistic
        if isinstance(statistic, UnscoredError)
        else attempt_value(metric, lambda: metric.compute(statistic, reference))
    )
    if isinstance(value, UnscoredError):
        return replace(counted, reason=str(value))
    warnings = attempt(metric, lambda: metric.warnings(statistic))
    texts = (str(warnings),) if isinstance(warnings, UnscoredError) else tuple(warnings)
    interval = find_set_interval(metric, passed, value, reference, confidence)
    return _conclude(metric, replace(counted, value=value, warnings=texts), interval)


def _conclude(metric: Metric, found: Evaluation, interval: Interval) -> Evaluation:
    """Add the interval and the bias, or a warning that says why there is none."""
    warnings = [*found.warnings, *_warn_of_bias(metric, found, interval)]
    if found.n_scored < (minimum := metric.declaration.min_samples):
        unit = "prompts" if isinstance(metric, PromptMetric) else "samples"
        warnings.insert(0, f"Only {found.n_scored} {unit} were scored; the value is not meaningful below {minimum}.")
    if interval.low is None:
        return replace(found, warnings=(*warnings, f"No interval: {interval.method}."))
    if found.value is not None:
        interval = interval.contain(found.value, metric.limits(found.n_scored))
    return replace(
        found,
        ci_low=interval.low,
        ci_high=interval.high,
        interval=interval.method,
        bias=interval.bias,
        warnings=tuple(warnings),
    )


def _warn_of_bias(metric: Metric, found: Evaluation, interval: Interval) -> list[str]:
    """A warning while the bias by the number of images is above 5 % of the value, or is not known."""
    if not isinstance(metric, SetMetric) or not metric.has_limit or found.value is None:
        return []
    n = f"{found.n_scored:,} images"
    advice = "Compare it only with values of as many images."
    if interval.bias is None:
        return [f"The bias by the number of images is not known. {advice}"]
    if abs(interval.bias) <= MAX_BIAS * abs(found.value):
        return []
    bias, way = write_number(abs(interval.bias), 2), "high" if interval.bias > 0 else "low"
    share = write_value(abs(interval.bias / found.value), SHARE) if found.value else "all"
    return [
        f"With {n} the value is about {bias} too {way} ({share} of it), compared with infinitely many. The interval is"
        f" that of the value of {n}. {advice}"
    ]


def describe_outcome(
    metric: Metric, evaluation: Evaluation, comparison: Comparison | None, label: str, identity: Mapping[str, Any]
) -> MetricOutcome:
    """Combine an evaluation, a comparison and the declaration of the metric in plain values."""
    declaration = metric.declaration
    path = f"{type(metric).__module__}.{type(metric).__qualname__}"
    return MetricOutcome(
        label=label,
        name=next((name for name, known in METRICS.items() if known == path), label),
        title=metric.title,
        network=metric.network,
        unit=declaration.unit,
        higher_is_better=declaration.higher_is_better,
        min_samples=declaration.min_samples,
        source=declaration.source,
        value=evaluation.value,
        ci_low=evaluation.ci_low,
        ci_high=evaluation.ci_high,
        confidence=evaluation.confidence,
        interval=evaluation.interval,
        bias=evaluation.bias,
        n_scored=evaluation.n_scored,
        n_unscored=evaluation.n_unscored,
        n_prompts=evaluation.n_prompts,
        reason=evaluation.reason,
        reasons=evaluation.reasons,
        warnings=evaluation.warnings,
        identity=identity,
        comparison=comparison,
        groups=evaluation.groups,
    )


def _explain(unscored: Sequence[UnscoredError]) -> str:
    groups = group_reasons(count_reasons(unscored))
    if not groups:
        return "There are no samples."
    rest = "" if len(groups) == 1 else f" ({groups[0].n} of {len(unscored)}, the others for other reasons)"
    return f"No sample was scored: {groups[0].text}{rest}"


def _group(metric: RowMetric, measured: Measured) -> dict[str, float]:
    """The value per category and per language of the prompts, if there are several."""
    groups = {}
    for name in ("category", "language"):
        members: dict[str, list[Measurement]] = {}
        for prompt, measurement in measured.scored:
            members.setdefault(getattr(prompt, name), []).append(measurement)
        members.pop("", None)
        if len(members) < 2:
            continue
        for member, measurements in sorted(members.items()):
            value = attempt_value(metric, partial(metric.aggregate, to_rows(measurements)))
            if not isinstance(value, UnscoredError):
                groups[f"{name}: {member}"] = value
    return groups
