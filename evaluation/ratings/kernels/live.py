"""Updates of live ratings, compiled."""

import math

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.kernels.compiling import compile_kernel


@compile_kernel
def add_vote(
    theta: NDArray[np.float64],
    inverse: NDArray[np.float64],
    added: NDArray[np.int64],
    shares: NDArray[np.float64],
    a: int,
    b: int,
    outcome: int,
) -> None:
    """Count a vote in ``added`` (M, M, 4) and move ``theta`` (M,) by its influence, both in place.

    ``inverse`` (M, M) is H⁻¹. ``shares`` (4,) is what A wins by each outcome, below zero for outcomes that are dropped.
    """
    added[a, b, outcome] += 1
    if shares[outcome] < 0.0:
        return
    # exp overflows at 710; the expected score is 0 long before.
    surprise = shares[outcome] - 1.0 / (1.0 + math.exp(min(theta[b] - theta[a], 700.0)))
    row_a, row_b = inverse[a], inverse[b]
    for i in range(len(theta)):
        theta[i] += surprise * (row_a[i] - row_b[i])


@compile_kernel
def add_votes(
    theta: NDArray[np.float64],
    inverse: NDArray[np.float64],
    added: NDArray[np.int64],
    shares: NDArray[np.float64],
    model_a: NDArray[np.int64],
    model_b: NDArray[np.int64],
    winner: NDArray[np.int64],
) -> None:
    """``add_vote`` for N votes, in their order."""
    for vote in range(len(winner)):
        add_vote(theta, inverse, added, shares, model_a[vote], model_b[vote], winner[vote])
