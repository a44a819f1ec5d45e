"""Interval and clustered rows.

Samples of one prompt are not independent, so every interval treats prompts as the sampling units (clusters)::

    bootstrap.py    a value aggregated from rows     prompts are drawn with replacement
    rates.py        a share of yes and no            exact, with an effective sample size
    sets.py         a value from a merged statistic  groups of prompts are left out in turn (jackknife.py)

Drawing with replacement puts the same image into a set twice, which by itself moves a Fréchet distance, precision and
the rate of near-duplicates: hence the jackknife for these. To compare two runs on the same prompts, take the interval
of their difference, with the same prompts drawn (or left out) on both sides.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.base import Rows


@dataclass(frozen=True)
class Interval:
    """An interval and its method. If there is none, ``low`` and ``high`` are None and ``method`` says why.

    ``bias`` is the value minus its limit for infinitely many images, where that was estimated.
    """

    low: float | None
    high: float | None
    method: str
    bias: float | None = None

    def contain(self, value: float, limits: tuple[float, float]) -> "Interval":
        """The interval inside ``limits``, widened to the value: resamples of a skewed value may all miss it."""
        if self.low is None or self.high is None:
            return self
        return replace(self, low=max(min(self.low, value), limits[0]), high=min(max(self.high, value), limits[1]))


@dataclass(frozen=True, eq=False)
class ClusteredRows:
    """Rows (n, k) sorted by cluster; ``lengths`` (C,) are the numbers of rows of the clusters."""

    rows: Rows
    lengths: NDArray[np.int64]

    def draw(self, clusters: NDArray[np.int64]) -> Rows:
        """Concatenated rows of the given clusters (B,), with repetitions."""
        lengths = self.lengths[clusters]
        starts = (np.cumsum(self.lengths) - self.lengths)[clusters]
        offsets = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
        drawn: Rows = self.rows[offsets + np.arange(len(offsets))]
        return drawn

    def sum(self) -> Rows:
        """Sums (C, k) of the rows of each cluster."""
        total: Rows = np.add.reduceat(self.rows, np.cumsum(self.lengths) - self.lengths, axis=0)
        return total


def cluster_rows(rows: Rows, labels: Sequence[Hashable] | NDArray[Any]) -> ClusteredRows:
    """Sort rows (n, k) by label (n,), in ascending order."""
    _, codes, lengths = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    return ClusteredRows(rows[np.argsort(codes, kind="stable")], lengths)


def refuse_few(n: int) -> Interval:
    """The result for fewer than 2 prompts."""
    return Interval(None, None, f"an interval needs at least 2 prompts, got {n}")
