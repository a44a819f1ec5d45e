"""Delete-a-group jackknife over prompts, for values that are computed from a merged statistic."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

import numpy as np

from evaluation.metrics.intervals.base import Interval, refuse_few
from evaluation.ratings.ratings import check_confidence, quantile

T = TypeVar("T")

GROUPS: Final = 20


def split_prompts(keys: Iterable[str], *, seed: int = 0) -> list[list[str]]:
    """Shuffle distinct keys into 20 groups of nearly equal size (with fewer keys, one group each)."""
    distinct = sorted(set(keys))
    order = np.random.default_rng(seed).permutation(len(distinct))
    groups = np.array_split(order, min(GROUPS, max(len(distinct), 1)))
    return [[distinct[i] for i in sorted(group)] for group in groups]


def leave_one_out(groups: Sequence[Sequence[T]], summarize: Callable[[Iterable[T]], Any]) -> Iterator[Any]:
    """The statistics of all groups but one, for each group in order. Statistics must merge with ``+``.

    Divide and conquer: the statistic outside a half is merged once and passed on to the groups in it. About 2 log₂ G
    statistics are in memory at once (32 MB each for 2048 features), and groups are read log₂ G times instead of G.
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
    """Interval value ± t(G-1) standard errors, for groups of unequal size.

    Args:
        value: The value of the whole set.
        left_out: The values (G,) without one group each.
        sizes: The numbers (G,) of prompts of the groups.
        confidence: Between 0 and 1.

    Source: Busing, Meijer & van der Leeden 1999, "Delete-m jackknife for unequal m", equation 8.
    """
    check_confidence(confidence)
    n, count = sum(sizes), len(sizes)
    if count < 2:
        return refuse_few(n)
    if not np.isfinite(left_out).all():
        return Interval(None, None, "there is no value without some of the prompts")
    thetas, h = np.asarray(left_out), n / np.asarray(sizes, dtype=np.float64)
    pseudo = h * value - (h - 1.0) * thetas
    center = count * value - float(((1.0 - 1.0 / h) * thetas).sum())
    variance = float(((pseudo - center) ** 2 / (h - 1.0)).mean())
    half = quantile(confidence, count - 1) * np.sqrt(variance)
    return Interval(float(value - half), float(value + half), f"jackknife over {n} prompts in {count} groups")
