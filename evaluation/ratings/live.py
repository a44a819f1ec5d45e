"""Live ratings, which take new votes without a refit and bound their distance from one.

A vote moves the ratings by its influence, one Newton step with the Hessian H of the last refit:
θ += H⁻¹ (e_a - e_b) (y - p), p = σ(θ_a - θ_b) (Pregibon 1981, "Logistic regression diagnostics": one-step estimates).
"""

import math
import operator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.counts import Counts
from evaluation.ratings.families import BRADLEY_TERRY, sigmoid
from evaluation.ratings.fitting import hold_sum, maximize, pair_up
from evaluation.ratings.outcomes import BOTH_BAD, TIE, WINNERS, Treatment
from evaluation.ratings.ratings import Ratings
from evaluation.ratings.scales import Scale

Array = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]

_DROPPED: Final = -1.0


class LiveRatings:
    """Bradley-Terry ratings of ``counts`` that follow new votes.

    ``ties``, ``both_bad`` and ``scale`` are those of fit_bradley_terry, and so are the errors: DisconnectedModelsError
    if the counts do not rate every model. The models are fixed; to add one, build new LiveRatings from counts that
    hold its votes. Not thread-safe.
    """

    def __init__(
        self,
        counts: Counts,
        *,
        ties: Treatment = "half",
        both_bad: Treatment = "half",
        scale: Scale = Scale(),
    ) -> None:
        from evaluation.ratings.kernels import live

        check_type("scale", scale, Scale)
        fit = fit_bradley_terry(counts, ties=ties, both_bad=both_bad, interval="inverse_hessian")
        self.models: Final = counts.models
        self.ties: Final = ties
        self.both_bad: Final = both_bad
        self.scale: Final = scale
        # What A's side of a vote has won, by outcome.
        halves = [0.5 if treatment == "half" else _DROPPED for treatment in (ties, both_bad)]
        self._shares = np.array([1.0, 0.0, *halves])
        self._fitted = counts
        self._added = np.zeros(counts.table.shape, dtype=np.int64)
        self._theta = fit.theta
        self._inverse = np.ascontiguousarray(fit.covariance / fit.scale.unit**2)
        scale.place(self.models, self._theta, self._inverse)  # raises for an unknown anchor
        self._add_vote, self._add_votes = live.add_vote, live.add_votes

    @property
    def theta(self) -> Array:
        """(M,): natural log-strengths with mean zero."""
        theta: Array = self._theta - self._theta.mean()
        return theta

    @property
    def values(self) -> Array:
        """(M,): the current ratings, in points."""
        values, _ = self.scale.place(self.models, self._theta, self._inverse)
        return values

    @property
    def counts(self) -> Counts:
        """All votes: those of the last refit and those added since."""
        return self._fitted + Counts(self.models, self._added.copy())

    def add(self, model_a: int | Codes, model_b: int | Codes, winner: int | Codes) -> None:
        """Add one vote, or N votes in their order: codes into ``models`` and WINNERS, as whole numbers or arrays (N,).

        A dropped outcome is counted and moves nothing. Raises ValueError for codes out of range, a model that meets
        itself, or arrays of different lengths; then no vote is added.
        """
        if isinstance(winner, np.ndarray):
            columns = [np.asarray(column) for column in (model_a, model_b, winner)]
            self._check_many(*columns)
            columns = [column.astype(np.int64, copy=False) for column in columns]
            self._add_votes(self._theta, self._inverse, self._added, self._shares, *columns)
        else:
            a, b, k = self._check_one(model_a, model_b, winner)
            self._add_vote(self._theta, self._inverse, self._added, self._shares, a, b, k)

    def _check_one(self, model_a: Any, model_b: Any, winner: Any) -> tuple[int, int, int]:
        try:
            a, b, k = operator.index(model_a), operator.index(model_b), operator.index(winner)
        except TypeError as error:
            raise ValueError(
                f"Codes must be whole numbers or three arrays; got {model_a!r}, {model_b!r}, {winner!r}."
            ) from error
        m = len(self.models)
        if not (0 <= a < m and 0 <= b < m and 0 <= k < len(WINNERS) and a != b):
            self._refuse(0, a, b, k)
        return a, b, k

    def _check_many(self, model_a: Codes, model_b: Codes, winner: Codes) -> None:
        columns = (model_a, model_b, winner)
        shapes, kinds = {codes.shape for codes in columns}, {codes.dtype.kind for codes in columns}
        if len(shapes) != 1 or winner.ndim != 1 or not kinds <= set("iu"):
            got = ", ".join(f"{codes.shape} of {codes.dtype}" for codes in columns)
            raise ValueError(f"Votes must be three arrays (N,) of whole numbers, got {got}.")
        m = len(self.models)
        bad = model_a == model_b
        for codes, limit in zip(columns, (m, m, len(WINNERS)), strict=True):
            if len(codes) and not (codes.min() >= 0 and codes.max() < limit):
                bad |= (codes < 0) | (codes >= limit)
        if bad.any():
            row = int(bad.argmax())
            self._refuse(row, int(model_a[row]), int(model_b[row]), int(winner[row]))

    def _refuse(self, row: int, a: int, b: int, k: int) -> None:
        if not 0 <= k < len(WINNERS):
            raise ValueError(f"Row {row}: winner is {k}; expected 0 to {len(WINNERS) - 1} ({', '.join(WINNERS)}).")
        if a == b:
            raise ValueError(f"Row {row}: model {a} meets itself.")
        raise ValueError(
            f"Row {row}: models {a} and {b}; expected 0 to {len(self.models) - 1}. "
            "To add a model, build new LiveRatings from counts that hold its votes."
        )

    def drift(self) -> float:
        """Upper bound, in points, on the distance of any value from a refit; infinite if it is too far for a bound.

        Let F be the negative log-likelihood of all votes, g and H its gradient and Hessian at the live θ, and d the
        step from there to its minimum. Let C = H⁻¹ (θ has mean zero), λ² = gᵀ C g, x² = dᵀ H d, r the largest
        |d_i - d_j| and c² the largest (e_i - e_j)ᵀ C (e_i - e_j) over pairs that met: r <= c x. The logistic has
        |σ''| <= σ', so that along d each pair's curvature stays between exp(-rt) and exp(rt) times its first (Bach
        2010, "Self-concordant analysis for logistic regression", proposition 1). Integrated from t = 0 to 1:
        λ x >= -gᵀ d >= x² (1 - exp(-r)) / r >= x (1 - exp(-cx)) / c, hence x <= -log(1 - cλ) / c if cλ < 1, and
        -g = K d with |K - H| <= ρ H, ρ = (exp(r) - 1 - r) / r, hence d is within ρ x of the Newton step s = -C g in the
        norm of H. So |d_i| <= |s_i| + sqrt(C_ii) ρ x, and |d_i| <= sqrt(C_ii) x. Exact up to rounding; O(M³).
        """
        won, drawn = _fold(self.counts, self.ties, self.both_bad)
        p, meetings = _predict(self._theta), won + won.T + drawn
        slope = _find_slope(won, drawn, p)
        try:
            inverse = _find_inverse(meetings * p * (1.0 - p))
        except np.linalg.LinAlgError:  # so far from the maximum that the likelihood has no curvature here
            return math.inf
        step = inverse @ slope
        decrement = math.sqrt(abs(float(slope @ step)))
        spread = np.diag(inverse)
        c = math.sqrt(float((spread[:, None] + spread - 2.0 * inverse)[meetings > 0].max()))
        if not c * decrement < 1.0:
            return math.inf
        x = -math.log1p(-c * decrement) / c
        rho = math.expm1(c * x) / (c * x) - 1.0 if c * x > 1e-6 else c * x
        steps, covariance = self.scale.place(self.models, step, inverse)
        reach = np.sqrt(np.maximum(np.diag(covariance), 0.0)) * x
        return float(np.minimum(np.abs(steps - self.scale.center) + reach * rho, reach).max())

    def refit(self) -> Ratings:
        """Refit to all votes, and return the ratings that fit_bradley_terry gives. O(M³), from the live θ."""
        counts = self.counts
        won, drawn = _fold(counts, self.ties, self.both_bad)
        theta, iterations = self._converge(counts, won, drawn)
        p = _predict(theta)
        inverse = _find_inverse((won + won.T + drawn) * p * (1.0 - p))
        if counts.squares is not None:
            won, drawn = _fold(Counts(self.models, counts.squares, counts.squares), self.ties, self.both_bad)
        lost = won * (1.0 - p) ** 2
        middle = _laplacian(lost + lost.T + drawn * (0.5 - p) ** 2)
        values, covariance = self.scale.place(self.models, theta, inverse @ middle @ inverse)
        self._fitted, self._theta, self._inverse = counts, theta, inverse
        self._added = np.zeros_like(self._added)
        return Ratings(
            models=self.models,
            values=values,
            covariance=covariance,
            method=BRADLEY_TERRY.name,
            ties=self.ties,
            both_bad=self.both_bad,
            interval="sandwich",
            n_votes=counts.n_votes,
            scale=self.scale,
            iterations=iterations,
        )

    def _converge(self, counts: Counts, won: Array, drawn: Array) -> tuple[Array, int]:
        """θ (M,) of the maximum, by steps with the old Hessian: after few new votes each gains several digits."""
        theta = self.theta
        for iteration in range(1, 21):
            step = self._inverse @ _find_slope(won, drawn, _predict(theta))
            theta = theta + step
            if np.abs(step).max() < 1e-11:
                return theta, iteration
        half = {"ties": self.ties == "half", "both_bad": self.both_bad == "half"}
        optimum = maximize(BRADLEY_TERRY, pair_up(counts, **half))
        return optimum.theta, optimum.iterations


def _fold(counts: Counts, ties: str, both_bad: str) -> tuple[Array, Array]:
    """Two tables (M, M): votes that the row's model won against the column's, and undecided votes that count."""
    drawn = np.zeros((len(counts.models),) * 2)
    for treatment, outcome in ((ties, TIE), (both_bad, BOTH_BAD)):
        if treatment == "half":
            drawn += counts.drawn(outcome)
    return counts.wins.astype(np.float64), drawn


def _predict(theta: Array) -> Array:
    """(M, M): probability that the row's model beats the column's."""
    return sigmoid(theta[:, None] - theta)


def _find_slope(won: Array, drawn: Array, p: Array) -> Array:
    """(M,): gradient of the log-likelihood."""
    slope: Array = (won + drawn / 2.0 - (won + won.T + drawn) * p).sum(axis=1)
    return slope


def _laplacian(weights: Array) -> Array:
    laplacian: Array = np.diag(weights.sum(axis=1)) - weights
    return laplacian


def _find_inverse(weights: Array) -> Array:
    """(M, M): inverse of the Laplacian of ``weights``, for θ with mean zero. Twice as fast as fitting.invert."""
    from scipy.linalg import lapack

    held = hold_sum(_laplacian(weights), len(weights))
    factor, failed = lapack.dpotrf(held, overwrite_a=True)
    if failed:
        raise np.linalg.LinAlgError("The Hessian is singular.")
    inverse, _ = lapack.dpotri(factor, overwrite_c=True)
    inverse = np.triu(inverse) + np.triu(inverse, 1).T
    # The term that hold_sum added for the sum of θ is the same in every element.
    return np.ascontiguousarray(inverse - inverse.mean())
