"""Base classes of distances between the features of a run and those of a reference set."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from evaluation.extractors.names import name_network
from evaluation.metrics.base import SampleInputs, SetMetric, UnscoredError
from evaluation.metrics.features.reading import BLOCK, look_up_features, read_features
from evaluation.metrics.features.reference import ReferenceStatistics
from evaluation.metrics.features.rows import Array, FeatureRows, Features


class Distance(SetMetric):
    """A distance to the reference set ``reference``, which was built with the same extractor."""

    extractor: str = "inception-v3/clean"
    reference: str

    @property
    def network(self) -> str:
        return name_network(self.extractor)

    def image_extractors(self) -> tuple[str, ...]:
        return (self.extractor,)

    def check(self, sample: SampleInputs) -> None:
        look_up_features(sample, self.extractor)

    def expect_reference(self, reference: ReferenceStatistics | None, d: int) -> ReferenceStatistics:
        """The reference set. Raises UnscoredError if it is missing, or has features of another dimension."""
        if reference is None:
            raise UnscoredError(f"there is no reference set {self.reference!r} for {self.extractor}")
        if reference.moments.d != d:
            raise UnscoredError(f"the run has {d} features per image, the reference set {reference.moments.d}")
        if reference.moments.n is not None:
            expect_two(reference.moments.n, "the reference set has")
        return reference


class RowsDistance(Distance):
    """A distance that needs the feature rows of both sets, not only moments."""

    def summarize(self, samples: Iterable[SampleInputs]) -> FeatureRows:
        return FeatureRows(tuple(read_features(samples, self.extractor)))

    def compute(self, statistic: FeatureRows, reference: Any = None) -> float:
        expect_two(len(statistic))
        rows = self.expect_reference(reference, statistic.d).rows
        if rows is None:
            raise UnscoredError(
                f"the reference set {self.reference!r} has no features, only mean and covariance; build it from images"
            )
        return self.compare(statistic.stack(), rows.stack())

    def compare(self, generated: Features, reference: Features) -> float:
        """The value, from rows (n, d) and (m, d), n and m ≥ 2. Raises UnscoredError."""
        raise NotImplementedError


def expect_two(n: int, subject: str = "there are") -> None:
    """Raise UnscoredError if there are fewer than two images."""
    if n < 2:
        raise UnscoredError(f"a distance of sets needs at least 2 images, {subject} {n}")


def squared_distances(x: Features, y: Features) -> Iterator[Array]:
    """Squared Euclidean distances (n, m), float64, in blocks of rows; clipped at 0 against rounding."""
    x, y = center_rows(x, y)
    lengths = np.square(y).sum(axis=1)
    for row in range(0, len(x), BLOCK):
        block = x[row : row + BLOCK]
        squared = block @ y.T
        squared *= -2.0
        squared += np.square(block).sum(axis=1, keepdims=True)
        squared += lengths
        yield np.maximum(squared, 0.0, out=squared)


def center_rows(x: Features, y: Features) -> tuple[Array, Array]:
    """Both sets minus the mean of ``y``, float64. Squared distances lose no digits to an offset."""
    center = y.mean(axis=0, dtype=np.float64)
    return x - center, y - center
