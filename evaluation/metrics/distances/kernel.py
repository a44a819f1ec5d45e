"""Kernel distance of two sets of features, such as KID: unbiased squared maximum mean discrepancy."""

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evaluation.extractors.names import FID_NETWORK
from evaluation.metrics.base import Declaration, UnscoredError
from evaluation.metrics.distances.base import RowsDistance
from evaluation.metrics.distances.subsets import draw_subsets
from evaluation.metrics.features.reading import BLOCK
from evaluation.metrics.features.rows import Array, Features

SUBSETS = 100
MAX_SUBSET = 1000  # images


def kernel_distance(x: Features, y: Features) -> float:
    """Unbiased estimate for rows (m, d) and (n, d) with the kernel (x·y/d + 1)³, in float64. It can be negative.

    m and n must be at least 2. Source: Bińkowski et al. 2018, "Demystifying MMD GANs"; Gretton et al. 2012, "A Kernel
    Two-Sample Test", formula 3.
    """
    (m, n), a, b = (len(x), len(y)), x.astype(np.float64), y.astype(np.float64)
    within_a, within_b = (float(_kernel(rows, rows).sum() - _own_kernels(rows).sum()) for rows in (a, b))
    return within_a / (m * (m - 1)) + within_b / (n * (n - 1)) - 2.0 * float(_kernel(a, b).mean())


def kernel_distances(x: Features, y: Features, size: int, *, seed: int = 0) -> Array:
    """``kernel_distance`` of 100 pairs of random subsets.

    Args:
        x: Shape (m, d).
        y: Shape (n, d).
        size: Rows per subset.
        seed: Of the subsets.

    Returns:
        Distances, shape (100,); (1,) if both sets have ``size`` rows.

    Raises:
        ValueError: The size is below 2, or above that of a set.
    """
    if not 2 <= size <= min(len(x), len(y)):
        raise ValueError(f"A subset must have 2 to {min(len(x), len(y))} images, got {size}.")
    count = 1 if size == len(x) == len(y) else SUBSETS
    sides = (x, draw_subsets(x, size, count, f"{seed} x")), (y, draw_subsets(y, size, count, f"{seed} y"))
    (a, left), (b, right) = ((rows.astype(np.float64), subsets) for rows, subsets in sides)
    within = _sum_kernels(a, a, left, left) - _own_kernels(a)[left].sum(axis=1)
    within += _sum_kernels(b, b, right, right) - _own_kernels(b)[right].sum(axis=1)
    distances: Array = within / (size * (size - 1)) - 2.0 * _sum_kernels(a, b, left, right) / size**2
    return distances


def _kernel(x: Array, y: Array) -> Array:
    product: Array = x @ y.T / x.shape[1] + 1.0
    return product**3


def _own_kernels(x: Array) -> Array:
    """Kernel of each row with itself."""
    product: Array = np.square(x).mean(axis=1) + 1.0
    return product**3


def _sum_kernels(x: Array, y: Array, left: NDArray[np.intp], right: NDArray[np.intp]) -> Array:
    """Sums (B,) of the kernel over all pairs of the subsets ``left`` (B, size) of x and ``right`` of y.

    Subsets overlap. If the sets have fewer pairs than all subsets together, the kernel of each pair is computed once.
    """
    if len(x) * len(y) > len(left) * left.shape[1] * right.shape[1]:
        return np.array([_kernel(x[i], y[j]).sum() for i, j in zip(left, right, strict=True)])
    in_left, in_right = _mark(left, len(x)), _mark(right, len(y))
    total = np.zeros(len(left))
    for row in range(0, len(x), BLOCK):
        kernel = _kernel(x[row : row + BLOCK], y)
        total += ((kernel @ in_right) * in_left[row : row + BLOCK]).sum(axis=0)
    return total


def _mark(subsets: NDArray[np.intp], n: int) -> Array:
    """Membership (n, B) of rows in subsets: 1 or 0."""
    marks = np.zeros((n, len(subsets)))
    marks[subsets.T, np.arange(len(subsets))] = 1.0
    return marks


class KernelDistance(RowsDistance):
    """Mean kernel distance of 100 pairs of random subsets; KID with ``inception-v3/...`` only.

    With ``subset="clean-fid"`` a subset has 1,000 images, or as many as the smaller set; with ``"torchmetrics"`` always
    1,000, and smaller sets are unscored.
    """

    subset: Literal["clean-fid", "torchmetrics"] = "clean-fid"
    seed: int = Field(default=0, ge=0)

    declaration: ClassVar[Declaration] = Declaration(
        title="Kernel distance",
        acronym="KD",
        published="Kernel Inception distance (KID)",
        published_with=FID_NETWORK,
        unit="",
        higher_is_better=False,
        min_samples=50,
        source="Bińkowski et al. 2018, Demystifying MMD GANs",
    )

    def compare(self, generated: Features, reference: Features) -> float:
        fewest = min(len(generated), len(reference))
        if self.subset == "torchmetrics" and fewest < MAX_SUBSET:
            raise UnscoredError(f"subsets of {MAX_SUBSET:,} images (torchmetrics) cannot be drawn from {fewest:,}")
        return float(kernel_distances(generated, reference, min(fewest, MAX_SUBSET), seed=self.seed).mean())

    def replay_inputs(self) -> dict[str, Any]:
        return {"estimator": f"unbiased, kernel (x·y/d + 1)³, mean of {SUBSETS} subsets, float64"}
