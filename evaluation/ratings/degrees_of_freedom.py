"""Degrees of freedom of intervals from a cluster jackknife, if the clusters differ in size.

The reference distribution is that of a weighted mean x̂ = Σ a_c x_c of C independent clusters with shares a_c, divided
by its jackknife standard error, whose square is (C - 1) / C Σ (a_c / (1 - a_c))² (x_c - x̂)². The clusters are normal
with variance 1 + λ / a_c: clusters that differ from each other, and votes that vary within them. The degrees of freedom
are those of the Student's t with the same critical value, for the λ that makes it largest. Clusters of one size give
exactly C - 1.

x̂² > c² × squared error is a quadratic form in normals, xᵀ A x > 0. Its probability is ½ + 1/π ∫ Im φ(t) / t dt with
φ(t) = det(I - 2itA)^(-½) (Imhof 1961, "Computing the distribution of quadratic forms in normal variables", Biometrika
48:419). A is diagonal but for a part of rank 2, so that the determinant costs one pass over the clusters.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The largest shares are kept one by one; the other clusters count as clusters of one size.
KEPT: Final = 24
# With more effective clusters than these, the degrees of freedom are that number minus 1: the critical values differ
# by less than 2 %.
MANY: Final = 40.0
# The path of integration is turned by 45 degrees, away from the singularities, so that the integrand decays
# exponentially. The pole at 0 then contributes π / 4 less.
ROTATION: Final = np.exp(-0.25j * np.pi)
# The integral's step in log t, and its first point for a form with a variance of the order of 1. The integrand is
# smooth and vanishes at both ends, so that the trapezoid rule converges faster than any power.
STEP: Final = 0.4
FIRST: Final = -11.0


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of the clusters in Q estimates: each column sums to 1.

    ``largest`` (K, Q) are the K largest. ``rest`` and ``rest_squares`` (Q,) are the sum of the other shares and of
    their squares. ``n_clusters`` is the number C of all clusters.
    """

    largest: Array
    rest: Array
    rest_squares: Array
    n_clusters: int

    @property
    def effective(self) -> Array:
        """(Q,): 1 / Σ a_c², the number of clusters of one size with the same sum of squares."""
        squares = (self.largest**2).sum(axis=0) + self.rest_squares
        effective: Array = np.divide(1.0, squares, out=np.ones_like(squares), where=squares > 0)
        return effective


class ShareSums:
    """Weights of clusters in Q estimates, added up in blocks, in memory that does not grow with their number."""

    def __init__(self, n_estimates: int) -> None:
        self._largest = np.zeros((0, n_estimates))
        self._total, self._squares = np.zeros(n_estimates), np.zeros(n_estimates)
        self._n_clusters = 0

    def add(self, weights: Array) -> None:
        """Add the weights (C, Q) of C clusters, each 0 or more."""
        self._n_clusters += len(weights)
        self._total += weights.sum(axis=0)
        self._squares += (weights**2).sum(axis=0)
        if len(self._largest) == KEPT and (weights.max(axis=0) <= self._largest[0]).all():
            return
        found = np.concatenate([self._largest, weights])
        self._largest = np.sort(found, axis=0)[-KEPT:]

    def divide(self) -> Shares:
        """The shares of all clusters added so far."""
        total = np.where(self._total > 0, self._total, 1.0)
        largest = self._largest / total
        # Sums that differ by rounding alone leave nothing.
        rest = 1.0 - largest.sum(axis=0)
        rest_squares = self._squares / total**2 - (largest**2).sum(axis=0)
        real = (len(largest) < self._n_clusters) & (rest > 1e-9) & (rest_squares > 1e-18)
        return Shares(largest, np.where(real, rest, 0.0), np.where(real, rest_squares, 0.0), self._n_clusters)


def find_degrees_of_freedom(shares: Shares, confidence: float = 0.95) -> Array:
    """(Q,): the degrees of freedom of each estimate, at most C - 1. An estimate without shares is known: C - 1."""
    from scipy.special import stdtrit

    most = float(shares.n_clusters - 1)
    found = np.minimum(np.maximum(shares.effective - 1.0, 0.0), most)
    uneven = shares.effective < (1.0 - 1e-9) * shares.n_clusters
    told = shares.largest.any(axis=0)
    few = np.flatnonzero(told & uneven & (shares.effective < MANY))
    found[~told] = most
    if len(few):
        critical = _find_critical_values(shares, few, confidence)
        # Solved for log ν by bisection: the quantile falls with ν.
        low, high = np.full(len(few), np.log(1e-2)), np.full(len(few), np.log(most))
        for _ in range(40):
            middle = (low + high) / 2.0
            above = stdtrit(np.exp(middle), 0.5 + confidence / 2.0) > critical
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        found[few] = np.exp(high)
    return found


def find_weighted_degrees(weights: NDArray[Any], confidence: float = 0.95) -> float:
    """The degrees of freedom of a mean over clusters that count in proportion to their ``weights`` (C,)."""
    shares = ShareSums(1)
    shares.add(np.asarray(weights, dtype=np.float64)[:, None])
    return float(find_degrees_of_freedom(shares.divide(), confidence)[0])


def _find_critical_values(shares: Shares, chosen: NDArray[np.intp], confidence: float) -> Array:
    """(chosen,): the critical values at ``confidence``, each the largest over λ."""
    largest, rest, squares = shares.largest[:, chosen], shares.rest[chosen], shares.rest_squares[chosen]
    number = np.divide(rest**2, squares, out=np.zeros_like(rest), where=squares > 0)
    others = np.divide(rest, number, out=np.zeros_like(rest), where=number > 0)
    a, times = np.concatenate([largest, others[None]]), np.concatenate([np.ones_like(largest), number[None]])
    a = np.minimum(a, 1.0 - 1e-6)
    smallest = np.where((a > 0) & (times > 0), a, np.inf).min(axis=0)
    # λ = 0, between the smallest and the largest share, and infinite.
    variances = [a**2, a**2 + a * np.sqrt(smallest * a.max(axis=0)), a]
    n = len(variances)
    values = _find_critical(np.tile(a, n), np.tile(times, n), np.hstack(variances), shares.n_clusters, confidence)
    critical: Array = values.reshape(n, -1).max(axis=0)
    return critical


def _find_critical(a: Array, times: Array, variance: Array, n_clusters: int, confidence: float) -> Array:
    """(Q,): c with P(|x̂| > c × standard error) = 1 - ``confidence``.

    ``a``, ``times`` and ``variance`` (K, Q) are the share of a cluster, the number of clusters with that share and
    the variance of a_c x_c. The logarithm of the probability is nearly linear in log c, so that a few secant steps,
    kept within a bracket, are exact.
    """
    low, high = np.full(a.shape[1], np.log(0.5)), np.full(a.shape[1], np.log(1e4))
    target, here, before, missed_before = np.log1p(-confidence), np.full_like(low, np.log(2.5)), low, None
    for _ in range(40):
        tail = _find_tail(np.exp(here), a, times, variance, n_clusters)
        missed = np.log(np.maximum(tail, 1e-12)) - target
        low, high = np.where(missed > 0, here, low), np.where(missed > 0, high, here)
        if (np.abs(missed) < 1e-5).all():
            break
        slope = -1.0 if missed_before is None else (missed - missed_before) / np.where(here == before, 1, here - before)
        step = here - missed / np.minimum(slope, -0.1)
        before, missed_before = here, missed
        here = np.where((low < step) & (step < high), step, (low + high) / 2.0)
    critical: Array = np.exp(here)
    return critical


def _find_tail(c: Array, a: Array, times: Array, variance: Array, n_clusters: int) -> Array:
    """(Q,): P(|x̂| > c × standard error); the arguments are those of _find_critical, and ``c`` (Q,)."""
    grow, w = 1.0 / (1.0 - a), c**2 * (n_clusters - 1) / n_clusters
    # A = α αᵀ (1 - w s) + w (α βᵀ + β αᵀ) - w diag(ρ), with s = Σ (a / (1 - a))².
    alpha, beta, rho = np.sqrt(variance), a * grow**2 * np.sqrt(variance), grow**2 * variance
    s = (times * (a * grow) ** 2).sum(axis=0)
    size = np.maximum(w * (times * rho).sum(axis=0), (times * variance).sum(axis=0))
    small = np.where(times * rho > 0, w * rho, np.inf).min(axis=0)
    steps = np.arange(FIRST, np.log((size / small).max()) + 4.0, STEP)
    i = 2j * ROTATION * np.exp(steps)[:, None] / size
    # The diagonal is 1 + x + ix; the real logarithm and the angle are cheaper than a complex logarithm.
    x = np.abs(i)[:, None] * (w * rho / np.sqrt(2.0))
    part = times / (1.0 + (1.0 + 1.0j) * x)
    logarithm = np.einsum("tkq,kq->tq", 0.5 * np.log1p(2.0 * x + 2.0 * x**2), times)
    turn = np.einsum("tkq,kq->tq", np.arctan(x / (1.0 + x)), times)
    aa, ab, bb = (np.einsum("tkq,kq->tq", part, product) for product in (alpha**2, alpha * beta, beta**2))
    k = 1.0 - w * s
    det = (1.0 - i * (k * aa + w * ab)) * (1.0 - i * w * ab) - (i * (k * ab + w * bb)) * (i * w * aa)
    angle = np.unwrap(np.angle(det), axis=0)
    phase, modulus = -0.5 * (turn + angle), np.exp(-0.5 * logarithm) / np.sqrt(np.abs(det))
    tail: Array = 0.25 + np.trapezoid(modulus * np.sin(phase), dx=STEP, axis=0) / np.pi
    return tail
