"""How a paired comparison comes out, as a likelihood in two numbers.

η is the difference of log-strength of the left and the right model, τ a tie parameter. Outcomes are in the order left,
right, tie. Every function takes arrays (P,) and gives, by outcome, arrays (3, P).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """``log_p(η, τ)`` (3, P): log-likelihood of each outcome. ``scores`` (2, 3, P): its slope in η and in τ.

    ``information`` (3, 3, P): minus its second derivatives ηη, ητ, ττ (first axis), by outcome (second axis).
    """

    name: str
    models_ties: bool
    log_p: Callable[[Array, float], Array]
    scores: Callable[[Array, float], Array]
    information: Callable[[Array, float], Array]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    p: Array = np.where(x >= 0, 1.0, e) / (1.0 + e)
    return p


def log_sigmoid(x: Array) -> Array:
    """log(sigmoid(x)), without overflow."""
    y: Array = np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))
    return y


def _bradley_terry_log_p(eta: Array, tau: float) -> Array:
    left = log_sigmoid(eta)
    right = left - eta
    return np.stack([left, right, (left + right) / 2.0])


def _bradley_terry_scores(eta: Array, tau: float) -> Array:
    p = sigmoid(eta)
    by_eta = np.stack([1.0 - p, -p, 0.5 - p])
    return np.stack([by_eta, np.zeros_like(by_eta)])


def _bradley_terry_information(eta: Array, tau: float) -> Array:
    p = sigmoid(eta)
    information = np.zeros((3, 3, len(p)))
    information[0] = p * (1.0 - p)
    return information


def _davidson_log_p(eta: Array, tau: float) -> Array:
    total = np.logaddexp(np.logaddexp(eta / 2.0, -eta / 2.0), tau)
    return np.stack([eta / 2.0, -eta / 2.0, np.full_like(eta, tau)]) - total


def _davidson_scores(eta: Array, tau: float) -> Array:
    left, right, tie = np.exp(_davidson_log_p(eta, tau))
    expected = (left - right) / 2.0
    return np.stack([np.stack([0.5 - expected, -0.5 - expected, -expected]), np.stack([-tie, -tie, 1.0 - tie])])


def _davidson_information(eta: Array, tau: float) -> Array:
    # An exponential family: the information is the covariance of its statistics (1/2, -1/2, 0) and [tie].
    left, right, tie = np.exp(_davidson_log_p(eta, tau))
    expected = (left - right) / 2.0
    each = np.stack([(left + right) / 4.0 - expected**2, -expected * tie, tie * (1.0 - tie)])
    return np.repeat(each[:, None, :], 3, axis=1)


def _rao_kupper_log_p(eta: Array, tau: float) -> Array:
    left, right = log_sigmoid(eta - tau), log_sigmoid(-eta - tau)
    # P(tie) = (e^{2τ} - 1) P(left) P(right): a tie is a win for each side and something about τ.
    return np.stack([left, right, left + right + (np.log(np.expm1(2.0 * tau)) if tau > 0 else -np.inf)])


def _rao_kupper_scores(eta: Array, tau: float) -> Array:
    left, right = 1.0 - sigmoid(eta - tau), 1.0 - sigmoid(-eta - tau)
    more = -2.0 / np.expm1(-2.0 * tau)
    return np.stack([np.stack([left, -right, left - right]), np.stack([-left, -right, more - left - right])])


def _rao_kupper_information(eta: Array, tau: float) -> Array:
    left, right = sigmoid(eta - tau), sigmoid(-eta - tau)
    left, right = left * (1.0 - left), right * (1.0 - right)
    more = 1.0 / np.sinh(tau) ** 2
    return np.stack(
        [
            np.stack([left, right, left + right]),
            np.stack([-left, right, right - left]),
            np.stack([left, right, left + right + more]),
        ]
    )


# Bradley & Terry 1952. A tie weighs as half a win for each side: not a probability, a convention of the arenas.
BRADLEY_TERRY: Final = Family(
    "bradley_terry", False, _bradley_terry_log_p, _bradley_terry_scores, _bradley_terry_information
)
# Davidson 1970, "On extending the Bradley-Terry model to accommodate ties": P(tie) ∝ ν sqrt(π_l π_r), τ = ln ν.
DAVIDSON: Final = Family("davidson", True, _davidson_log_p, _davidson_scores, _davidson_information)
# Rao & Kupper 1967, "Ties in paired-comparison experiments": P(left) = π_l / (π_l + κ π_r), τ = ln κ > 0.
RAO_KUPPER: Final = Family("rao_kupper", True, _rao_kupper_log_p, _rao_kupper_scores, _rao_kupper_information)
