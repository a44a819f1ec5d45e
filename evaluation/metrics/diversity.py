"""Diversity metrics: Vendi score of a run and within prompts, and similarity within prompts."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from evaluation.extractors.names import name_network
from evaluation.metrics.base import Declaration, Measurement, PromptMetric, SampleInputs, SetMetric, UnscoredError
from evaluation.metrics.features.moments import Moments
from evaluation.metrics.features.reading import look_up_features, read_features, unit_rows
from evaluation.metrics.features.rows import Array, Features

KERNEL = "cosine"


def vendi_score(similarity: Array) -> float:
    """Effective number of different items, 1 to n, from similarities (n, n) with 1 on the diagonal.

    It is the exponential of the entropy of the eigenvalues of similarity / n. Source: Friedman & Dieng 2023, definition
    3.1.
    """
    return _exponentiate_entropy(np.linalg.eigvalsh(similarity / len(similarity)), len(similarity))


def vendi_score_of_moments(moments: Moments) -> float:
    """Vendi score with the cosine as similarity, from the moments of unit vectors.

    XᵀX/n has the same nonzero eigenvalues as XXᵀ/n, and is smaller for many images.
    """
    if moments.sums is None:
        rows = moments.rows.stack().astype(np.float64)
        return vendi_score(rows @ rows.T)
    n = moments.n or 0
    return _exponentiate_entropy(np.linalg.eigvalsh(moments.scatter / n + np.outer(moments.mean, moments.mean)), n)


def _exponentiate_entropy(shares: Features, n: int) -> float:
    """Between 1 and n, despite rounding."""
    shares = shares[shares > 0.0]
    return float(np.clip(np.exp(-(shares * np.log(shares)).sum()), 1.0, n))


class Vendi(SetMetric):
    """Vendi score of all images of the run. It grows with the number of images: compare runs of equal size."""

    extractor: str = "inception-v3/clean"

    declaration: ClassVar[Declaration] = Declaration(
        title="Vendi score",
        unit="different images",
        higher_is_better=True,
        lowest=1.0,
        min_samples=10,
        source="Friedman & Dieng 2023, The Vendi Score: A Diversity Evaluation Metric for Machine Learning, section 3",
    )

    @property
    def network(self) -> str:
        return name_network(self.extractor)

    def image_extractors(self) -> tuple[str, ...]:
        return (self.extractor,)

    has_limit: ClassVar[bool] = True

    def check(self, sample: SampleInputs) -> None:
        unit_rows(look_up_features(sample, self.extractor)[None])

    def summarize(self, samples: Iterable[SampleInputs]) -> Moments:
        moments = Moments()
        for block in read_features(samples, self.extractor):
            moments = moments.add(unit_rows(block))
        return moments

    def limits(self, n: int) -> tuple[float, float]:
        return 1.0, float(n)

    def compute(self, statistic: Moments, reference: Any = None) -> float:
        if not statistic.n or statistic.n < 2:
            raise UnscoredError(f"a Vendi score needs at least 2 images, there are {statistic.n}")
        return vendi_score_of_moments(statistic)

    def replay_inputs(self) -> dict[str, Any]:
        return {"kernel": KERNEL}


class _WithinPrompt(PromptMetric):
    extractor: str = "inception-v3/clean"

    @property
    def network(self) -> str:
        return name_network(self.extractor)

    def image_extractors(self) -> tuple[str, ...]:
        return (self.extractor,)

    def measure(self, samples: Sequence[SampleInputs]) -> Measurement:
        """Measure the available images, at least two. The note says how many are missing."""
        rows, errors = [], []
        for sample in samples:
            try:
                rows.append(unit_rows(look_up_features(sample, self.extractor)[None]))
            except UnscoredError as error:
                errors.append(str(error))
        if len(rows) < 2:
            why = f"; {errors[0]}" if errors else ""
            raise UnscoredError(f"similarity within a prompt needs at least 2 images, there are {len(rows)}{why}")
        unit = np.concatenate(rows)
        note = f"{len(rows)} of {len(samples)} images; {errors[0]}" if errors else ""
        return Measurement((self.compare(unit @ unit.T),), note)

    def compare(self, similarity: Array) -> float:
        """The value, from the cosines (n, n) of the images of a prompt."""
        raise NotImplementedError

    def replay_inputs(self) -> dict[str, Any]:
        return {"kernel": KERNEL}


class PromptVendi(_WithinPrompt):
    """Vendi score of the images of a prompt: 1 if all are alike, their number if all differ."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Vendi score within a prompt",
        unit="different images",
        higher_is_better=True,
        lowest=1.0,
        min_samples=10,
        source="Friedman & Dieng 2023, The Vendi Score: A Diversity Evaluation Metric for Machine Learning, section 3",
    )

    def compare(self, similarity: Array) -> float:
        return vendi_score(similarity)


class PromptSimilarity(_WithinPrompt):
    """Mean cosine of all pairs of images of a prompt."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Similarity within a prompt",
        unit="",
        higher_is_better=False,
        lowest=-1.0,
        highest=1.0,
        min_samples=10,
        source="Paragone: mean cosine of the features of all pairs of images",
    )

    def compare(self, similarity: Array) -> float:
        return float(np.clip(similarity[np.triu_indices(len(similarity), 1)].mean(), -1.0, 1.0))
