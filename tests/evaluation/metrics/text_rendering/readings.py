"""Samples with given OCR lines, and their measurements."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from evaluation.metrics.base import Measurement, PromptInputs, SampleInputs, SampleMetric
from evaluation.metrics.registry import METRICS, build_metric, find_metric
from evaluation.metrics.text_rendering.reading import TextMetric

TEXT_METRICS = sorted(name for name in METRICS if issubclass(find_metric(name), TextMetric))


def make_sample(lines: Sequence[str], targets: Sequence[str], language: str = "en", **changes: Any) -> SampleInputs:
    box = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]]
    read = {"lines": [{"text": line, "confidence": 0.9, "box": box} for line in lines]}
    prompt = PromptInputs(key="sign", text="a sign", targets=tuple(targets), language=language)
    return SampleInputs(**{"prompt": prompt, "seed": 0, "extracted": {"ocr": read}} | changes)


def build(name: str, **parameters: Any) -> SampleMetric:
    metric = build_metric(name, parameters)
    assert isinstance(metric, SampleMetric)
    return metric


def measure(name: str, sample: SampleInputs, **parameters: Any) -> Measurement:
    (found,) = build(name, **parameters).measure_all([sample])
    assert isinstance(found, Measurement), found
    return found


def value(name: str, lines: Sequence[str], targets: Sequence[str], language: str = "en") -> float:
    return measure(name, make_sample(lines, targets, language)).values[0]


def check_table(name: str, table: Sequence[tuple[Sequence[str], Sequence[str], str, float]]) -> None:
    """Check rows of (lines read, targets, language, value by hand)."""
    for lines, targets, language, expected in table:
        assert value(name, lines, targets, language) == pytest.approx(expected, abs=1e-12), (lines, targets)


def aggregate(name: str, samples: Sequence[SampleInputs]) -> float:
    metric = build(name)
    rows = [found.values for found in metric.measure_all(samples) if isinstance(found, Measurement)]
    return metric.aggregate(np.array(rows, dtype=np.float64))
