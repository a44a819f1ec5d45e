"""Intervals of values of sets, and of differences of two, from the spread that a jackknife measured."""

from typing import Final

import numpy as np

from evaluation.metrics.intervals.base import Interval
from evaluation.metrics.intervals.jackknife import Spread
from evaluation.metrics.intervals.rates import combine_intervals, find_rate_limits
from evaluation.ratings.ratings import check_confidence, quantile

# Variance of a share that is none but rounding.
NONE: Final = 1e-10


def set_interval(value: float, spread: Spread, *, limits: tuple[float, float], confidence: float = 0.95) -> Interval:
    """Interval of the value at this number of images, inside its possible range.

    A share (limits 0 and 1) has the exact interval of a share of independent samples, as many as have its variance:
    where most samples agree, value ± t standard errors is too narrow. Other values have value ± t standard errors, of
    which the impossible part is left out; that does not change the coverage.

    Args:
        value: Inside the limits.
        spread: Its variance.
        limits: Smallest and largest possible value, or infinities.
        confidence: Between 0 and 1.

    Source: Korn & Graubard 1998, section 2, for shares.
    """
    check_confidence(confidence)
    method = f"jackknife over {spread.n} prompts in {spread.n_groups} groups"
    if limits == (0.0, 1.0):
        low, high = find_rate_limits(value, _find_effective(value, spread, confidence), confidence)
        return Interval(low, high, f"{method}, limits of a share (Korn & Graubard)")
    half = quantile(confidence, spread.degrees) * float(np.sqrt(spread.variance))
    return Interval(max(value - half, limits[0]), min(value + half, limits[1]), method)


def _find_effective(share: float, spread: Spread, confidence: float) -> float:
    """Number of independent samples with the same variance; the prompts, if all groups agree or all samples do."""
    if spread.variance <= NONE or share in {0.0, 1.0}:
        return float(spread.n)
    few = (quantile(confidence, spread.n - 1) / quantile(confidence, spread.degrees)) ** 2
    return max(1.0, share * (1.0 - share) / spread.variance * few)


def set_difference_interval(
    values: tuple[float, float],
    spreads: tuple[Spread, Spread],
    difference: Spread,
    *,
    limits: tuple[float, float],
    confidence: float = 0.95,
) -> Interval:
    """Interval of the first value minus the second, measured on the same prompts.

    For shares, Newcombe's method 10 combines the limits of the two, with the correlation that follows from the three
    variances. For other values it is the difference ± t standard errors.
    """
    value = values[0] - values[1]
    if limits != (0.0, 1.0):
        most = limits[1] - limits[0]
        return set_interval(value, difference, limits=(-most, most), confidence=confidence)
    own, other = (
        set_interval(each, spread, limits=limits, confidence=confidence)
        for each, spread in zip(values, spreads, strict=True)
    )
    a, b = (spread.variance for spread in spreads)
    scale = 2.0 * float(np.sqrt(a * b))
    correlation = float(np.clip((a + b - difference.variance) / scale, -1.0, 1.0)) if scale > 0.0 else 0.0
    low, high = combine_intervals(values, own, other, correlation)
    return Interval(low, high, f"{own.method}, paired (Newcombe)")
