"""The features of samples: looked up, read in blocks, and made unit vectors."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from evaluation.metrics.base import SampleInputs, UnscoredError
from evaluation.metrics.features.rows import Array, Features

# Rows that are read at once: 4 MB of an Inception network's.
BLOCK = 512


def look_up_features(sample: SampleInputs, extractor: str) -> Features:
    """(d,). Raises UnscoredError where there are none."""
    features = sample.look_up(extractor)
    if not isinstance(features, np.ndarray) or features.ndim != 1:
        raise UnscoredError(f"{extractor} gives no vector of features")
    return features


def read_features(samples: Iterable[SampleInputs], extractor: str) -> Iterator[Features]:
    """Blocks (n_i, d), read as they are asked for."""
    rest = iter(samples)
    while block := [look_up_features(sample, extractor) for sample in islice(rest, BLOCK)]:
        yield np.stack(block)


def unit_rows(rows: Features) -> Array:
    """(n, d), each divided by its length. Raises UnscoredError where one has no direction."""
    precise = rows.astype(np.float64)
    lengths = np.linalg.norm(precise, axis=1, keepdims=True)
    if not lengths.all():
        raise UnscoredError("features that are all zero have no direction")
    unit: Array = precise / lengths
    return unit
