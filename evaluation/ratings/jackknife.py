"""Cluster jackknife: the covariance of a fit whose votes depend on each other within clusters.

Each cluster is left out in turn by one Newton step: without cluster c the parameters change by -(H - H_c)⁻¹ s_c, where
s_c is the sum of its slopes and H_c its part of the Hessian H (Cameron & Miller 2015, "A practitioner's guide to
cluster-robust inference", VI: CR3; MacKinnon, Nielsen & Webb 2023, "Cluster-robust inference: a guide to empirical
practice"). Unlike the plain clustered covariance (CR1), it is not too small if some clusters have far more votes than
others.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.degrees_of_freedom import ShareSums, find_degrees_of_freedom
from evaluation.ratings.ratings import find_quantiles, quantile

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

# Numbers in a block of rows or matrices: 16 MB.
BLOCK: Final = 1 << 21
# A cluster with less than this part of the information about every contrast is left out by a linear solver, any other
# by its eigenvectors, which show what is left without it.
HALF: Final = 0.5
# A part of the information this close to all of it leaves nothing but rounding errors.
ALL: Final = 1.0 - 1e-9


class TooFewClustersError(ValueError):
    """All votes belong to one of the clusters that ``column`` names: there is no clustered interval."""

    def __init__(self, column: str, n_clusters: int) -> None:
        self.column, self.n_clusters = column, n_clusters
        super().__init__(f"Clustered intervals need at least 2 clusters with votes, got {n_clusters} in {column!r}.")


class Rows(NamedTuple):
    """What n votes add to the fit: their ``slopes`` (n, Q), and ``roots`` (n, K, Q) whose products add to the Hessian.

    The Hessian of a vote is Σ root rootᵀ over its K roots.
    """

    slopes: Array
    roots: Array


@dataclass(frozen=True, eq=False)
class Information:
    """The N rows of votes of a fit and its inverse Hessian (Q, Q), for θ (M,) with mean zero and other parameters.

    ``read`` returns the Rows of some votes. ``weight`` (N,) is the number of votes in each row. ``estimates`` (Q, Q)
    are the combinations of the parameters whose intervals are requested. ``independent`` (Q, Q) is the covariance of
    the parameters if no vote depends on another.
    """

    inverse: Array
    independent: Array
    read: Callable[[Indices], Rows]
    weight: Array
    estimates: Array


@dataclass(frozen=True, eq=False)
class Clustered:
    """The covariance (Q, Q) of the parameters, and the degrees of freedom (Q,) of the estimates."""

    covariance: Array
    degrees_of_freedom: Array


def find_clustered(
    information: Information, clusters: Mapping[str, NDArray[np.integer[Any]]], confidence: float
) -> Clustered:
    """The jackknife covariance for votes that depend on each other within each column of clusters (N,).

    Several columns are combined by inclusion and exclusion: each alone, minus each pair, plus each triple, ...
    (Cameron, Gelbach & Miller 2011, "Robust inference with multiway clustering"). The result is projected to the
    nearest positive semidefinite matrix. Each estimate has the degrees of freedom of the column that gives it the
    fewest. Few clusters can agree by chance, even exactly: if the covariance V as a whole (the trace of H V) is smaller
    than that of independent votes, the returned one gives the intervals of independent votes. Otherwise a single
    interval may be narrower than these. Raises TooFewClustersError for a column with fewer than two clusters.
    """
    columns = {name: np.unique(codes, return_inverse=True) for name, codes in clusters.items()}
    for name, (labels, _) in columns.items():
        if len(labels) < 2:
            raise TooFewClustersError(name, len(labels))
    covariance, degrees = np.zeros_like(information.inverse), []
    for size in range(1, len(columns) + 1):
        for (_, code), *others in combinations(columns.values(), size):
            for labels, other in others:
                code = np.unique(code * len(labels) + other, return_inverse=True)[1]
            part, shares = _leave_out(information, code)
            covariance -= (-1) ** size * part
            if size == 1:
                degrees.append(find_degrees_of_freedom(shares.divide(), confidence))
    if len(columns) > 1:
        # A difference can have negative eigenvalues: the nearest covariance has none (CGM 2011, 2.3).
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
        covariance = (vectors * np.maximum(values, 0.0)) @ vectors.T
    fewest = np.min(degrees, axis=0)
    # With this covariance, Student's intervals are those of independent votes.
    ratio = quantile(confidence) / find_quantiles(confidence, fewest)
    least = information.independent * np.outer(ratio, ratio)
    hessian = np.linalg.pinv(information.inverse, hermitian=True)
    agree = (hessian * covariance).sum() < (hessian * least).sum()
    return Clustered(least if agree else covariance, fewest)


def _leave_out(information: Information, code: Indices) -> tuple[Array, ShareSums]:
    """(C - 1) / C Σ δ δᵀ (Q, Q) over the C clusters 0, 1, ..., and their shares of the information on each estimate.

    Clusters of few rows take a small linear system each (Woodbury's identity), in blocks; larger ones a matrix H_c.
    """
    order, lengths = np.argsort(code, kind="stable"), np.bincount(code)
    starts, size = np.cumsum(lengths) - lengths, len(information.inverse)
    covariance, alone = np.zeros((size, size)), np.zeros((size, size))
    shares = ShareSums(size)
    for chosen, width in _group(lengths, size):
        place = starts[chosen, None] + np.arange(width)
        real = np.arange(width) < lengths[chosen, None]
        rows = order[np.where(real, place, 0)]
        step = _step_narrow if width < size else _step_wide
        moved, weights, held = step(information, rows, real)
        for k in np.flatnonzero(held >= HALF).tolist():
            moved[k], more = _step_exactly(information, rows[k][real[k]])
            alone += more
        covariance += moved.T @ moved
        shares.add(weights)
    return (1.0 - 1.0 / len(lengths)) * covariance + alone, shares


def _group(lengths: NDArray[np.int64], size: int) -> Iterator[tuple[Indices, int]]:
    """Blocks of clusters with up to ``width`` rows each, a power of 2 so that few of them are empty. Largest first."""
    widths = 2 ** np.ceil(np.log2(lengths)).astype(np.int64)
    for width in np.unique(widths)[::-1].tolist():
        members = np.flatnonzero(widths == width)
        step = max(BLOCK // (size * min(width, size)), 1)
        for start in range(0, len(members), step):
            yield members[start : start + step], width


def _step_narrow(information: Information, rows: Indices, real: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """For C clusters of W ``rows`` (C, W), where ``real``: the step (C, Q) of all others, information (C, Q), (C,).

    The information is that on each estimate, and that on all contrasts together (the trace of H⁻¹ H_c).
    """
    slopes, roots = _read(information, rows, real)
    reach = roots @ information.inverse
    inner = reach @ roots.transpose(0, 2, 1)
    held: Array = np.trace(inner, axis1=1, axis2=2)
    weights: Array = ((roots @ (information.estimates @ information.inverse).T) ** 2).sum(axis=1)
    step = slopes @ information.inverse
    # A cluster with too much information is replaced by the caller.
    inner[held >= HALF] = 0.0
    solved = np.linalg.solve(np.eye(inner.shape[1]) - inner, roots @ step[:, :, None])
    moved: Array = step + (solved * reach).sum(axis=1)
    return moved, weights, held


def _step_wide(information: Information, rows: Indices, real: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """As _step_narrow, with the Hessian of each cluster, for clusters with more rows than parameters."""
    size = len(information.inverse)
    slopes, hessians = _sum(information, rows, real)
    reach = information.inverse @ hessians
    held: Array = np.trace(reach, axis1=1, axis2=2)
    combined = information.estimates @ information.inverse
    weights: Array = ((combined @ hessians) * combined).sum(axis=2)
    reach[held >= HALF] = 0.0
    step = np.linalg.solve(np.eye(size) - reach, (slopes @ information.inverse)[:, :, None])
    moved: Array = step[:, :, 0].astype(np.float64, copy=False)
    return moved, weights, held


def _step_exactly(information: Information, rows: Indices) -> tuple[Array, Array]:
    """The step (Q,) without the cluster of ``rows``, by eigenvectors, and a covariance (Q, Q) for what it alone tells.

    About a contrast that no other cluster has votes on, the jackknife says nothing: without this cluster the contrast
    is unknown. Then the cluster's votes on it count as a single vote, as if they all repeated one another. No
    dependence can make the variance larger.
    """
    one = rows[None]
    slopes, hessians = _sum(information, one, np.ones(one.shape, dtype=bool))
    values, vectors = np.linalg.eigh(information.inverse)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    parts, turn = np.linalg.eigh(root.T @ hessians[0] @ root)
    base = root @ turn
    known = parts < ALL
    step: Array = base[:, known] @ ((base[:, known].T @ slopes[0]) / (1.0 - parts[known]))
    unknown = base[:, ~known]
    alone = np.zeros_like(hessians[0])
    if unknown.size:
        alone = _count_votes(information, rows, unknown) * unknown @ unknown.T
    return step, alone


def _count_votes(information: Information, rows: Indices, directions: Array) -> float:
    """The number of votes among ``rows`` that say something about ``directions`` (Q, D)."""
    found = 0.0
    for start in range(0, len(rows), _height(information, 1)):
        part = rows[start : start + _height(information, 1)]
        told = np.abs(information.read(part).roots @ directions).max(axis=(1, 2))
        found += float(information.weight[part][told > 1e-6 * max(told.max(), 1e-300)].sum())
    return max(found, 1.0)


def _height(information: Information, n_clusters: int) -> int:
    """How many rows of each cluster are read at a time."""
    return max(BLOCK // (len(information.inverse) * n_clusters), 1)


def _sum(information: Information, rows: Indices, real: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The slopes (C, Q) and the Hessian (C, Q, Q) of each cluster."""
    size = len(information.inverse)
    slopes, hessians = np.zeros((len(rows), size)), np.zeros((len(rows), size, size))
    height = _height(information, len(rows))
    for start in range(0, rows.shape[1], height):
        part = slice(start, start + height)
        more, roots = _read(information, rows[:, part], real[:, part])
        slopes += more
        hessians += roots.transpose(0, 2, 1) @ roots
    return slopes, hessians


def _read(information: Information, rows: Indices, real: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The summed slopes (C, Q) and the roots (C, W K, Q) of C clusters of W rows; zero where not ``real``."""
    n, width = rows.shape
    slopes, roots = information.read(rows.ravel())
    size = slopes.shape[1]
    shown = real.astype(np.float64)
    summed = (shown[:, None] @ slopes.reshape(n, width, size))[:, 0]
    return summed, (roots.reshape(n, width, -1, size) * shown[:, :, None, None]).reshape(n, -1, size)
