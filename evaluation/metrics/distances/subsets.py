"""Random subsets of a set of features that follow from the features alone.

Whatever the order and the parts in which a set came, a key draws the same subsets of it. And leaving out a few images
changes a subset by those few only, so that a jackknife sees what the images change and not the luck of another draw.
"""

from hashlib import shake_128

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.features.rows import Features


def draw_subsets(rows: Features, size: int, count: int, key: str) -> NDArray[np.intp]:
    """(count, size): indices of ``rows`` (n, d) as FeatureRows.stack() returns them, drawn without replacement.

    Every row has ``count`` random numbers, the SHAKE-128 of key and row; subset j are the rows with the least j-th.
    Copies of a row have numbers of their own. The first of a larger size are those of a smaller.
    """
    numbers = np.empty((len(rows), count), dtype="<u4")
    previous, copy = b"", 0
    for number, row in zip(numbers, rows, strict=True):
        data = row.tobytes()
        copy = copy + 1 if data == previous else 0
        number[:] = np.frombuffer(shake_128(f"{key} {copy} ".encode() + data).digest(4 * count), dtype="<u4")
        previous = data
    return np.array([np.argsort(column, kind="stable")[:size] for column in numbers.T])
