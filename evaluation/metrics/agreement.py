"""Does a metric agree with people? Held against their scores of images, and against their choices between two."""

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
    """A value with its interval over prompts; where one of them is missing ``note`` says why."""

    value: float | None
    ci_low: float | None
    ci_high: float | None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Correlations:
    """Of the metric's scores with people's, over ``n`` images of ``n_prompts`` prompts."""

    pearson: Estimate
    spearman: Estimate
    kendall: Estimate  # tau-b
    n: int
    n_prompts: int


@dataclass(frozen=True, kw_only=True)
class JudgedPair:
    """Two images of a prompt with the metric's scores, and how many raters preferred each, or neither."""

    a: Hashable  # what the caller knows the image by
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
        """How far the metric sets A above B."""
        return self.score_a - self.score_b


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """``rate``: share of the decided votes in which the metric prefers what the rater chose.

    ``n_level`` of the ``n_decided`` votes are on images that the metric gives the same score: half right each. Those of
    ``n_undecided`` raters who preferred neither are in no figure.
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
    """Pearson's, Spearman's and Kendall's (tau-b) correlation of two scores (n,) of the same images.

    ``prompts`` (n,) are resampled for the intervals. Raises ValueError for unequal lengths and scores that are no
    numbers.
    """
    columns = [np.asarray(scores, dtype=np.float64) for scores in (metric_scores, human_scores)]
    lengths = {len(column) for column in columns} | {len(prompts)}
    if len(lengths) > 1:
        raise ValueError(f"Wanted a metric's score, people's score and a prompt of each image, got {sorted(lengths)}.")
    rows = np.column_stack(columns)
    if not np.isfinite(rows).all():
        raise ValueError("A score is no number. Leave out the images that have none.")
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
    """How often the metric prefers what raters chose. Every decided vote counts; prompts are resampled."""
    sides = np.array([(pair.votes_a, pair.votes_b) for pair in pairs], dtype=np.int64).reshape(-1, 2)
    margins = np.array([pair.margin for pair in pairs]) * (1.0 if higher_is_better else -1.0)
    right = 0.5 + 0.5 * np.sign(margins)
    # A row for each decided vote: for those who chose A, then for those who chose B.
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
    """The agreement within each category of prompts, where there are several."""
    names = sorted({pair.category for pair in pairs} - {""})
    chosen = {name: [pair for pair in pairs if pair.category == name] for name in names if len(names) > 1}
    return {
        name: find_agreement(members, higher_is_better=higher_is_better, confidence=confidence)
        for name, members in chosen.items()
    }


def find_disagreements(
    pairs: Sequence[JudgedPair], *, higher_is_better: bool = True, limit: int = 10
) -> list[JudgedPair]:
    """The pairs that most raters and the metric judge differently, those first where the metric's margin is largest."""
    sign = 1.0 if higher_is_better else -1.0
    against = [pair for pair in pairs if sign * pair.margin * (pair.votes_a - pair.votes_b) < 0]
    order = sorted(
        against, key=lambda pair: (-abs(pair.margin), -abs(pair.votes_a - pair.votes_b), str((pair.a, pair.b)))
    )
    return order[:limit]


def _code(labels: Sequence[Hashable]) -> NDArray[np.int64]:
    """A number for each label, in order of appearance."""
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
    """nan where one of the two never changes."""
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
