"""Bootstrap over prompts, for values that are aggregated from rows."""

from collections.abc import Callable
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.base import Rows, UnscoredError
from evaluation.metrics.intervals.base import ClusteredRows, Interval, refuse_few
from evaluation.ratings.degrees_of_freedom import find_weighted_degrees
from evaluation.ratings.ratings import check_confidence, quantile

Aggregate = Callable[[Rows], float]

RESAMPLES: Final = 1000
# Above this share of resamples without a value, the others are not representative.
MOST_WITHOUT_VALUE: Final = 0.1


def bootstrap(aggregate: Aggregate, clustered: ClusteredRows, *, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Expanded percentile interval over resamples of clusters.

    The plain percentile interval is too narrow by √((C-1)/C), and does not use Student's t. Reading the percentiles at
    Φ(-√(C/(C-1)) t(α/2, C-1)) corrects both. Source: Hesterberg 2015, "What teachers should know about the bootstrap",
    section 4.1.3. Clusters with unequal numbers of rows have fewer degrees of freedom, and another ratio of the
    jackknife's variance to the bootstrap's.

    Args:
        aggregate: From rows (n, k) to the value; may raise UnscoredError.
        clustered: Rows in C clusters.
        confidence: Between 0 and 1.
        seed: Of the resamples.
    """
    return _bootstrap(lambda drawn: aggregate(clustered.draw(drawn)), clustered.lengths, confidence, seed)


def bootstrap_difference(
    aggregate: Aggregate,
    clustered: ClusteredRows,
    baseline: ClusteredRows,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """As ``bootstrap``, for the value minus that of the baseline. Cluster c is the same prompt on both sides."""

    def subtract(drawn: NDArray[np.int64]) -> float:
        return aggregate(clustered.draw(drawn)) - aggregate(baseline.draw(drawn))

    return _bootstrap(subtract, clustered.lengths + baseline.lengths, confidence, seed)


def _bootstrap(
    replicate: Callable[[NDArray[np.int64]], float], lengths: NDArray[np.int64], confidence: float, seed: int
) -> Interval:
    check_confidence(confidence)
    n = len(lengths)
    if n < 2:
        return refuse_few(n)
    rng = np.random.default_rng(seed)
    values = np.array([_value_or_nan(replicate, rng.integers(0, n, n)) for _ in range(RESAMPLES)])
    values = values[np.isfinite(values)]
    lost = RESAMPLES - len(values)
    if lost > MOST_WITHOUT_VALUE * RESAMPLES:
        return Interval(None, None, f"{lost:,} of {RESAMPLES:,} resamples of the {n} prompts have no value")
    margin = quantile(confidence, find_weighted_degrees(lengths, confidence))
    tail = NormalDist().cdf(-np.sqrt(_find_inflation(lengths)) * margin)
    low, high = np.quantile(values, [tail, 1.0 - tail]).tolist()
    without = f", {lost} of which have no value" if lost else ""
    return Interval(low, high, f"bootstrap over {n} prompts, {RESAMPLES:,} resamples{without}")


def _find_inflation(lengths: NDArray[np.int64]) -> float:
    """The jackknife's variance of a mean of rows over the bootstrap's, for clusters of equal variance.

    It is C / (C - 1) for clusters of one length.
    """
    share = lengths / lengths.sum()
    spread = 1.0 - 2.0 * share + share @ share
    jackknife = (1.0 - 1.0 / len(share)) * float((share / (1.0 - share)) ** 2 @ spread)
    return jackknife / float(share**2 @ spread)


def _value_or_nan(replicate: Callable[[NDArray[np.int64]], float], drawn: NDArray[np.int64]) -> float:
    try:
        return replicate(drawn)
    except UnscoredError:
        return np.nan
