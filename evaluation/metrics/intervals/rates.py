"""Intervals of shares: Clopper-Pearson for one share, Newcombe for the difference of two."""

import numpy as np

from evaluation.metrics.intervals.base import ClusteredRows, Interval, refuse_few
from evaluation.ratings.degrees_of_freedom import find_weighted_degrees
from evaluation.ratings.ratings import check_confidence, quantile


def rate_interval(clustered: ClusteredRows, *, confidence: float = 0.95) -> Interval:
    """Clopper-Pearson interval of the mean of the first column (0 or 1), with an effective sample size.

    The effective sample size accounts for the similarity of rows of one cluster: it is the number of independent
    samples with the same variance, estimated by leaving out each cluster, and corrected for the degrees of freedom.
    If all values are equal, the variance cannot be estimated (a bootstrap interval would have no width), and each
    cluster counts as one sample: of clusters with unequal numbers of rows, the effective number.

    Source: Korn & Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", section 2.
    """
    check_confidence(confidence)
    n_clusters, n = len(clustered.lengths), len(clustered.rows)
    if n_clusters < 2:
        return refuse_few(n_clusters)
    p = float(clustered.rows[:, 0].mean())
    residuals = clustered.sum()[:, 0] - p * clustered.lengths
    # Without a cluster the mean moves by its residual, divided by the number of the other rows.
    moved = residuals / (n - clustered.lengths)
    variance = (n_clusters - 1) / n_clusters * float(moved @ moved)
    effective = n**2 / float(clustered.lengths @ clustered.lengths)
    if 0.0 < p < 1.0:
        # If clusters are more alike than by chance, the estimate would exceed the number of samples.
        degrees = find_weighted_degrees(clustered.lengths, confidence)
        few = (quantile(confidence, n - 1) / quantile(confidence, degrees)) ** 2
        effective = min(p * (1.0 - p) / variance * few, n) if variance else float(n)
    low, high = find_rate_limits(p, effective, confidence)
    return Interval(low, high, f"exact for a share (Korn & Graubard), over {n_clusters} prompts")


def find_rate_limits(share: float, n: float, confidence: float) -> tuple[float, float]:
    """Clopper-Pearson limits of a share of ``n`` samples; neither the number nor that of the yes need be whole."""
    from scipy.special import betaincinv

    tail, yes = (1.0 - confidence) / 2.0, share * n
    low = float(betaincinv(yes, n - yes + 1.0, tail)) if share > 0.0 else 0.0
    high = float(betaincinv(yes + 1.0, n - yes, 1.0 - tail)) if share < 1.0 else 1.0
    return low, high


def rate_difference(clustered: ClusteredRows, baseline: ClusteredRows, *, confidence: float = 0.95) -> Interval:
    """Interval of a share minus that of the baseline, on the same samples, from the intervals of the two shares.

    The limits combine two correlated errors; the correlation is estimated between clusters. The interval has a width
    even if two runs agree on every prompt. Source: Newcombe 1998, "Improved confidence intervals for the difference
    between binomial proportions based on paired data", method 10.
    """
    p, q = (float(side.rows[:, 0].mean()) for side in (clustered, baseline))
    own, other = (rate_interval(side, confidence=confidence) for side in (clustered, baseline))
    if own.low is None or other.low is None:
        return own
    x, y = (side.sum()[:, 0] - mean * side.lengths for side, mean in ((clustered, p), (baseline, q)))
    scale = np.sqrt((x @ x) * (y @ y))
    # Newcombe's continuity correction: a positive correlation is reduced by half a sample.
    shared = float(x @ y) if x @ y <= 0 else max(float(x @ y) - float(clustered.lengths.mean()) / 2.0, 0.0)
    correlation = shared / scale if scale > 0 else 0.0
    low, high = combine_intervals((p, q), own, other, correlation)
    return Interval(low, high, f"paired shares (Newcombe), over {len(clustered.lengths)} prompts")


def combine_intervals(
    values: tuple[float, float], own: Interval, other: Interval, correlation: float
) -> tuple[float, float]:
    """Limits of the first value minus the second, from the intervals of the two and the correlation of their errors.

    Raises ValueError if one has no interval. Source: Newcombe 1998, method 10.
    """
    if own.low is None or own.high is None or other.low is None or other.high is None:
        raise ValueError("Both values need an interval.")
    p, q = values

    def combine(up: float, down: float) -> float:
        return float(np.sqrt(max(up * up + down * down - 2.0 * correlation * up * down, 0.0)))

    return p - q - combine(p - own.low, other.high - q), p - q + combine(own.high - p, q - other.low)
