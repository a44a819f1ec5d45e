"""CMMD, compared with its formula as a double loop."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from evaluation.metrics.base import UnscoredError
from evaluation.metrics.distances.cmmd import Cmmd
from tests.evaluation.metrics.set_samples import EXTRACTOR, draw_features, make_reference, make_sample, make_samples


def ask_loops(x: np.ndarray, y: np.ndarray, sigma: float = 10.0) -> float:
    x, y = ([row / math.sqrt(sum(v * v for v in row)) for row in rows.astype(np.float64)] for rows in (x, y))

    def mean(a: list[np.ndarray], b: list[np.ndarray]) -> float:
        kernels = [
            math.exp(-sum((v - w) ** 2 for v, w in zip(p, q, strict=True)) / (2 * sigma**2)) for p in a for q in b
        ]
        return math.fsum(kernels) / len(kernels)

    return 1000.0 * (mean(x, x) + mean(y, y) - 2.0 * mean(x, y))


def compute(metric: Cmmd, x: np.ndarray, y: np.ndarray) -> float:
    return metric.compute(metric.summarize(make_samples(x)), make_reference(y))


def test_it_equals_the_formula() -> None:
    x, y = draw_features(13, 5), draw_features(17, 5, seed=1, shift=0.3)
    assert compute(Cmmd(extractor=EXTRACTOR, reference="photos"), x, y) == pytest.approx(ask_loops(x, y), rel=1e-9)
    wide = Cmmd(extractor=EXTRACTOR, reference="photos", sigma=0.5)
    assert compute(wide, x, y) == pytest.approx(ask_loops(x, y, 0.5), rel=1e-9)


def test_computing_in_blocks_gives_the_same_value() -> None:
    x, y = draw_features(1100, 3), draw_features(600, 3, seed=1, shift=0.3)
    rng = np.random.default_rng(0)
    unit_x, unit_y = (rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True) for rows in (x, y))

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return np.exp(-np.square(a[:, None] - b[None]).sum(-1) / 200).mean()

    expected = 1000 * (mean(unit_x, unit_x) + mean(unit_y, unit_y) - 2 * mean(unit_x, unit_y))
    metric = Cmmd(extractor=EXTRACTOR, reference="photos")
    assert compute(metric, rng.permutation(x), y) == pytest.approx(expected, rel=1e-9)


def test_equal_sets_have_distance_zero_for_any_lengths() -> None:
    """The estimate is biased: pairs of an image with itself count."""
    x = draw_features(20, 5)
    lengths = np.random.default_rng(0).uniform(0.5, 9.0, size=(20, 1)).astype(np.float32)
    assert compute(Cmmd(extractor=EXTRACTOR, reference="photos"), lengths * x, x) == pytest.approx(0.0, abs=1e-4)
    assert compute(Cmmd(extractor=EXTRACTOR, reference="photos"), x, x) == pytest.approx(0.0, abs=1e-10)


def test_zero_features_are_unscored() -> None:
    with pytest.raises(UnscoredError, match="no direction"):
        Cmmd(extractor=EXTRACTOR, reference="photos").check(make_sample(np.zeros(4, np.float32)))


def test_the_extractor_must_be_clip_and_stated() -> None:
    for parameters in ({"extractor": "inception-v3/clean"}, {}, {"extractor": EXTRACTOR, "sigma": 0}):
        with pytest.raises(ValidationError):
            Cmmd(reference="photos", **parameters)
