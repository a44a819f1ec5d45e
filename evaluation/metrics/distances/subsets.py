"""Random subsets of features that depend only on a key and the features.

The order of the images and the way they were merged do not matter. Leaving out a few images changes a subset only by
those images, so that a jackknife measures the effect of the images and not that of another draw.
"""

from hashlib import shake_128

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.features.rows import Features


def draw_subsets(rows: Features, size: int, count: int, key: str) -> NDArray[np.intp]:
    """Draw subsets without replacement.

    Each row gets ``count`` random numbers, the SHAKE-128 of key and row; subset j has the rows with the smallest j-th
    number. Equal rows get different numbers. A smaller subset is the beginning of a larger one.

    Args:
        rows: Shape (n, d), sorted as by FeatureRows.stack().
        size: Rows per subset.
        count: Number of subsets.
        key: Any text; another key draws other subsets.

    Returns:
        Row indices, shape (count, size).
    """
    numbers = np.empty((len(rows), count), dtype="<u4")
    previous, copy = b"", 0
    for number, row in zip(numbers, rows, strict=True):
        data = row.tobytes()
        copy = copy + 1 if data == previous else 0
        number[:] = np.frombuffer(shake_128(f"{key} {copy} ".encode() + data).digest(4 * count), dtype="<u4")
        previous = data
    return np.array([np.argsort(column, kind="stable")[:size] for column in numbers.T])
