"""Features of a set of images, in blocks that merge with ``+``."""

from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

# (n, d): float32 as extractors return them, or float64.
Features: TypeAlias = NDArray[np.floating[Any]]
Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """Features of n images, in blocks of shape (n_i, d)."""

    blocks: tuple[Features, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def __add__(self, other: Self) -> "FeatureRows":
        return FeatureRows(self.blocks + other.blocks)

    @property
    def d(self) -> int:
        return self.blocks[0].shape[1] if self.blocks else 0

    def stack(self) -> Features:
        """All rows (n, d), sorted by their bytes, so that a set has one order however it was merged."""
        rows: Features = np.ascontiguousarray(np.concatenate(self.blocks))
        keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
        return rows[np.argsort(keys, kind="stable")]
