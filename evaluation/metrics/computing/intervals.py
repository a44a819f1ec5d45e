"""Intervals of metric values and of differences: the method that suits each metric."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.metrics.base import Metric, SampleInputs, SetMetric, UnscoredError
from evaluation.metrics.computing.measuring import RowMetric, attempt
from evaluation.metrics.intervals.base import ClusteredRows, Interval
from evaluation.metrics.intervals.bootstrap import bootstrap, bootstrap_difference
from evaluation.metrics.intervals.jackknife import jackknife, leave_one_out, split_prompts
from evaluation.metrics.intervals.rates import rate_difference, rate_interval
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
        statistics = leave_one_out(groups, metric.summarize)
        left_out = [metric.compute(statistic, reference) for statistic in statistics]
        return jackknife(value, left_out, sizes, confidence=confidence)

    interval = _expect_interval(metric, attempt(metric, find))
    if _is_boundary(metric, interval, value):
        return rate_interval(_repeat(value, sum(sizes)), confidence=confidence)
    return interval


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
        pairs = zip(leave_one_out(groups, metric.summarize), leave_one_out(others, metric.summarize), strict=True)
        left_out = [metric.compute(own, reference) - metric.compute(other, reference) for own, other in pairs]
        return jackknife(values[0] - values[1], left_out, sizes, confidence=confidence)

    interval = _expect_interval(metric, attempt(metric, find))
    if all(_is_boundary(metric, interval, value) for value in values):
        n = sum(sizes)
        return rate_difference(_repeat(values[0], n), _repeat(values[1], n), confidence=confidence)
    return interval


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


def _is_boundary(metric: Metric, interval: Interval, value: float) -> bool:
    """Whether the interval has no width because the share is 0 % or 100 % in every group."""
    certain = interval.low is not None and interval.low == interval.high
    return certain and metric.declaration.unit == SHARE and value in {0.0, 1.0}


def _repeat(value: float, n: int) -> ClusteredRows:
    return ClusteredRows(np.full((n, 1), value), np.ones(n, dtype=np.int64))


def _expect_interval(metric: Metric, found: Interval | UnscoredError) -> Interval:
    if isinstance(found, UnscoredError):
        return Interval(None, None, f"{metric.title} has no value without some of the prompts: {found}")
    return found
