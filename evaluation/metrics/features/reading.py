"""Reading features of samples: one by one, in blocks, and as unit vectors."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from evaluation.metrics.base import SampleInputs, UnscoredError
from evaluation.metrics.features.rows import Array, Features

# Rows per block; 4 MB of Inception features.
BLOCK = 512


def look_up_features(sample: SampleInputs, extractor: str) -> Features:
    """Features (d,) of a sample. Raises UnscoredError if there are none."""
    features = sample.look_up(extractor)
    if not isinstance(features, np.ndarray) or features.ndim != 1:
        raise UnscoredError(f"{extractor} does not return a feature vector")
    return features


def read_features(samples: Iterable[SampleInputs], extractor: str) -> Iterator[Features]:
    """Features in blocks (n_i, d), read lazily."""
    rest = iter(samples)
    while block := [look_up_features(sample, extractor) for sample in islice(rest, BLOCK)]:
        yield np.stack(block)


def unit_rows(rows: Features) -> Array:
    """Rows (n, d) divided by their lengths. Raises UnscoredError if a row is zero."""
    precise = rows.astype(np.float64)
    lengths = np.linalg.norm(precise, axis=1, keepdims=True)
    if not lengths.all():
        raise UnscoredError("the features are all zero, so they have no direction")
    unit: Array = precise / lengths
    return unit
