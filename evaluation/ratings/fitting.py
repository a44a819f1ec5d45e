"""Maximum likelihood for paired comparisons, from counts, by Newton's method.

The parameters are θ (M,), then the side's intercept if it is fitted, then τ if the family models ties. The likelihood
does not change with the sum of θ, which is held at zero.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.counts import Counts
from evaluation.ratings.families import Derivatives, Family
from evaluation.ratings.outcomes import BOTH_BAD, MODEL_A, MODEL_B, TIE

Array = NDArray[np.float64]


class NoFiniteFitError(ValueError):
    """The likelihood has no maximum: it rises without end along some parameter."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of models that met. ``votes`` and ``squares`` (3, P): left won, right won, tie.

    With ``side``, the left model is the one shown as A. Without it, left < right whichever was A.
    """

    n_models: int
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    votes: Array
    squares: Array
    side: bool


@dataclass(frozen=True, eq=False)
class Optimum:
    """``theta`` (M,) with mean zero, ``side`` and ``tau`` (0 if not fitted), ``hessian`` (Q, Q) with the sum held."""

    theta: Array
    side: float
    tau: float
    hessian: Array
    iterations: int


def pair_up(counts: Counts, *, ties: bool, both_bad: bool, side: bool = False) -> Pairs:
    """The pairs of ``counts`` that have votes; ``ties`` and ``both_bad`` say whether those votes count as ties."""
    votes = _fold(counts.table, ties, both_bad, side)
    met = votes[0] + votes[1] + votes[2] > 0
    left, right = np.nonzero(met if side else np.triu(met))
    chosen = votes[:, left, right]
    squares = chosen if counts.squares is None else _fold(counts.squares, ties, both_bad, side)[:, left, right]
    return Pairs(len(counts.models), left, right, chosen, squares, side)


def _fold(table: NDArray[Any], ties: bool, both_bad: bool, side: bool) -> Array:
    """(3, M, M): how often the row's model beat the column's, lost to it, and tied."""
    folded = np.zeros((3, *table.shape[:2]))
    folded[0], folded[1] = table[:, :, MODEL_A], table[:, :, MODEL_B]
    for counted, outcome in ((ties, TIE), (both_bad, BOTH_BAD)):
        if counted:
            folded[2] += table[:, :, outcome]
    if not side:
        folded += folded[[1, 0, 2]].transpose(0, 2, 1)
    return folded


def maximize(family: Family, pairs: Pairs, start: Array | None = None) -> Optimum:
    """The maximum of the likelihood; ``start`` (M,) is an initial θ.

    Raises NoFiniteFitError if there is none: with a side or a tie parameter, connected models are not enough.
    """
    m = pairs.n_models
    x = np.zeros(m + pairs.side + family.models_ties)
    if start is not None:
        x[:m] = start
    if family.models_ties:
        # For equal models this is close to the estimate of both Davidson's and Rao and Kupper's model.
        x[-1] = np.log1p(pairs.votes[2].sum() / pairs.votes[:2].sum())
    here, shortest = _derive(family, pairs, x), np.inf
    for iteration in range(1, 101):
        gradient, hessian = _assemble_all(pairs, here)
        step = solve(hessian, gradient)
        if not np.isfinite(step).all():
            break
        # The rise that this step can still bring is lost in the rounding of the likelihood, so a short step is the
        # last. After a long one, either a model with few votes among very many has not converged, and the next steps
        # get shorter, or the likelihood has a ridge that leads to infinity, and they do not.
        if gradient @ step <= 1e-13 * (1.0 + abs(here.log_likelihood)):
            length = np.abs(step).max()
            if length <= 1e-3:
                return _describe(family, pairs, x + step, iteration)
            if length > shortest / 2.0:
                break
            x, shortest = x + step, length
            here = _derive(family, pairs, x)
            continue
        while not (there := _derive(family, pairs, x + step)).log_likelihood >= here.log_likelihood:
            step = step / 2.0
        x, here = x + step, there
    raise NoFiniteFitError(
        "The votes give no finite value to the ratings with their side or tie parameter, because one side won every "
        "vote, or because ties and wins never overlap. Fit without the side or the ties."
    )


def solve(hessian: Array, gradient: Array) -> Array:
    """Newton's step (Q,); infinite where the Hessian is singular."""
    try:
        step: Array = np.linalg.solve(hessian, gradient).astype(np.float64, copy=False)
        return step
    except np.linalg.LinAlgError:
        return np.full_like(gradient, np.inf)


def _describe(family: Family, pairs: Pairs, x: Array, iterations: int) -> Optimum:
    m = pairs.n_models
    hessian = _assemble_all(pairs, _derive(family, pairs, x))[1]
    side, tau = float(x[m]) if pairs.side else 0.0, float(x[-1]) if family.models_ties else 0.0
    return Optimum(x[:m] - x[:m].mean(), side, tau, hessian, iterations)


def _derive(family: Family, pairs: Pairs, x: Array) -> Derivatives:
    eta = x[pairs.left] - x[pairs.right]
    if pairs.side:
        eta = eta + x[pairs.n_models]
    return family.derive(eta, float(x[-1]) if family.models_ties else 0.0, pairs.votes)


def _assemble_all(pairs: Pairs, at: Derivatives) -> tuple[Array, Array]:
    """Gradient (Q,) and Hessian (Q, Q), with the sum of θ held."""
    parts = [_spread(pairs, at.eta)]
    if pairs.side:
        parts.append(at.eta.sum(keepdims=True))
    if at.tau is not None:
        parts.append(at.tau.sum(keepdims=True))
    return np.concatenate(parts), hold_sum(assemble(pairs, at.eta_eta, at.eta_tau, at.tau_tau), pairs.n_models)


def assemble(pairs: Pairs, eta_eta: Array, eta_tau: Array | None = None, tau_tau: Array | None = None) -> Array:
    """(Q, Q): Σ over pairs of [[ηη, ητ], [ητ, ττ]] (each (P,)) in the parameters: for θ a weighted graph Laplacian."""
    m = pairs.n_models
    matrix = np.zeros((m + pairs.side + (tau_tau is not None),) * 2)
    theta = matrix[:m, :m]
    # With ``side``, a pair of models can have two entries, one on each side of the diagonal.
    theta[pairs.left, pairs.right] = -eta_eta
    theta += theta.T
    np.fill_diagonal(theta, -theta.sum(axis=1))
    if pairs.side:
        matrix[:m, m] = matrix[m, :m] = _spread(pairs, eta_eta)
        matrix[m, m] = eta_eta.sum()
    if eta_tau is not None and tau_tau is not None:
        matrix[:m, -1] = matrix[-1, :m] = _spread(pairs, eta_tau)
        if pairs.side:
            matrix[m, -1] = matrix[-1, m] = eta_tau.sum()
        matrix[-1, -1] = tau_tau.sum()
    return matrix


def _spread(pairs: Pairs, values: Array) -> Array:
    """(M,): each pair's value, added to its left model and subtracted from its right one."""
    m = pairs.n_models
    spread: Array = np.bincount(pairs.left, values, m).astype(np.float64)
    return spread - np.bincount(pairs.right, values, m)


def hold_sum(hessian: Array, n_models: int) -> Array:
    """Give the Hessian, in place, an eigenvalue for the sum of θ, which the votes do not determine."""
    theta = hessian[:n_models, :n_models]
    theta += np.trace(theta) / n_models**2
    return hessian


def invert(hessian: Array, n_models: int) -> Array:
    """Inverse (Q, Q) of a Hessian from ``hold_sum``, for θ with mean zero."""
    inverse = np.linalg.inv(hessian)
    inverse[:n_models] -= inverse[:n_models].mean(axis=0)
    inverse[:, :n_models] -= inverse[:, :n_models].mean(axis=1)[:, None]
    symmetric: Array = (inverse + inverse.T) / 2.0
    return symmetric
