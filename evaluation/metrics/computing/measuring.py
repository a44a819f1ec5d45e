"""Asking a metric about samples, one after the other: nothing that it says, or fails to say, ends the run."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from typing import TypeVar

import numpy as np
import structlog

from evaluation.metrics.base import (
    Measurement,
    Metric,
    PromptInputs,
    PromptMetric,
    Rows,
    SampleInputs,
    SampleMetric,
    SetMetric,
    UnscoredError,
)
from evaluation.metrics.intervals.base import ClusteredRows

log = structlog.get_logger(__name__)
T = TypeVar("T")
RowMetric = SampleMetric | PromptMetric


def attempt(metric: Metric, ask: Callable[[], T]) -> T | UnscoredError:
    """What the metric answers, or why it does not. An error that it was not meant to raise is logged too."""
    try:
        return ask()
    except UnscoredError as reason:
        return reason
    except Exception as error:
        log.exception("metric_crashed", metric=type(metric).__name__)
        return UnscoredError(f"{type(error).__name__}: {error}")


def attempt_value(metric: Metric, ask: Callable[[], float]) -> float | UnscoredError:
    """As ``attempt``; a value that is no number is unscored."""
    value = attempt(metric, ask)
    if isinstance(value, UnscoredError) or np.isfinite(value):
        return value
    return UnscoredError(f"the value is no number: {value}")


def count_reasons(answers: Iterable[UnscoredError]) -> dict[str, int]:
    """How often each reason was given, the commonest first."""
    return dict(Counter(map(str, answers)).most_common())


def sort_samples(samples: Sequence[SampleInputs]) -> list[SampleInputs]:
    """By prompt and seed, so that no number depends on the order in which samples came."""
    return sorted(samples, key=key_of)


def key_of(sample: SampleInputs) -> tuple[str, int]:
    """What makes a sample the same in two runs."""
    return sample.prompt.key, sample.seed


@dataclass(frozen=True, eq=False)
class Measured:
    """What a metric says of each unit, in the order of prompts: of each sample, or of all samples of a prompt."""

    units: tuple[tuple[SampleInputs, ...], ...]
    answers: tuple[Measurement | UnscoredError, ...]
    of_prompts: bool

    @property
    def keys(self) -> list[Hashable]:
        """The unit's prompt, or its prompt and seed."""
        return [unit[0].prompt.key if self.of_prompts else key_of(unit[0]) for unit in self.units]

    @property
    def unscored(self) -> list[UnscoredError]:
        return [answer for answer in self.answers if isinstance(answer, UnscoredError)]

    @cached_property
    def scored(self) -> list[tuple[PromptInputs, Measurement]]:
        units = zip(self.units, self.answers, strict=True)
        return [(unit[0].prompt, answer) for unit, answer in units if isinstance(answer, Measurement)]

    @cached_property
    def rows(self) -> ClusteredRows:
        """Of what is scored, by prompts."""
        lengths = [len(list(group)) for _, group in groupby(prompt.key for prompt, _ in self.scored)]
        return ClusteredRows(to_rows([answer for _, answer in self.scored]), np.array(lengths, dtype=np.int64))

    def select(self, keys: set[Hashable]) -> "Measured":
        chosen = [i for i, key in enumerate(self.keys) if key in keys]
        units, answers = tuple(self.units[i] for i in chosen), tuple(self.answers[i] for i in chosen)
        return Measured(units, answers, self.of_prompts)


def to_rows(measurements: Sequence[Measurement]) -> Rows:
    """(n, columns)."""
    return np.array([measurement.values for measurement in measurements], dtype=np.float64)


def measure_samples(metric: RowMetric, samples: Sequence[SampleInputs]) -> Measured:
    """Ask the metric about every sample, or about the samples of every prompt."""
    ordered = sort_samples(samples)
    if isinstance(metric, PromptMetric):
        units = [tuple(unit) for _, unit in groupby(ordered, key=lambda sample: sample.prompt.key)]
        return Measured(tuple(units), tuple(_measure_prompt(metric, unit) for unit in units), of_prompts=True)
    # A metric that must know all samples to measure one fails for all of them or for none.
    together = type(metric).measure_all is not SampleMetric.measure_all
    parts = [ordered] if together else [[sample] for sample in ordered]
    answers = [answer for part in parts for answer in _measure_each(metric, part)]
    return Measured(tuple((sample,) for sample in ordered), tuple(answers), of_prompts=False)


def _measure_each(metric: SampleMetric, samples: list[SampleInputs]) -> list[Measurement | UnscoredError]:
    answers = attempt(metric, lambda: metric.measure_all(samples))
    if isinstance(answers, UnscoredError):
        return [answers] * len(samples)
    return [_expect_numbers(answer) for answer in answers]


def _measure_prompt(metric: PromptMetric, samples: tuple[SampleInputs, ...]) -> Measurement | UnscoredError:
    return _expect_numbers(attempt(metric, lambda: metric.measure(samples)))


def _expect_numbers(answer: Measurement | UnscoredError) -> Measurement | UnscoredError:
    if isinstance(answer, Measurement) and not np.isfinite(answer.values).all():
        return UnscoredError(f"the value is no number: {answer.values[0]}")
    return answer


def check_samples(metric: SetMetric, samples: Sequence[SampleInputs]) -> list[UnscoredError | None]:
    """Why each sample, in the given order, cannot be part of the set; None where it can."""
    return [attempt(metric, partial(metric.check, sample)) for sample in samples]
