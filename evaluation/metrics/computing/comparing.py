"""Comparison of a run with its baseline, on the samples that have a value in both."""

from collections.abc import Hashable, Sequence
from typing import Any

from evaluation.metrics.base import Metric, PromptMetric, SampleInputs, SampleMetric, SetMetric, UnscoredError
from evaluation.metrics.computing.intervals import find_row_difference, find_set_difference
from evaluation.metrics.computing.measuring import (
    Measured,
    RowMetric,
    attempt_value,
    check_samples,
    count_reasons,
    measure_samples,
    sample_key,
    sort_samples,
)
from evaluation.metrics.intervals.base import Interval
from evaluation.reasons import group_reasons
from evaluation.results import Comparison


def compare_with_baseline(
    metric: Metric,
    samples: Sequence[SampleInputs],
    baseline_samples: Sequence[SampleInputs],
    *,
    reference: Any = None,
    confidence: float = 0.95,
) -> Comparison:
    """Compare two runs on the samples (for a PromptMetric: the prompts) that have a value in both, so that N is equal.

    Samples are matched by prompt and seed.

    Args:
        metric: Any of the three kinds.
        samples: Samples of the run.
        baseline_samples: Samples of the baseline.
        reference: Statistic of the reference set, for a metric that has one.
        confidence: Of the interval of the difference.

    Returns:
        Value, baseline and difference with its interval; if nothing can be compared, only the reason.
    """
    own = [sample for sample in sort_samples(samples) if metric.applies_to(sample.prompt)]
    others = [sample for sample in sort_samples(baseline_samples) if metric.applies_to(sample.prompt)]
    shared = {sample_key(sample) for sample in own} & {sample_key(sample) for sample in others}
    if not shared:
        return Comparison(reason="The two runs have no sample (prompt and seed) in common.")
    own, others = ([s for s in side if sample_key(s) in shared] for side in (own, others))
    if isinstance(metric, SetMetric):
        return _compare_sets(metric, own, others, reference, confidence)
    if isinstance(metric, SampleMetric | PromptMetric):
        return _compare_rows(metric, own, others, confidence)
    raise TypeError(f"{type(metric).__name__} is not a SampleMetric, PromptMetric or SetMetric.")


def _compare_rows(
    metric: RowMetric, samples: Sequence[SampleInputs], baseline: Sequence[SampleInputs], confidence: float
) -> Comparison:
    own, other = measure_samples(metric, samples), measure_samples(metric, baseline)
    both = _scored_keys(own) & _scored_keys(other)
    if not both:
        return _refuse([*own.unscored, *other.unscored])
    own, other = own.select(both), other.select(both)
    value = attempt_value(metric, lambda: metric.aggregate(own.rows.rows))
    base = attempt_value(metric, lambda: metric.aggregate(other.rows.rows))
    if isinstance(value, UnscoredError) or isinstance(base, UnscoredError):
        return _refuse([answer for answer in (value, base) if isinstance(answer, UnscoredError)])
    interval = find_row_difference(metric, own.rows, other.rows, confidence)
    return _conclude(value, base, interval, len(both), len(own.rows.lengths))


def _scored_keys(measured: Measured) -> set[Hashable]:
    answers = zip(measured.keys, measured.answers, strict=True)
    return {key for key, answer in answers if not isinstance(answer, UnscoredError)}


def _compare_sets(
    metric: SetMetric,
    samples: Sequence[SampleInputs],
    baseline: Sequence[SampleInputs],
    reference: Any,
    confidence: float,
) -> Comparison:
    errors, other_errors = check_samples(metric, samples), check_samples(metric, baseline)
    passed = [own is None and other is None for own, other in zip(errors, other_errors, strict=True)]
    if not any(passed):
        return _refuse([error for error in [*errors, *other_errors] if error])
    own, others = ([s for s, ok in zip(side, passed, strict=True) if ok] for side in (samples, baseline))
    value = attempt_value(metric, lambda: metric.compute(metric.summarize(own), reference))
    base = attempt_value(metric, lambda: metric.compute(metric.summarize(others), reference))
    if isinstance(value, UnscoredError) or isinstance(base, UnscoredError):
        return _refuse([answer for answer in (value, base) if isinstance(answer, UnscoredError)])
    interval = find_set_difference(metric, own, others, (value, base), reference, confidence)
    return _conclude(value, base, interval, len(own), len({sample.prompt.key for sample in own}))


def _conclude(value: float, baseline: float, interval: Interval, n_samples: int, n_prompts: int) -> Comparison:
    return Comparison(
        value=value,
        baseline=baseline,
        difference=value - baseline,
        ci_low=interval.low,
        ci_high=interval.high,
        n_samples=n_samples,
        n_prompts=n_prompts,
    )


def _refuse(reasons: Sequence[UnscoredError]) -> Comparison:
    most = group_reasons(count_reasons(reasons))[0]
    return Comparison(reason=f"No sample has a value in both runs: {most.text}")
