"""Intervals of metric values and of differences: the method that suits each metric."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from evaluation.metrics.base import Metric, SampleInputs, SetMetric, UnscoredError
from evaluation.metrics.computing.measuring import RowMetric, attempt, attempt_value
from evaluation.metrics.intervals.base import ClusteredRows, Interval, refuse_few
from evaluation.metrics.intervals.bootstrap import bootstrap, bootstrap_difference
from evaluation.metrics.intervals.jackknife import jackknife, leave_out, split_prompts
from evaluation.metrics.intervals.rates import rate_difference, rate_interval
from evaluation.metrics.intervals.sets import set_difference_interval, set_interval
from evaluation.number_format import SHARE


def find_row_interval(metric: RowMetric, rows: ClusteredRows, confidence: float) -> Interval:
    """Interval of the aggregate of rows that are grouped by prompt."""
    if _is_rate(metric, rows):
        return rate_interval(rows, confidence=confidence)
    return _expect_interval(metric, attempt(metric, lambda: bootstrap(metric.aggregate, rows, confidence=confidence)))


def find_row_difference(metric: RowMetric, rows: ClusteredRows, baseline: ClusteredRows, confidence: float) -> Interval:
    """Interval of the aggregate minus that of the baseline; row i is the same sample on both sides."""
    if _is_rate(metric, rows) and _is_rate(metric, baseline):
        return rate_difference(rows, baseline, confidence=confidence)
    found = attempt(metric, lambda: bootstrap_difference(metric.aggregate, rows, baseline, confidence=confidence))
    return _expect_interval(metric, found)


def find_set_interval(
    metric: SetMetric, samples: Sequence[SampleInputs], value: float, reference: Any, confidence: float
) -> Interval:
    """Interval of the value of a set. It does not include the sampling error of the reference set."""
    groups, sizes = _split(samples)

    def find() -> Interval:
        if len(sizes) < 2:
            return refuse_few(sum(sizes))
        spread = jackknife(value, *_leave_out(metric, groups, sizes, reference))
        interval = set_interval(value, spread, limits=metric.limits(len(samples)), confidence=confidence)
        if not metric.has_limit:
            return interval
        # With few images the estimate may exceed the value, but the limit is possible.
        bias = value - float(np.clip(value - spread.bias, *metric.declaration.range))
        return replace(interval, method=f"{interval.method}, of the value at this number of images", bias=bias)

    return _expect_interval(metric, attempt(metric, find))


def find_set_difference(
    metric: SetMetric,
    samples: Sequence[SampleInputs],
    baseline: Sequence[SampleInputs],
    values: tuple[float, float],
    reference: Any,
    confidence: float,
) -> Interval:
    """Interval of the value of a set minus that of the baseline, leaving out the same prompts on both sides."""
    (groups, sizes), (others, _) = _split(samples), _split(baseline)

    def find() -> Interval:
        if len(sizes) < 2:
            return refuse_few(sum(sizes))
        own, other = (_leave_out(metric, side, sizes, reference) for side in (groups, others))
        alone = [a - b for a, b in zip(own.alone, other.alone, strict=True)]
        paired = [None if a is None or b is None else a - b for a, b in zip(own.paired, other.paired, strict=True)]
        spreads = jackknife(values[0], *own), jackknife(values[1], *other)
        difference = jackknife(values[0] - values[1], alone, sizes, paired)
        limits = metric.limits(len(samples))
        return set_difference_interval(values, spreads, difference, limits=limits, confidence=confidence)

    return _expect_interval(metric, attempt(metric, find))


class _LeftOut(NamedTuple):
    """Values without each group of prompts, numbers of prompts of the groups, and values without pairs of groups."""

    alone: list[float]
    sizes: list[int]
    paired: list[float | None]


def _leave_out(
    metric: SetMetric, groups: Sequence[Sequence[SampleInputs]], sizes: list[int], reference: Any
) -> _LeftOut:
    """Raises UnscoredError if there is no value without one of the groups."""
    alone, paired = dict[int, float](), list[float | None]()
    for left_out, statistic in leave_out(groups, metric.summarize):
        found = attempt_value(metric, partial(metric.compute, statistic, reference))
        if len(left_out) == 1:
            if isinstance(found, UnscoredError):
                raise found
            alone[left_out[0]] = found
        else:
            paired.append(None if isinstance(found, UnscoredError) else found)
    return _LeftOut([alone[i] for i in sorted(alone)], sizes, paired)


def _split(samples: Sequence[SampleInputs]) -> tuple[list[list[SampleInputs]], list[int]]:
    """Samples of each group of prompts, and the number of prompts of each group."""
    by_prompt: dict[str, list[SampleInputs]] = {}
    for sample in samples:
        by_prompt.setdefault(sample.prompt.key, []).append(sample)
    groups = split_prompts(by_prompt)
    return [[sample for key in group for sample in by_prompt[key]] for group in groups], [len(g) for g in groups]


def _is_rate(metric: RowMetric, rows: ClusteredRows) -> bool:
    """Whether the value is the mean of 0s and 1s, for which there is an exact interval.

    If all rows are 0, or all are 1, only the unit distinguishes a share from a price of 0 or a rank of 1.
    """
    found = set(np.unique(rows.rows[:, 0]))
    if not (found == {0.0, 1.0} or (found < {0.0, 1.0} and metric.declaration.unit == SHARE)):
        return False
    value = attempt(metric, lambda: metric.aggregate(rows.rows))
    return not isinstance(value, UnscoredError) and abs(value - float(rows.rows[:, 0].mean())) <= 1e-12


def _expect_interval(metric: Metric, found: Interval | UnscoredError) -> Interval:
    if isinstance(found, UnscoredError):
        return Interval(None, None, f"{metric.title} has no value without some of the prompts: {found}")
    return found
