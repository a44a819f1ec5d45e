"""Which interval a metric's value gets, and the difference of two values on the same samples."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from evaluation.metrics.base import Metric, SampleInputs, SetMetric, UnscoredError
from evaluation.metrics.computing.measuring import RowMetric, attempt
from evaluation.metrics.intervals.base import ClusteredRows, Interval
from evaluation.metrics.intervals.bootstrap import bootstrap, bootstrap_difference
from evaluation.metrics.intervals.jackknife import jackknife, leave_one_out, split_prompts
from evaluation.metrics.intervals.rates import rate_difference, rate_interval

# The unit of metrics whose value is a part of all: between 0 and 1.
SHARE: Final = "share"


def find_row_interval(metric: RowMetric, rows: ClusteredRows, confidence: float) -> Interval:
    """Of the aggregate of rows by prompts."""
    if _is_rate(metric, rows):
        return rate_interval(rows, confidence=confidence)
    return _expect_interval(metric, attempt(metric, lambda: bootstrap(metric.aggregate, rows, confidence=confidence)))


def find_row_difference(metric: RowMetric, rows: ClusteredRows, baseline: ClusteredRows, confidence: float) -> Interval:
    """Of the aggregate minus the baseline's; row i is the same sample on both sides."""
    if _is_rate(metric, rows) and _is_rate(metric, baseline):
        return rate_difference(rows, baseline, confidence=confidence)
    found = attempt(metric, lambda: bootstrap_difference(metric.aggregate, rows, baseline, confidence=confidence))
    return _expect_interval(metric, found)


def find_set_interval(
    metric: SetMetric, samples: Sequence[SampleInputs], value: float, reference: Any, confidence: float
) -> Interval:
    """Of the value of a set. The reference set is taken as it is: its own chance is not in the interval."""
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
    """Of a set's value minus the baseline's; both have the same prompts, and the same groups are left out."""
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
    """The samples of each group of prompts, and how many prompts it has."""
    by_prompt: dict[str, list[SampleInputs]] = {}
    for sample in samples:
        by_prompt.setdefault(sample.prompt.key, []).append(sample)
    groups = split_prompts(by_prompt)
    return [[sample for key in group for sample in by_prompt[key]] for group in groups], [len(g) for g in groups]


def _is_rate(metric: RowMetric, rows: ClusteredRows) -> bool:
    """Whether the value is a share of yes and no, for which there is an exact interval.

    Where all say the same only the unit tells a share of none from a price of 0, or one of all from a first rank.
    """
    found = set(np.unique(rows.rows[:, 0]))
    if not (found == {0.0, 1.0} or (found < {0.0, 1.0} and metric.declaration.unit == SHARE)):
        return False
    value = attempt(metric, lambda: metric.aggregate(rows.rows))
    return not isinstance(value, UnscoredError) and abs(value - float(rows.rows[:, 0].mean())) <= 1e-12


def _is_boundary(metric: Metric, interval: Interval, value: float) -> bool:
    """Whether a share of none or all looks certain, because whatever is left out it stays so."""
    certain = interval.low is not None and interval.low == interval.high
    return certain and metric.declaration.unit == SHARE and value in {0.0, 1.0}


def _repeat(value: float, n: int) -> ClusteredRows:
    return ClusteredRows(np.full((n, 1), value), np.ones(n, dtype=np.int64))


def _expect_interval(metric: Metric, found: Interval | UnscoredError) -> Interval:
    if isinstance(found, UnscoredError):
        return Interval(None, None, f"{metric.declaration.title} has no value on some of the prompts: {found}")
    return found
