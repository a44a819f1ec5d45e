"""Confidence intervals that respect the prompts: samples of one prompt are not independent, so prompts are what varies.

Three ways, by what a value is made of::

    bootstrap           a value aggregated from rows     prompts are drawn with replacement
    rate_interval       a share of yes and no            exact, with the effective number of samples
    jackknife           a value from a merged statistic  groups of prompts are left out in turn

Drawing with replacement puts the same image into a set twice, which by itself moves a Fréchet distance, precision and
the rate of near-duplicates: hence the jackknife for these. Of two runs on the same prompts the interval is that of
their difference, with the same prompts drawn, or left out, on both sides.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import NormalDist
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.base import Rows, UnscoredError
from evaluation.ratings.ratings import check_confidence, quantile

Aggregate = Callable[[Rows], float]
T = TypeVar("T")

RESAMPLES: Final = 1000
GROUPS: Final = 20
# Share of resamples without a value from which on the rest no longer stand for all.
MOST_WITHOUT_VALUE: Final = 0.1


@dataclass(frozen=True)
class Interval:
    """``method`` says how it was found; where there is none, low and high are None and it says why."""

    low: float | None
    high: float | None
    method: str


@dataclass(frozen=True, eq=False)
class ClusteredRows:
    """``rows`` (n, k), those of one cluster together; ``lengths`` (C,): how many rows each cluster has."""

    rows: Rows
    lengths: NDArray[np.int64]

    def draw(self, clusters: NDArray[np.int64]) -> Rows:
        """The rows of these clusters (B,), one after the other, as often as each is named."""
        lengths = self.lengths[clusters]
        starts = (np.cumsum(self.lengths) - self.lengths)[clusters]
        offsets = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
        drawn: Rows = self.rows[offsets + np.arange(len(offsets))]
        return drawn

    def sum(self) -> Rows:
        """(C, k): the sum of each cluster's rows."""
        total: Rows = np.add.reduceat(self.rows, np.cumsum(self.lengths) - self.lengths, axis=0)
        return total


def cluster_rows(rows: Rows, labels: Sequence[Hashable] | NDArray[Any]) -> ClusteredRows:
    """Bring the rows of each label together, the labels in ascending order."""
    _, codes, lengths = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    return ClusteredRows(rows[np.argsort(codes, kind="stable")], lengths)


def bootstrap(aggregate: Aggregate, clustered: ClusteredRows, *, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Percentiles of the value over resamples of clusters, the tails widened for few clusters.

    The plain percentile interval is too narrow by √((C-1)/C) and for want of Student's t. Both are mended by reading
    the percentiles further out, at Φ(-√(C/(C-1)) t(α/2, C-1)) (Hesterberg 2015, "What teachers should know about the
    bootstrap", section 4.1.3).
    """
    return _bootstrap(lambda drawn: aggregate(clustered.draw(drawn)), len(clustered.lengths), confidence, seed)


def bootstrap_difference(
    aggregate: Aggregate,
    clustered: ClusteredRows,
    baseline: ClusteredRows,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """As ``bootstrap``, of the value minus the baseline's. Cluster c is the same prompt on both sides."""

    def subtract(drawn: NDArray[np.int64]) -> float:
        return aggregate(clustered.draw(drawn)) - aggregate(baseline.draw(drawn))

    return _bootstrap(subtract, len(clustered.lengths), confidence, seed)


def _bootstrap(replicate: Callable[[NDArray[np.int64]], float], n: int, confidence: float, seed: int) -> Interval:
    check_confidence(confidence)
    if n < 2:
        return _refuse_few(n)
    rng = np.random.default_rng(seed)
    values = np.array([_value_or_nan(replicate, rng.integers(0, n, n)) for _ in range(RESAMPLES)])
    values = values[np.isfinite(values)]
    lost = RESAMPLES - len(values)
    if lost > MOST_WITHOUT_VALUE * RESAMPLES:
        return Interval(None, None, f"{lost:,} of {RESAMPLES:,} resamples of the {n} prompts have no value")
    tail = NormalDist().cdf(-np.sqrt(n / (n - 1)) * quantile(confidence, n - 1))
    low, high = np.quantile(values, [tail, 1.0 - tail]).tolist()
    without = f", {lost} of which have no value" if lost else ""
    return Interval(low, high, f"bootstrap over {n} prompts, {RESAMPLES:,} resamples{without}")


def _value_or_nan(replicate: Callable[[NDArray[np.int64]], float], drawn: NDArray[np.int64]) -> float:
    try:
        return replicate(drawn)
    except UnscoredError:
        return np.nan


def _refuse_few(n: int) -> Interval:
    return Interval(None, None, f"an interval needs 2 prompts or more, got {n}")


def rate_interval(clustered: ClusteredRows, *, confidence: float = 0.95) -> Interval:
    """Of the mean of a first column that is 0 or 1: Clopper & Pearson's, with the effective number of samples.

    That number is what independent samples of the same variance would be, the variance taken between clusters, and
    corrected for the degrees of freedom (Korn & Graubard 1998, "Confidence intervals for proportions with small
    expected number of positive counts estimated from survey data", section 2). Where all say the same there is no
    variance to see: each cluster then counts as one sample. A bootstrap would give an interval without width there.
    """
    from scipy.special import betaincinv

    check_confidence(confidence)
    n_clusters, n = len(clustered.lengths), len(clustered.rows)
    if n_clusters < 2:
        return _refuse_few(n_clusters)
    p = float(clustered.rows[:, 0].mean())
    residuals = clustered.sum()[:, 0] - p * clustered.lengths
    variance = n_clusters / (n_clusters - 1) * float(residuals @ residuals) / n**2
    effective = float(n_clusters)
    if 0.0 < p < 1.0:
        # Where clusters are more alike than chance would have them, they are still no more samples than there are.
        few = (quantile(confidence, n - 1) / quantile(confidence, n_clusters - 1)) ** 2
        effective = min(p * (1.0 - p) / variance * few, n) if variance else float(n)
    tail, yes = (1.0 - confidence) / 2.0, p * effective
    low = float(betaincinv(yes, effective - yes + 1.0, tail)) if p > 0.0 else 0.0
    high = float(betaincinv(yes + 1.0, effective - yes, 1.0 - tail)) if p < 1.0 else 1.0
    return Interval(low, high, f"exact for a share (Korn & Graubard), over {n_clusters} prompts")


def rate_difference(clustered: ClusteredRows, baseline: ClusteredRows, *, confidence: float = 0.95) -> Interval:
    """Of a share minus the baseline's, for the same samples on both sides, from the two intervals of ``rate_interval``.

    The square of the distance to a limit is that of two correlated errors (Newcombe 1998, "Improved confidence
    intervals for the difference between binomial proportions based on paired data", method 10), the correlation taken
    between clusters. So two runs that agree on every prompt are not said to be equal for certain.
    """
    p, q = (float(side.rows[:, 0].mean()) for side in (clustered, baseline))
    own, other = (rate_interval(side, confidence=confidence) for side in (clustered, baseline))
    if own.low is None or own.high is None or other.low is None or other.high is None:
        return own
    x, y = (side.sum()[:, 0] - mean * side.lengths for side, mean in ((clustered, p), (baseline, q)))
    scale = np.sqrt((x @ x) * (y @ y))
    # Newcombe's continuity correction: a correlation above zero is taken for half a sample less.
    shared = float(x @ y) if x @ y <= 0 else max(float(x @ y) - float(clustered.lengths.mean()) / 2.0, 0.0)
    correlation = shared / scale if scale > 0 else 0.0

    def combine(up: float, down: float) -> float:
        return float(np.sqrt(max(up * up + down * down - 2.0 * correlation * up * down, 0.0)))

    low = p - q - combine(p - own.low, other.high - q)
    high = p - q + combine(own.high - p, q - other.low)
    return Interval(low, high, f"paired shares (Newcombe), over {len(clustered.lengths)} prompts")


def split_prompts(keys: Iterable[str], *, seed: int = 0) -> list[list[str]]:
    """The distinct keys in 20 groups of nearly one size (fewer keys: each its own group), by a fixed shuffle."""
    distinct = sorted(set(keys))
    order = np.random.default_rng(seed).permutation(len(distinct))
    groups = np.array_split(order, min(GROUPS, max(len(distinct), 1)))
    return [[distinct[i] for i in sorted(group)] for group in groups]


def leave_one_out(groups: Sequence[Sequence[T]], summarize: Callable[[Iterable[T]], Any]) -> Iterator[Any]:
    """The statistic of all groups but one, for each of them in order. Statistics merge with ``+``.

    By halves: what is outside a half is merged once and handed down to all in it. So only some 2 log₂ G statistics are
    in memory at once (of 2048 features one takes 32 MB), and the groups are read log₂ G times instead of G times.
    """

    def descend(low: int, high: int, outside: Any) -> Iterator[Any]:
        if high - low == 1:
            yield outside
            return
        middle = (low + high) // 2
        for inner, other in (((low, middle), (middle, high)), ((middle, high), (low, middle))):
            beside = summarize(chain.from_iterable(groups[slice(*other)]))
            yield from descend(*inner, beside if outside is None else outside + beside)

    if len(groups) > 1:
        yield from descend(0, len(groups), None)


def jackknife(value: float, left_out: Sequence[float], sizes: Sequence[int], *, confidence: float = 0.95) -> Interval:
    """value ± t(G-1) standard errors, from the values (G,) without one group each; ``sizes`` (G,) are in prompts.

    The standard error is that of the delete-a-group jackknife for groups of unequal size (Busing, Meijer & van der
    Leeden 1999, "Delete-m jackknife for unequal m", equation 8).
    """
    check_confidence(confidence)
    n, count = sum(sizes), len(sizes)
    if count < 2:
        return _refuse_few(n)
    if not np.isfinite(left_out).all():
        return Interval(None, None, "without some of the prompts there is no value")
    thetas, h = np.asarray(left_out), n / np.asarray(sizes, dtype=np.float64)
    pseudo = h * value - (h - 1.0) * thetas
    center = count * value - float(((1.0 - 1.0 / h) * thetas).sum())
    variance = float(((pseudo - center) ** 2 / (h - 1.0)).mean())
    half = quantile(confidence, count - 1) * np.sqrt(variance)
    return Interval(float(value - half), float(value + half), f"jackknife over {n} prompts in {count} groups")
