"""Manifold metrics: precision, recall, density and coverage.

The manifold of a set is the union of balls around its images; each ball reaches to the k-th nearest neighbour. Balls
are closed (≤) for precision and recall, as in torch-fidelity, and open (<) for density and coverage, as in prdc.
Distances that differ only by rounding count as equal, because equal images lie exactly on the spheres.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evaluation.metrics.base import Declaration, UnscoredError
from evaluation.metrics.distances.base import RowsDistance, center_rows, squared_distances
from evaluation.metrics.features.rows import Array, Features

# Relative to the squared lengths of the centred features: a thousand times the rounding error of a squared distance.
TIE = 1e-11
Side = Literal["≤", "<"]


def precision(generated: Features, reference: Features, k: int = 3) -> float:
    """Share of ``generated`` (n, d) in the manifold of ``reference`` (m, d). Kynkäänniemi et al. 2019, section 2."""
    return float(np.concatenate([inside.any(axis=1) for inside in _find_inside(generated, reference, k, "≤")]).mean())


def recall(generated: Features, reference: Features, k: int = 3) -> float:
    """Share of ``reference`` (m, d) in the manifold of ``generated`` (n, d). Kynkäänniemi et al. 2019, section 2."""
    return precision(reference, generated, k)


def density(generated: Features, reference: Features, k: int = 5) -> float:
    """Mean number of balls of ``reference`` (m, d) around an image of ``generated`` (n, d), divided by k; can exceed 1.

    Source: Naeem et al. 2020, section 3.
    """
    return sum(int(inside.sum()) for inside in _find_inside(generated, reference, k, "<")) / (k * len(generated))


def coverage(generated: Features, reference: Features, k: int = 5) -> float:
    """Share of balls of ``reference`` (m, d) that contain an image of ``generated`` (n, d). Naeem et al. 2020."""
    found = [inside.any(axis=0) for inside in _find_inside(generated, reference, k, "<")]
    return float(np.any(found, axis=0).mean())


def _find_inside(points: Features, centers: Features, k: int, side: Side) -> Iterator[NDArray[np.bool_]]:
    """Whether each point is in each ball, (points, centers), in blocks of rows."""
    points, centers = center_rows(points, centers)
    radii, slack = _find_radii(centers, k), _find_slack(centers)
    row = 0
    for squared in squared_distances(points, centers):
        tie = slack + _find_slack(points[row : row + len(squared)])[:, None]
        yield squared <= radii + tie if side == "≤" else squared < radii - tie
        row += len(squared)


def _find_radii(centers: Features, k: int) -> Array:
    """Squared distances (m,) to the k-th nearest other row. Each row is its own nearest, at distance 0."""
    if len(centers) <= k:
        raise UnscoredError(
            f"{k} nearest neighbours need at least {k + 1} images in each set, but one has {len(centers)}"
        )
    return np.concatenate([np.partition(squared, k, axis=1)[:, k] for squared in squared_distances(centers, centers)])


def _find_slack(rows: Features) -> Array:
    slack: Array = TIE * np.square(rows, dtype=np.float64).sum(axis=1)
    return slack


class _Manifolds(RowsDistance):
    k: int = Field(default=3, ge=1)


class Precision(_Manifolds):
    """Share of images that look like those of the reference set."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Precision",
        unit="share",
        higher_is_better=True,
        min_samples=50,
        source="Kynkäänniemi et al. 2019, Improved Precision and Recall Metric, section 2; as torch-fidelity",
    )

    def compare(self, generated: Features, reference: Features) -> float:
        return precision(generated, reference, self.k)

    def replay_inputs(self) -> dict[str, Any]:
        return {"estimator": "balls to the k-th neighbour, closed (≤)"}


class Recall(_Manifolds):
    """Share of the reference set that the generated images cover."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Recall",
        unit="share",
        higher_is_better=True,
        min_samples=50,
        source="Kynkäänniemi et al. 2019, Improved Precision and Recall Metric, section 2; as torch-fidelity",
    )

    def compare(self, generated: Features, reference: Features) -> float:
        return recall(generated, reference, self.k)

    def replay_inputs(self) -> dict[str, Any]:
        return {"estimator": "balls to the k-th neighbour, closed (≤)"}


class Density(_Manifolds):
    """Like precision, but robust against outliers in the reference set."""

    k: int = Field(default=5, ge=1)

    declaration: ClassVar[Declaration] = Declaration(
        title="Density",
        unit="",
        higher_is_better=True,
        lowest=0.0,
        min_samples=50,
        source="Naeem et al. 2020, Reliable Fidelity and Diversity Metrics for Generative Models, section 3; as prdc",
    )

    def compare(self, generated: Features, reference: Features) -> float:
        return density(generated, reference, self.k)

    def replay_inputs(self) -> dict[str, Any]:
        return {"estimator": "balls to the k-th neighbour, open (<)"}


class Coverage(_Manifolds):
    """Like recall, but robust against outliers among the generated images."""

    k: int = Field(default=5, ge=1)

    declaration: ClassVar[Declaration] = Declaration(
        title="Coverage",
        unit="share",
        higher_is_better=True,
        min_samples=50,
        source="Naeem et al. 2020, Reliable Fidelity and Diversity Metrics for Generative Models, section 3; as prdc",
    )

    def compare(self, generated: Features, reference: Features) -> float:
        return coverage(generated, reference, self.k)

    def replay_inputs(self) -> dict[str, Any]:
        return {"estimator": "balls to the k-th neighbour, open (<)"}
