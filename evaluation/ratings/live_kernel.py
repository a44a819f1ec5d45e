"""The loops of ``live``, compiled. Import only inside a function: this needs numba, which is optional.

Nothing is checked here: a code out of range would write to foreign memory.
"""

import math

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.kernels import compiled


@compiled
def add_vote(
    theta: NDArray[np.float64],
    inverse: NDArray[np.float64],
    added: NDArray[np.int64],
    shares: NDArray[np.float64],
    a: int,
    b: int,
    outcome: int,
) -> None:
    """Twin: live.add_vote."""
    added[a, b, outcome] += 1
    if shares[outcome] < 0.0:
        return
    surprise = shares[outcome] - 1.0 / (1.0 + math.exp(min(theta[b] - theta[a], 700.0)))
    row_a, row_b = inverse[a], inverse[b]
    for i in range(len(theta)):
        theta[i] += surprise * (row_a[i] - row_b[i])


@compiled
def add_votes(
    theta: NDArray[np.float64],
    inverse: NDArray[np.float64],
    added: NDArray[np.int64],
    shares: NDArray[np.float64],
    model_a: NDArray[np.int64],
    model_b: NDArray[np.int64],
    winner: NDArray[np.int64],
) -> None:
    """Twin: live.add_votes."""
    for vote in range(len(winner)):
        add_vote(theta, inverse, added, shares, model_a[vote], model_b[vote], winner[vote])
