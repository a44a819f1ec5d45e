"""Ranks with their uncertainty."""

import numpy as np
from numpy.typing import NDArray


def rank_ranges(
    ci_low: NDArray[np.float64], ci_high: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Best and worst rank of each model that its interval allows, as the public arenas print it.

    best = 1 + #{others wholly above}, worst = #{models, itself included, that are not wholly below}. Shapes (M,).
    """
    best = 1 + (ci_low[None, :] > ci_high[:, None]).sum(axis=1)
    worst = (ci_high[None, :] >= ci_low[:, None]).sum(axis=1)
    return best.astype(np.int64), worst.astype(np.int64)
