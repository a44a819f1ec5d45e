"""Agreement of a metric with people: correlation with their scores, and agreement with their votes."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.metrics.base import Rows
from evaluation.metrics.intervals.base import ClusteredRows, Interval, cluster_rows
from evaluation.metrics.intervals.bootstrap import bootstrap
from evaluation.metrics.intervals.rates import rate_interval


@dataclass(frozen=True)
class Estimate:
    """A value with its interval over prompts. If either is missing, ``note`` says why."""

    value: float | None
    ci_low: float | None
    ci_high: float | None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Correlations:
    """Correlations of a metric's scores with human scores, over ``n`` images of ``n_prompts`` prompts."""

    pearson: Estimate
    spearman: Estimate
    kendall: Estimate  # tau-b
    n: int
    n_prompts: int


@dataclass(frozen=True, kw_only=True)
class JudgedPair:
    """Two images of a prompt, their scores, and the numbers of raters who preferred each or neither."""

    a: Hashable  # identifies the image for the caller
    b: Hashable
    prompt: Hashable
    score_a: float
    score_b: float
    votes_a: int
    votes_b: int
    n_undecided: int = 0
    category: str = ""

    @property
    def margin(self) -> float:
        """Score of A minus score of B."""
        return self.score_a - self.score_b


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """``rate`` is the share of decided votes in which the metric prefers the image that the rater chose.

    ``n_level`` of the ``n_decided`` votes are on images with equal scores and count half. The ``n_undecided`` votes for
    neither image do not count.
    """

    rate: Estimate
    n_pairs: int
    n_prompts: int
    n_decided: int
    n_level: int
    n_undecided: int


def correlate(
    metric_scores: ArrayLike, human_scores: ArrayLike, prompts: Sequence[Hashable], *, confidence: float = 0.95
) -> Correlations:
    """Pearson's, Spearman's and Kendall's (tau-b) correlation of two scores of the same images.

    Args:
        metric_scores: Shape (n,).
        human_scores: Shape (n,).
        prompts: Shape (n,); the intervals resample prompts.
        confidence: Between 0 and 1.

    Raises:
        ValueError: The lengths differ, or a score is NaN or infinite.
    """
    columns = [np.asarray(scores, dtype=np.float64) for scores in (metric_scores, human_scores)]
    lengths = {len(column) for column in columns} | {len(prompts)}
    if len(lengths) > 1:
        raise ValueError(f"Metric scores, human scores and prompts must have one length, got {sorted(lengths)}.")
    rows = np.column_stack(columns)
    if not np.isfinite(rows).all():
        raise ValueError("A score is NaN or infinite. Leave out images without a score.")
    clustered = cluster_rows(rows, _code(prompts))
    return Correlations(
        pearson=_estimate(_pearson, clustered, confidence),
        spearman=_estimate(_spearman, clustered, confidence),
        kendall=_estimate(_kendall, clustered, confidence),
        n=len(rows),
        n_prompts=len(clustered.lengths),
    )


def find_agreement(
    pairs: Sequence[JudgedPair], *, higher_is_better: bool = True, confidence: float = 0.95
) -> Agreement:
    """Share of decided votes in which the metric prefers the image that the rater chose. Intervals resample prompts."""
    sides = np.array([(pair.votes_a, pair.votes_b) for pair in pairs], dtype=np.int64).reshape(-1, 2)
    margins = np.array([pair.margin for pair in pairs]) * (1.0 if higher_is_better else -1.0)
    right = 0.5 + 0.5 * np.sign(margins)
    # One row per decided vote: first the votes for A, then the votes for B.
    votes = sides.T.ravel()
    rows = np.repeat(np.concatenate([right, 1.0 - right]), votes)[:, None]
    prompts = np.repeat(np.tile(_code([pair.prompt for pair in pairs]), 2), votes)
    return Agreement(
        rate=_estimate_rate(rows, prompts, confidence),
        n_pairs=int((sides.sum(axis=1) > 0).sum()),
        n_prompts=len(np.unique(prompts)),
        n_decided=len(rows),
        n_level=int((rows == 0.5).sum()),
        n_undecided=sum(pair.n_undecided for pair in pairs),
    )


def find_agreement_by_category(
    pairs: Sequence[JudgedPair], *, higher_is_better: bool = True, confidence: float = 0.95
) -> dict[str, Agreement]:
    """Agreement per category of prompts; empty if there is only one category."""
    names = sorted({pair.category for pair in pairs} - {""})
    chosen = {name: [pair for pair in pairs if pair.category == name] for name in names if len(names) > 1}
    return {
        name: find_agreement(members, higher_is_better=higher_is_better, confidence=confidence)
        for name, members in chosen.items()
    }


def find_disagreements(
    pairs: Sequence[JudgedPair], *, higher_is_better: bool = True, limit: int = 10
) -> list[JudgedPair]:
    """Pairs on which the metric contradicts most raters, sorted by the metric's margin, largest first."""
    sign = 1.0 if higher_is_better else -1.0
    against = [pair for pair in pairs if sign * pair.margin * (pair.votes_a - pair.votes_b) < 0]
    order = sorted(
        against, key=lambda pair: (-abs(pair.margin), -abs(pair.votes_a - pair.votes_b), str((pair.a, pair.b)))
    )
    return order[:limit]


def _code(labels: Sequence[Hashable]) -> NDArray[np.int64]:
    """Integer codes of labels, in order of appearance."""
    codes: dict[Hashable, int] = {}
    return np.array([codes.setdefault(label, len(codes)) for label in labels], dtype=np.int64)


def _estimate(correlation: Callable[[Rows], float], clustered: ClusteredRows, confidence: float) -> Estimate:
    if len(clustered.rows) < 2:
        return Estimate(None, None, None, "too few images")
    value = correlation(clustered.rows)
    if np.isnan(value):
        return Estimate(None, None, None, "all images have the same score")
    return _with_interval(value, bootstrap(correlation, clustered, confidence=confidence))


def _estimate_rate(rows: Rows, prompts: NDArray[np.int64], confidence: float) -> Estimate:
    if not len(rows):
        return Estimate(None, None, None, "no decided vote")
    if (rows == 0.5).all():
        return Estimate(None, None, None, "both images always have the same score")
    clustered, value = cluster_rows(rows, prompts), float(rows.mean())
    if (rows != 0.5).all():
        return _with_interval(value, rate_interval(clustered, confidence=confidence))
    return _with_interval(value, bootstrap(lambda drawn: float(drawn.mean()), clustered, confidence=confidence))


def _with_interval(value: float, interval: Interval) -> Estimate:
    return Estimate(value, interval.low, interval.high, "" if interval.low is not None else interval.method)


def _pearson(rows: Rows) -> float:
    """Pearson's correlation of two columns; NaN if one is constant."""
    centered = rows - rows.mean(axis=0)
    scale = np.sqrt(np.prod((centered**2).sum(axis=0)))
    if not scale or (rows == rows[0]).all(axis=0).any():
        return np.nan
    return float(centered[:, 0] @ centered[:, 1] / scale)


def _spearman(rows: Rows) -> float:
    from scipy.stats import rankdata

    ranks: NDArray[Any] = rankdata(rows, axis=0)
    return _pearson(ranks)


def _kendall(rows: Rows) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(rows[:, 0], rows[:, 1]).statistic)
