"""Elo updates, compiled."""

import math

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.kernels.compiling import compile_kernel


@compile_kernel
def update_elo(
    theta: NDArray[np.float64],
    model_a: NDArray[np.uint32],
    model_b: NDArray[np.uint32],
    winner: NDArray[np.uint8],
    weight: NDArray[np.float64],
    scores: NDArray[np.float64],
    steps: NDArray[np.float64],
) -> None:
    """Move ``theta`` (M,), in place, by N votes in their order.

    A vote's score for A is ``scores[winner]`` and its step ``steps[winner]`` times its weight; both tables are (4,).
    """
    for vote in range(len(winner)):
        a, b, outcome = model_a[vote], model_b[vote], winner[vote]
        theta_a, theta_b = theta[a], theta[b]
        # exp overflows at 710; the expected score is 0 long before.
        expected = 1.0 / (1.0 + math.exp(min(theta_b - theta_a, 700.0)))
        move = steps[outcome] * weight[vote] * (scores[outcome] - expected)
        theta[a] = theta_a + move
        theta[b] = theta_b - move
