"""Samples with given features, and reference sets."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.metrics.base import PromptInputs, SampleInputs
from evaluation.metrics.features.moments import Moments
from evaluation.metrics.features.reference import ReferenceStatistics
from evaluation.metrics.features.rows import FeatureRows

EXTRACTOR = "clip-image/tiny"


def make_sample(features: Any, *, prompt: str = "p", seed: int = 0, **inputs: Any) -> SampleInputs:
    """``features`` is an array or an extraction error."""
    found = {EXTRACTOR: features} if features is not None else {}
    return SampleInputs(prompt=PromptInputs(key=prompt, text=prompt), seed=seed, extracted=found, **inputs)


def make_samples(rows: np.ndarray, *, prompts: Sequence[str] = ()) -> list[SampleInputs]:
    """One sample per row (n, d)."""
    names = prompts or [f"p{i}" for i in range(len(rows))]
    return [make_sample(row, prompt=name, seed=i) for i, (row, name) in enumerate(zip(rows, names, strict=True))]


def make_reference(rows: np.ndarray) -> ReferenceStatistics:
    kept = FeatureRows((rows,))
    return ReferenceStatistics(Moments() + Moments(rows=kept), kept)


def draw_features(n: int, d: int, *, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    """Features (n, d), float32, correlated, with unequal variances and means above 0, like those of a network."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(d, d)) / np.sqrt(d) + np.diag(np.linspace(0.5, 2.0, d))
    return (rng.normal(size=(n, d)) @ mixing + 1.0 + shift).astype(np.float32)
