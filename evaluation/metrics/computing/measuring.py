"""Measurements of a metric on samples. An exception in a metric makes a sample unscored; it does not end the run."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from typing import TypeVar

import numpy as np
import structlog

from evaluation.extractors.base import UnavailableInputError
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


def attempt(metric: Metric, call: Callable[[], T]) -> T | UnscoredError:
    """Call a method of a metric; returns its result or UnscoredError. Unexpected exceptions are logged."""
    try:
        return call()
    except UnscoredError as reason:
        return reason
    except UnavailableInputError:
        raise  # the run is scored later
    except Exception as error:
        log.exception("metric_crashed", metric=type(metric).__name__)
        return UnscoredError(f"{type(error).__name__}: {error}")


def attempt_value(metric: Metric, call: Callable[[], float]) -> float | UnscoredError:
    """As ``attempt``; NaN and infinity are unscored."""
    value = attempt(metric, call)
    if isinstance(value, UnscoredError) or np.isfinite(value):
        return value
    return UnscoredError(f"the value is {value}")


def count_reasons(answers: Iterable[UnscoredError]) -> dict[str, int]:
    """Number of occurrences of each reason, the most frequent first."""
    return dict(Counter(map(str, answers)).most_common())


def sort_samples(samples: Sequence[SampleInputs]) -> list[SampleInputs]:
    """Sort by prompt and seed, so that values do not depend on the order of the samples."""
    return sorted(samples, key=sample_key)


def sample_key(sample: SampleInputs) -> tuple[str, int]:
    """Prompt key and seed, which identify the same sample in two runs."""
    return sample.prompt.key, sample.seed


@dataclass(frozen=True, eq=False)
class Measured:
    """Measurements per unit, sorted by prompt. A unit is one sample, or all samples of one prompt."""

    units: tuple[tuple[SampleInputs, ...], ...]
    answers: tuple[Measurement | UnscoredError, ...]
    of_prompts: bool

    @property
    def keys(self) -> list[Hashable]:
        """Key of each unit: its prompt, or its prompt and seed."""
        return [unit[0].prompt.key if self.of_prompts else sample_key(unit[0]) for unit in self.units]

    @property
    def unscored(self) -> list[UnscoredError]:
        return [answer for answer in self.answers if isinstance(answer, UnscoredError)]

    @cached_property
    def scored(self) -> list[tuple[PromptInputs, Measurement]]:
        units = zip(self.units, self.answers, strict=True)
        return [(unit[0].prompt, answer) for unit, answer in units if isinstance(answer, Measurement)]

    @cached_property
    def rows(self) -> ClusteredRows:
        """Values of the scored units, grouped by prompt."""
        lengths = [len(list(group)) for _, group in groupby(prompt.key for prompt, _ in self.scored)]
        return ClusteredRows(to_rows([answer for _, answer in self.scored]), np.array(lengths, dtype=np.int64))

    def select(self, keys: set[Hashable]) -> "Measured":
        chosen = [i for i, key in enumerate(self.keys) if key in keys]
        units, answers = tuple(self.units[i] for i in chosen), tuple(self.answers[i] for i in chosen)
        return Measured(units, answers, self.of_prompts)


def to_rows(measurements: Sequence[Measurement]) -> Rows:
    """Values as an array (n, columns)."""
    return np.array([measurement.values for measurement in measurements], dtype=np.float64)


def measure_samples(metric: RowMetric, samples: Sequence[SampleInputs]) -> Measured:
    """Measure every sample, or the samples of every prompt."""
    ordered = sort_samples(samples)
    if isinstance(metric, PromptMetric):
        units = [tuple(unit) for _, unit in groupby(ordered, key=lambda sample: sample.prompt.key)]
        return Measured(tuple(units), tuple(_measure_prompt(metric, unit) for unit in units), of_prompts=True)
    # A metric that overrides measure_all needs all samples at once; an exception then affects all of them.
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
        return UnscoredError(f"the values contain NaN or infinity: {answer.values}")
    return answer


def check_samples(metric: SetMetric, samples: Sequence[SampleInputs]) -> list[UnscoredError | None]:
    """Per sample, in order, the reason why it cannot be part of the set, or None."""
    return [attempt(metric, partial(metric.check, sample)) for sample in samples]
