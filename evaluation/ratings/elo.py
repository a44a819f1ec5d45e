"""Online Elo ratings: one pass over the votes, in their order."""

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.outcomes import BOTH_BAD, TIE, Treatment, check_treatment
from evaluation.ratings.ratings import check_confidence
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes

# Votes converted at a time: they stay in the cache.
BLOCK = 1 << 16


@dataclass(frozen=True, eq=False)
class Elo:
    """Elo ratings: ``values`` (M,) in points, after ``n_votes`` votes that counted (not dropped, weight above zero).

    ``bootstrap_elo`` also sets ``ci_low`` and ``ci_high`` (M,) at level ``confidence``, over ``n_orders`` orders. Its
    values are means over the orders.
    """

    models: tuple[Hashable, ...]
    values: NDArray[np.float64]
    k: float
    scale: Scale
    ties: str
    both_bad: str
    n_votes: int
    ci_low: NDArray[np.float64] | None = None
    ci_high: NDArray[np.float64] | None = None
    n_orders: int = 1
    resample: bool = False
    seed: int | None = None
    confidence: float | None = None


def run_elo(
    votes: Votes,
    *,
    k: float = 4.0,
    ties: Treatment = "half",
    both_bad: Treatment = "half",
    scale: Scale = Scale(),
) -> Elo:
    """Elo ratings after the votes, taken in their order. Each model starts from ``scale.center``.

    A vote of weight w moves both models by k w (y - 1 / (1 + base^((R_b - R_a) / scale))), where y is 1, 0 or 1/2.
    ``ties`` and ``both_bad``: half a win for each side, or dropped. With an anchor, all values are shifted at the end,
    so that the anchor's value is ``scale.center``. A model without votes keeps its start. The values depend on the
    order of the votes, and the last votes count most; for decisions use Bradley-Terry.

    Raises ValueError for k out of range, no votes that count, or an anchor that is unknown or has no such votes.

    Source: Elo 1978, "The rating of chessplayers", 1.6.
    """
    n_votes = _count(votes, k, ties, both_bad, scale)
    theta = _play(votes, None, k, ties, both_bad, scale)
    return Elo(votes.models, _place(votes, theta, scale), k, scale, ties, both_bad, n_votes)


def bootstrap_elo(
    votes: Votes,
    *,
    n: int = 100,
    seed: int = 0,
    resample: bool = False,
    confidence: float = 0.95,
    k: float = 4.0,
    ties: Treatment = "half",
    both_bad: Treatment = "half",
    scale: Scale = Scale(),
) -> Elo:
    """Mean and percentile interval of ``run_elo`` over ``n`` random orders of the votes.

    By default each order is a permutation: the values no longer depend on the order, and the interval shows the effect
    of the order alone, without sampling error. With ``resample`` the votes of each order are drawn with replacement:
    the interval then covers the order and the sampling error of independent votes together.

    Raises the errors of run_elo, and ValueError for fewer orders than 2 / (1 - confidence).
    """
    check_confidence(confidence)
    if n < 2.0 / (1.0 - confidence) - 1e-6:
        raise ValueError(f"An interval at {confidence} needs {math.ceil(2 / (1 - confidence) - 1e-6)} orders, got {n}.")
    n_votes = _count(votes, k, ties, both_bad, scale)
    rng = np.random.default_rng(seed)
    values = np.empty((n, len(votes.models)))
    for run in range(n):
        order = rng.integers(len(votes), size=len(votes)) if resample else rng.permutation(len(votes))
        values[run] = _place(votes, _play(votes, order, k, ties, both_bad, scale), scale)
    low, high = np.quantile(values, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0], axis=0)
    return Elo(
        models=votes.models,
        values=values.mean(axis=0),
        k=k,
        scale=scale,
        ties=ties,
        both_bad=both_bad,
        n_votes=n_votes,
        ci_low=low,
        ci_high=high,
        n_orders=n,
        resample=resample,
        seed=seed,
        confidence=confidence,
    )


def _count(votes: Votes, k: float, ties: str, both_bad: str, scale: Scale) -> int:
    """The number of votes that count. Raises the errors of ``run_elo``."""
    check_type("votes", votes, Votes)
    check_type("scale", scale, Scale)
    check_treatment(ties=ties, both_bad=both_bad)
    if not 0 < k < math.inf:
        raise ValueError(f"Expected a finite k above 0, got {k=}.")
    counted = np.ones(len(votes), dtype=bool)
    for treatment, outcome in ((ties, TIE), (both_bad, BOTH_BAD)):
        if treatment == "drop":
            counted &= votes.winner != outcome
    if votes.weight is not None:
        counted &= votes.weight > 0
    n_votes = np.count_nonzero(counted)
    if not n_votes:
        raise ValueError(f"Elo needs votes that count, got none among {len(votes)}.")
    if scale.anchor is not None:
        if scale.anchor not in votes.models:
            known = ", ".join(map(str, votes.models))
            raise ValueError(f"The anchor {scale.anchor!r} is not among the models: {known}.")
        anchor = votes.models.index(scale.anchor)
        if not (counted & ((votes.model_a == anchor) | (votes.model_b == anchor))).any():
            raise ValueError(f"The anchor {scale.anchor!r} has no votes that count, so it cannot fix the scale.")
    return int(n_votes)


def _play(
    votes: Votes, order: NDArray[np.int64] | None, k: float, ties: str, both_bad: str, scale: Scale
) -> NDArray[np.float64]:
    """(M,): θ after the votes, taken in ``order``."""
    from evaluation.ratings.kernels.elo import update_elo

    theta, ones = np.zeros(len(votes.models)), np.ones(BLOCK)
    scores = np.array([1.0, 0.0, 0.5, 0.5])
    steps = k / scale.unit * np.array([1.0, 1.0, ties == "half", both_bad == "half"])
    for start in range(0, len(votes), BLOCK):
        rows = slice(start, start + BLOCK) if order is None else order[start : start + BLOCK]
        model_a, model_b = votes.model_a[rows].astype(np.uint32), votes.model_b[rows].astype(np.uint32)
        weight = ones[: len(model_a)] if votes.weight is None else votes.weight[rows].astype(np.float64)
        update_elo(theta, model_a, model_b, votes.winner[rows].astype(np.uint8), weight, scores, steps)
    if not np.isfinite(theta).all():
        raise ValueError("The ratings overflowed: k or the weights are too large.")
    return theta


def _place(votes: Votes, theta: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    origin = 0.0 if scale.anchor is None else theta[votes.models.index(scale.anchor)]
    values: NDArray[np.float64] = scale.center + scale.unit * (theta - origin)
    return values
