"""Best-of-N correction: the rating of a variant that was selected because its estimate was the highest of N.

Such an estimate is too high on average, because the selection favors lucky errors (Singh et al. 2025, "The Leaderboard
Illusion", arXiv 2504.20879). Two corrections, for estimates that are normal around the truth: ``correct_best`` if all N
estimates are known, ``correct_unseen`` if only their number is known. Both estimate the true rating of the selected
variant, not the highest of the true ratings, and both leave a single variant unchanged.
"""

import math
import operator
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.ratings import Ratings, check_confidence, find_quantiles, quantile

# A lead of fewer standard errors than this is a tie.
_TIE = 1e-6
# Variants whose covariance with the winner differs from the winner's variance by less than this part move with it.
_SAME = 1e-9


@dataclass(frozen=True)
class BestOfN:
    """The corrected rating of the variant selected from ``n``, with an interval at level ``confidence``.

    ``selected`` is its position among the variants, None if they were not seen. ``shown_value`` and ``naive_low`` to
    ``naive_high`` are the uncorrected rating and interval. ``method``: "hybrid", "projection" (a tie for first place,
    see ``correct_best``) or "worst case" (unseen variants).
    """

    selected: int | None
    n: int
    value: float
    ci_low: float
    ci_high: float
    shown_value: float
    naive_low: float
    naive_high: float
    confidence: float
    method: Literal["hybrid", "projection", "worst case"]


def correct_best(values: ArrayLike, covariance: ArrayLike, *, confidence: float = 0.95) -> BestOfN:
    """The true rating of the variant with the highest of N estimates, by hybrid inference on winners.

    ``values`` (N,) are jointly normal around the true ratings with the known ``covariance`` (N, N), which may be
    singular. With α = 1 - confidence and β = α / 10:

    - ``value`` is the hybrid median-unbiased estimate: too high as often as too low, up to β / 2. (The conditional
      estimate is exactly median-unbiased, but falls to minus infinity as the runner-up comes close. The hybrid estimate
      stays within its interval, and within c standard errors of the shown value.)
    - the interval covers the true rating with a probability from 1 - α to (1 - α) / (1 - β), for any true ratings.

    The winner's estimate, given the part of the others that is independent of it, is normal, truncated to the values
    with which it stays the winner, and here also to c standard errors around the truth. c is such that all N estimates
    are that close with probability 1 - β or more, by Šidák's inequality for any correlation: (2 Φ(c) - 1)^N = 1 - β.

    At an exact tie for first place (to a millionth of a standard error) the truncated distribution carries no
    information: the hybrid interval shrinks to its lowest point. The result is then the first of the tied variants with
    its uncorrected value and the projection interval, which covers all N true ratings at once with probability 1 - α or
    more. Perfectly correlated variants with equal variance are no such tie, because chance does not decide between
    them. A winner without variance is known, and is returned uncorrected.

    Raises ValueError for a wrong shape, values that are not finite, a covariance that is not symmetric and positive
    semidefinite, or a confidence outside (0, 1).

    Source: Andrews, Kitagawa and McCloskey, "Inference on Winners" (Quarterly Journal of Economics 139, 2024), on
    conditional and on hybrid inference; Šidák (JASA 1967).
    """
    check_confidence(confidence)
    estimates, spread = _check_estimates(values, covariance)
    n, selected = len(estimates), int(estimates.argmax())
    shown, error = float(estimates[selected]), math.sqrt(max(float(spread[selected, selected]), 0.0))
    naive = quantile(confidence) * error
    method: Literal["hybrid", "projection"] = "hybrid"
    value, low, high = shown, shown - naive, shown + naive
    if n > 1 and error > 0.0:
        below, above = _room(estimates, spread, selected)
        if min(below, above) > _TIE:
            value, low, high = (shown + error * step for step in _hybrid_steps(below, above, n, 1.0 - confidence))
        else:
            method, margin = "projection", error * _projection(n, 1.0 - confidence)
            low, high = shown - margin, shown + margin
    return BestOfN(selected, n, value, low, high, shown, shown - naive, shown + naive, confidence, method)


def correct_unseen(value: float, standard_error: float, n: int, *, confidence: float = 0.95) -> BestOfN:
    """The true rating of a variant that is shown because it was the best of ``n``, where the others are unknown.

    ``value`` of the result is the shown value minus ``standard_error`` * E[max of n standard normals]. That is the
    inflation among equal variants, the largest possible with independent errors of this size. On average the result is
    not too high; it is too low if one variant is truly better than the others.

    With α = 1 - confidence, the true rating is below ``ci_low`` with probability α / 2 at most: one of n estimates must
    then be too high by z(1 - α / 2n) of its standard errors. By Bonferroni this holds for any true ratings, and errors
    of any size and dependence. The true rating is above ``ci_high``, z(1 - α / 2) standard errors above the shown
    value, with probability α / 2 at most, because selection only makes an estimate higher. This needs jointly normal
    errors that are independent or of equal size: no other estimate may move by more than the shown one.

    Raises ValueError for a value that is not finite, a standard error that is not finite and positive, an ``n`` that is
    not a whole number from 1 to 10^9, or a confidence outside (0, 1).
    """
    check_confidence(confidence)
    if not (math.isfinite(value) and math.isfinite(standard_error) and standard_error > 0.0):
        raise ValueError(f"Expected a finite value and a standard error > 0, got {value} and {standard_error}.")
    n = _check_number(n)
    naive = quantile(confidence) * standard_error
    bonferroni = quantile((n - 1 + confidence) / n) * standard_error
    return BestOfN(
        selected=None,
        n=n,
        value=value - expected_maximum(n) * standard_error,
        ci_low=value - bonferroni,
        ci_high=value + naive,
        shown_value=value,
        naive_low=value - naive,
        naive_high=value + naive,
        confidence=confidence,
        method="worst case",
    )


def correct_variants(ratings: Ratings, variants: Sequence[Hashable]) -> BestOfN:
    """``correct_best`` for some of the rated models, at the level of ``ratings``; ``selected`` indexes ``variants``.

    Name all variants that were tried, whether shown or not. If the intervals of ``ratings`` use Student's t (few
    clusters), the covariance is widened so that a single variant keeps its interval. This is an approximation, because
    the method assumes normal estimates: at 10 degrees of freedom, a 95 % interval covers 94 % for two variants and 93 %
    for twenty, and the value is slightly too low.

    Raises ValueError for no variants, one that is named twice, or one that is not rated.
    """
    check_type("ratings", ratings, Ratings)
    if not variants or len(set(variants)) != len(variants):
        raise ValueError(f"Expected one or more variants, named once each; got {', '.join(map(str, variants))}.")
    chosen = [ratings.index(variant) for variant in variants]
    widening = find_quantiles(ratings.confidence, ratings.model_degrees[chosen]) / quantile(ratings.confidence)
    covariance = ratings.covariance[np.ix_(chosen, chosen)] * np.outer(widening, widening)
    return correct_best(ratings.values[chosen], covariance, confidence=ratings.confidence)


def expected_maximum(n: int) -> float:
    """E[max of ``n`` independent standard normals] = ∫ n z φ(z) Φ(z)^(n-1) dz, to 1e-10; 0 for n = 1.

    Raises ValueError for an ``n`` that is not a whole number from 1 to 10^9.
    """
    from scipy.special import log_ndtr

    n = _check_number(n)
    # The trapezoid rule converges faster than any power for an analytic function that vanishes at both ends.
    z = np.arange(-40.0, 40.0, 1.0 / 64.0)
    log_density = math.log(n) - z**2 / 2.0 - math.log(2.0 * math.pi) / 2.0 + (n - 1) * log_ndtr(z)
    return float(z @ np.exp(np.maximum(log_density, -700.0)) / 64.0) if n > 1 else 0.0


def _room(estimates: NDArray[np.float64], spread: NDArray[np.float64], selected: int) -> tuple[float, float]:
    """How far the winner could fall and rise, in its standard errors, and still win.

    If the winner moves by 1, variant j moves by c = Σ_js / Σ_ss: with c < 1 the winner can fall until j overtakes it,
    with c > 1 it can rise until then.
    """
    variance = spread[selected, selected]
    lead = (estimates[selected] - estimates) / math.sqrt(variance)
    pull = 1.0 - spread[selected] / variance
    slower, faster = pull > _SAME, pull < -_SAME
    below = (lead[slower] / pull[slower]).min(initial=math.inf)
    above = (lead[faster] / -pull[faster]).min(initial=math.inf)
    return float(below), float(above)


def _projection(n: int, error: float) -> float:
    """c with P(all |Z_i| <= c) >= 1 - ``error`` for n standard normals of any correlation (Šidák)."""
    return quantile(math.exp(math.log1p(-error) / n))


def _hybrid_steps(below: float, above: float, n: int, error: float) -> list[float]:
    """The hybrid estimate and the ends of its interval, as steps from the shown value in standard errors.

    If the truth is d steps away, the shown value lies at -d in a standard normal truncated to [-below - d, above - d]
    and to [-c, c]. Its distribution function falls from 1 at d = -c to 0 at d = c: each quantile has one root.
    """
    from scipy.optimize import brentq

    reserve = error / 10.0
    c = _projection(n, reserve)
    tail = (error - reserve) / (1.0 - reserve) / 2.0

    def distribution(d: float) -> float:
        low, high = max(-below - d, -c), min(above - d, c)
        return _mass(low, -d) / _mass(low, high)

    return [brentq(lambda d, q=q: distribution(d) - q, -c, c, xtol=1e-12) for q in (0.5, 1.0 - tail, tail)]


def _mass(low: float, high: float) -> float:
    """Φ(high) - Φ(low), computed in the lower tail, where small differences keep their digits."""
    if low > 0.0:
        low, high = -high, -low
    return (math.erfc(-high / math.sqrt(2.0)) - math.erfc(-low / math.sqrt(2.0))) / 2.0


def _check_estimates(values: ArrayLike, covariance: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    estimates, spread = np.asarray(values, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    if estimates.ndim != 1 or not len(estimates) or spread.shape != (len(estimates), len(estimates)):
        raise ValueError(f"Expected values (N,) and covariance (N, N), N >= 1; got {estimates.shape}, {spread.shape}.")
    if not (np.isfinite(estimates).all() and np.isfinite(spread).all()):
        raise ValueError("Values and covariance must be finite.")
    size = max(np.abs(spread).max(), np.finfo(np.float64).tiny)
    if np.abs(spread - spread.T).max() > 1e-8 * size or np.linalg.eigvalsh(spread)[0] < -1e-8 * size:
        raise ValueError("The covariance must be symmetric and positive semidefinite.")
    return estimates, spread


def _check_number(n: Any) -> int:
    try:
        whole = operator.index(n)
    except TypeError:
        raise ValueError(f"The number of variants must be a whole number, got {n!r}.") from None
    if not 1 <= whole <= 10**9:
        raise ValueError(f"The number of variants must be 1 to 10^9, got {whole}.")
    return whole
