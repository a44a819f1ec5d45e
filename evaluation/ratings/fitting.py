"""Maximum likelihood for paired comparisons, from counts, by Newton's method.

The parameters are θ (M,), then the side's intercept if it is fitted, then τ if the family models ties. The likelihood
does not change with the sum of θ, which is held at zero.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.counts import Counts
from evaluation.ratings.families import Family
from evaluation.ratings.outcomes import BOTH_BAD, MODEL_A, MODEL_B, TIE

Array = NDArray[np.float64]


class NoFiniteFit(ValueError):
    """The likelihood rises for ever along some parameter: the votes put no finite value on it."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of models that met. ``votes`` and ``squares`` (3, P): left won, right won, tie.

    ``side`` is true where the left model is the one that was shown as A; else i < j, whoever was A.
    """

    n_models: int
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    votes: Array
    squares: Array
    side: bool


@dataclass(frozen=True, eq=False)
class Optimum:
    """``theta`` (M,) with mean zero, ``side`` and ``tau`` (0 when not fitted), ``hessian`` (Q, Q) with the sum held."""

    theta: Array
    side: float
    tau: float
    hessian: Array
    iterations: int


def pair_up(counts: Counts, *, ties: bool, both_bad: bool, side: bool = False) -> Pairs:
    """The pairs of ``counts`` that have votes; ``ties`` and ``both_bad`` say whether those votes count as ties."""
    m = len(counts.models)
    folded = []
    for table in (counts.table, counts.squared_weights):
        drawn = ties * table[:, :, TIE] + both_bad * table[:, :, BOTH_BAD]
        if side:
            folded.append(np.stack([table[:, :, MODEL_A], table[:, :, MODEL_B], drawn]).astype(np.float64))
        else:
            won = table[:, :, MODEL_A] + table[:, :, MODEL_B].T
            folded.append(np.stack([won, won.T, drawn + drawn.T]).astype(np.float64))
    met = folded[0].sum(axis=0) > 0
    left, right = np.nonzero(met if side else np.triu(met))
    return Pairs(m, left, right, folded[0][:, left, right], folded[1][:, left, right], side)


def maximize(family: Family, pairs: Pairs, start: Array | None = None) -> Optimum:
    """The maximum of the likelihood; ``start`` (M,) is a first θ.

    Raises NoFiniteFit when there is none: with a side or a tie parameter, connected models are not enough.
    """
    m = pairs.n_models
    x = np.zeros(m + pairs.side + family.models_ties)
    if start is not None:
        x[:m] = start
    if family.models_ties:
        # Where all models are equal this is near Davidson's and Rao and Kupper's estimate alike.
        x[-1] = np.log1p(pairs.votes[2].sum() / pairs.votes[:2].sum())
    likelihood = _log_likelihood(family, pairs, x)
    for iteration in range(1, 101):
        eta, tau = _predict(family, pairs, x)
        by_eta, by_tau = (family.scores(eta, tau) * pairs.votes).sum(axis=1)
        gradient = assemble_gradient(family, pairs, by_eta, by_tau)
        hessian = assemble(family, pairs, *(family.information(eta, tau) * pairs.votes).sum(axis=1))
        step = _solve(hold_sum(hessian, m), gradient)
        # The rise that this step can still bring is lost in the rounding of the likelihood: after it we are there,
        # or, when the step is still long, on a ridge that leads to infinity.
        if not np.isfinite(step).all():
            break
        if gradient @ step <= 1e-13 * (1.0 + abs(likelihood)):
            if np.abs(step).max() > 1e-3:
                break
            return _optimum(family, pairs, x + step, iteration)
        while not (risen := _log_likelihood(family, pairs, x + step)) >= likelihood:
            step = step / 2.0
        x, likelihood = x + step, risen
    raise NoFiniteFit(
        "The votes put no finite value on the ratings and the parameters beside them, "
        "as when one side won every vote or when ties and wins never overlap. Fit without the side or the ties."
    )


def _solve(hessian: Array, gradient: Array) -> Array:
    try:
        step: Array = np.linalg.solve(hessian, gradient).astype(np.float64, copy=False)
        return step
    except np.linalg.LinAlgError:
        return np.full_like(gradient, np.inf)


def _optimum(family: Family, pairs: Pairs, x: Array, iterations: int) -> Optimum:
    m = pairs.n_models
    eta, tau = _predict(family, pairs, x)
    hessian = hold_sum(assemble(family, pairs, *(family.information(eta, tau) * pairs.votes).sum(axis=1)), m)
    return Optimum(x[:m] - x[:m].mean(), float(x[m]) if pairs.side else 0.0, tau, hessian, iterations)


def _predict(family: Family, pairs: Pairs, x: Array) -> tuple[Array, float]:
    eta = x[pairs.left] - x[pairs.right]
    if pairs.side:
        eta = eta + x[pairs.n_models]
    return eta, float(x[-1]) if family.models_ties else 0.0


def _log_likelihood(family: Family, pairs: Pairs, x: Array) -> float:
    log_p = family.log_p(*_predict(family, pairs, x))
    return float(np.multiply(pairs.votes, log_p, where=pairs.votes > 0, out=np.zeros_like(log_p)).sum())


def assemble_gradient(family: Family, pairs: Pairs, by_eta: Array, by_tau: Array) -> Array:
    """(Q,) from slopes in η and τ of each pair (P,)."""
    parts = [_spread(pairs, by_eta)]
    if pairs.side:
        parts.append(by_eta.sum(keepdims=True))
    if family.models_ties:
        parts.append(by_tau.sum(keepdims=True))
    return np.concatenate(parts)


def assemble(family: Family, pairs: Pairs, eta_eta: Array, eta_tau: Array, tau_tau: Array) -> Array:
    """(Q, Q): Σ over pairs of [[ηη, ητ], [ητ, ττ]] (each (P,)) in the parameters: for θ a weighted graph Laplacian."""
    m = pairs.n_models
    matrix = np.zeros((m + pairs.side + family.models_ties,) * 2)
    weights = np.zeros((m, m))
    weights[pairs.left, pairs.right] = eta_eta
    weights += weights.T
    matrix[:m, :m] = np.diag(weights.sum(axis=1)) - weights
    if pairs.side:
        matrix[:m, m] = matrix[m, :m] = _spread(pairs, eta_eta)
        matrix[m, m] = eta_eta.sum()
    if family.models_ties:
        matrix[:m, -1] = matrix[-1, :m] = _spread(pairs, eta_tau)
        if pairs.side:
            matrix[m, -1] = matrix[-1, m] = eta_tau.sum()
        matrix[-1, -1] = tau_tau.sum()
    return matrix


def _spread(pairs: Pairs, values: Array) -> Array:
    """(M,): each pair's value, added to its left model and taken from its right one."""
    m = pairs.n_models
    spread: Array = np.bincount(pairs.left, values, m).astype(np.float64)
    return spread - np.bincount(pairs.right, values, m)


def hold_sum(hessian: Array, n_models: int) -> Array:
    """The Hessian with an eigenvalue for the sum of θ, which the votes leave open; nothing else changes."""
    held = hessian.copy()
    held[:n_models, :n_models] += np.trace(hessian[:n_models, :n_models]) / n_models**2
    return held


def invert(hessian: Array, n_models: int) -> Array:
    """Inverse of a Hessian of ``hold_sum``, for θ with mean zero."""
    inverse = np.linalg.inv(hessian)
    inverse[:n_models] -= inverse[:n_models].mean(axis=0)
    inverse[:, :n_models] -= inverse[:, :n_models].mean(axis=1)[:, None]
    symmetric: Array = (inverse + inverse.T) / 2.0
    return symmetric
