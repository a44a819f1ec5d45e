"""From the facts of a run's samples to a metric's value with its interval, and to the difference between two runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.metrics.base import Measurement, Metric, SampleFacts, Unscored


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """``scores``: one for each sample, in order; of a SetMetric, which has no value for one sample, only the faults
    (None where the sample took part); of a PromptMetric, the prompt's measurement with each of its samples.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    interval: str
    n_scored: int
    n_unscored: int
    n_prompts: int
    reason: str
    reasons: Mapping[str, int]
    warnings: tuple[str, ...]
    groups: Mapping[str, float]
    scores: tuple[Measurement | Unscored | None, ...]


def evaluate(
    metric: Metric, samples: Sequence[SampleFacts], *, reference: Any = None, n_reference: int | None = None
) -> Evaluation:
    raise NotImplementedError
