"""Scale of ratings: converts log-strengths to the points of a leaderboard."""

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scale:
    """``points = center + scale / ln(base) * (θ - θ_anchor)``; without an anchor, ``center`` is the mean of all models.

    The defaults are those of the public arenas: 400 points are odds of 10 to 1. Raises ValueError for a parameter out
    of range.
    """

    scale: float = 400.0
    base: float = 10.0
    center: float = 1000.0
    anchor: Hashable | None = None

    def __post_init__(self) -> None:
        if not (0 < self.scale < math.inf and 1 < self.base < math.inf and math.isfinite(self.center)):
            raise ValueError(
                f"Expected scale > 0, base > 1 and a finite center; got {self.scale=}, {self.base=}, {self.center=}."
            )

    @property
    def unit(self) -> float:
        """Points in one unit of θ (a natural log-odds)."""
        return self.scale / math.log(self.base)

    def place(
        self, models: tuple[Hashable, ...], theta: NDArray[np.float64], covariance: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points (M,) and their covariance (M, M), both relative to the anchor; ``theta`` may have any offset.

        The anchor's row and column of the covariance are zero: the other models carry its uncertainty. Raises
        ValueError for an anchor that is not among ``models``.
        """
        if self.anchor is None:
            shift, spread = theta.mean(), covariance - covariance.mean(axis=0)
            spread = spread - spread.mean(axis=1)[:, None]
        elif self.anchor in models:
            k = models.index(self.anchor)
            shift, spread = theta[k], covariance - covariance[k]
            spread = spread - spread[:, k][:, None]
        else:
            raise ValueError(
                f"The anchor {self.anchor!r} is not among the rated models: {', '.join(map(str, models))}."
            )
        return self.center + self.unit * (theta - shift), self.unit**2 * (spread + spread.T) / 2.0

    def contrast(self, models: tuple[Hashable, ...], n_parameters: int) -> NDArray[np.float64]:
        """(Q, Q): from parameters that begin with θ (M,) of mean zero to the estimates, without the unit and center."""
        matrix = np.eye(n_parameters)
        if self.anchor in models:
            matrix[: len(models), models.index(self.anchor)] -= 1.0
        return matrix
