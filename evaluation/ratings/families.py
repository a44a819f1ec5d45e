"""Likelihood families of paired comparisons: Bradley-Terry, Davidson, and Rao and Kupper.

η is the log-strength of the left model minus that of the right one, τ a tie parameter. Outcomes are in the order left,
right, tie; P is the number of pairs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Derivatives:
    """The log-likelihood of all votes, its slopes in η and τ (P,), and minus its second derivatives (P,).

    A family without ties has no derivatives in τ.
    """

    log_likelihood: float
    eta: Array
    eta_eta: Array
    tau: Array | None = None
    eta_tau: Array | None = None
    tau_tau: Array | None = None


@dataclass(frozen=True)
class Family:
    """``derive(η, τ, votes)``: for η (P,) and ``votes`` (3, P) by outcome. ``scores(η, τ)``: the slope of one vote.

    Scores are (1, 3, P): in η, by outcome; or (2, 3, P): in η and in τ.
    """

    name: str
    models_ties: bool
    derive: Callable[[Array, float, Array], Derivatives]
    scores: Callable[[Array, float], Array]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    p: Array = np.where(x >= 0, 1.0, e) / (1.0 + e)
    return p


def log_sigmoid(x: Array) -> Array:
    """log(sigmoid(x)), without overflow."""
    y: Array = np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))
    return y


def _derive_bradley_terry(eta: Array, tau: float, votes: Array) -> Derivatives:
    lost = votes[1] + votes[2] / 2.0
    n = votes[0] + votes[2] / 2.0 + lost
    e = np.exp(-np.abs(eta))
    p = np.where(eta >= 0, 1.0, e) / (1.0 + e)
    expected = n * p
    log_likelihood = n @ (np.minimum(eta, 0.0) - np.log1p(e)) - lost @ eta
    return Derivatives(float(log_likelihood), n - lost - expected, expected * (1.0 - p))


def _score_bradley_terry(eta: Array, tau: float) -> Array:
    p = sigmoid(eta)
    return np.stack([1.0 - p, -p, 0.5 - p])[None]


def _davidson_log_p(eta: Array, tau: float) -> Array:
    total = np.logaddexp(np.logaddexp(eta / 2.0, -eta / 2.0), tau)
    return np.stack([eta / 2.0, -eta / 2.0, np.full_like(eta, tau)]) - total


def _derive_davidson(eta: Array, tau: float, votes: Array) -> Derivatives:
    # An exponential family: the slopes are the statistics (1/2, -1/2, 0) and [tie] minus their means, the information
    # is their covariance.
    log_p = _davidson_log_p(eta, tau)
    left, right, tie = np.exp(log_p)
    expected, n = (left - right) / 2.0, votes.sum(axis=0)
    return Derivatives(
        float((votes * log_p).sum()),
        (votes[0] - votes[1]) / 2.0 - n * expected,
        n * ((left + right) / 4.0 - expected**2),
        votes[2] - n * tie,
        -n * expected * tie,
        n * tie * (1.0 - tie),
    )


def _score_davidson(eta: Array, tau: float) -> Array:
    left, right, tie = np.exp(_davidson_log_p(eta, tau))
    expected = (left - right) / 2.0
    return np.stack([np.stack([0.5 - expected, -0.5 - expected, -expected]), np.stack([-tie, -tie, 1.0 - tie])])


def _derive_rao_kupper(eta: Array, tau: float, votes: Array) -> Derivatives:
    if tau <= 0:
        nowhere = np.full_like(eta, np.nan)
        return Derivatives(-np.inf, *[nowhere] * 5)
    # P(tie) = (e^{2τ} - 1) P(left) P(right): a tie is a win for each side, times a factor in τ alone.
    won, lost, tied = votes[0] + votes[2], votes[1] + votes[2], votes[2]
    p, q = sigmoid(eta - tau), sigmoid(-eta - tau)
    log_likelihood = won @ log_sigmoid(eta - tau) + lost @ log_sigmoid(-eta - tau) + tied.sum() * _log_expm1(2.0 * tau)
    in_left, in_right = won * p * (1.0 - p), lost * q * (1.0 - q)
    return Derivatives(
        float(log_likelihood),
        won * (1.0 - p) - lost * (1.0 - q),
        in_left + in_right,
        -won * (1.0 - p) - lost * (1.0 - q) - 2.0 * tied / np.expm1(-2.0 * tau),
        in_right - in_left,
        in_left + in_right + tied / np.sinh(min(tau, 300.0)) ** 2,
    )


def _log_expm1(x: float) -> float:
    return float(x + np.log(-np.expm1(-x)))


def _score_rao_kupper(eta: Array, tau: float) -> Array:
    left, right = 1.0 - sigmoid(eta - tau), 1.0 - sigmoid(-eta - tau)
    more = -2.0 / np.expm1(-2.0 * tau)
    return np.stack([np.stack([left, -right, left - right]), np.stack([-left, -right, more - left - right])])


# Bradley & Terry 1952. A tie counts as half a win for each side: a convention of the arenas, not a probability model.
BRADLEY_TERRY: Final = Family("bradley_terry", False, _derive_bradley_terry, _score_bradley_terry)
# Davidson 1970, "On extending the Bradley-Terry model to accommodate ties": P(tie) ∝ ν sqrt(π_l π_r), τ = ln ν.
DAVIDSON: Final = Family("davidson", True, _derive_davidson, _score_davidson)
# Rao & Kupper 1967, "Ties in paired-comparison experiments": P(left) = π_l / (π_l + κ π_r), τ = ln κ > 0.
RAO_KUPPER: Final = Family("rao_kupper", True, _derive_rao_kupper, _score_rao_kupper)
