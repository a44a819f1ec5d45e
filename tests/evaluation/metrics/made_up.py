"""Simple metrics of the three kinds, which read the price of a sample, and samples for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.metrics.base import (
    Declaration,
    Measurement,
    PromptInputs,
    PromptMetric,
    SampleInputs,
    SampleMetric,
    SetMetric,
    UnscoredError,
)


def declare(unit: str = "", min_samples: int = 1) -> Declaration:
    return Declaration(title="Made up", unit=unit, higher_is_better=True, min_samples=min_samples, source="a test")


def make_sample(key: str, seed: int = 0, value: float | None = 1.0, **prompt: Any) -> SampleInputs:
    return SampleInputs(prompt=PromptInputs(key=key, text=f"prompt {key}", **prompt), seed=seed, usd=value)


def make_samples(values: Sequence[Sequence[float | None]], **prompt: Any) -> list[SampleInputs]:
    """One prompt per inner list, one seed per value."""
    return [
        make_sample(f"p{i:03}", seed, value, **prompt)
        for i, inner in enumerate(values)
        for seed, value in enumerate(inner)
    ]


def read(sample: SampleInputs) -> float:
    """Values below -1000 raise an unexpected exception."""
    if sample.usd is None:
        raise UnscoredError("the price is unknown")
    if sample.usd < -1000:
        raise ZeroDivisionError("division by zero")
    return sample.usd


class Mean(SampleMetric):
    declaration = declare()

    def measure(self, sample: SampleInputs) -> Measurement:
        return Measurement((read(sample),), f"read {read(sample)}")


class Cheap(Mean):
    """Applies only to prompts of the category "cheap"."""

    def applies_to(self, prompt: PromptInputs) -> bool:
        return prompt.category == "cheap"


class Rate(Mean):
    declaration = declare("share", min_samples=20)


class Rank(SampleMetric):
    """Rank among all samples, from 0."""

    declaration = declare()

    def measure_all(self, samples: Sequence[SampleInputs]) -> list[Measurement | UnscoredError]:
        values = [read(sample) for sample in samples]
        return [Measurement((float(sum(other < value for other in values)),)) for value in values]


class Spread(PromptMetric):
    """Range of the prices of a prompt."""

    declaration = declare()

    def measure(self, samples: Sequence[SampleInputs]) -> Measurement:
        values = [read(sample) for sample in samples]
        if len(values) < 2:
            raise UnscoredError("a spread needs 2 samples")
        return Measurement((max(values) - min(values),))


@dataclass(frozen=True)
class Sums:
    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.n + other.n, self.total + other.total, self.squares + other.squares)


class Variance(SetMetric):
    declaration = declare(min_samples=5)

    def check(self, sample: SampleInputs) -> None:
        read(sample)

    def summarize(self, samples: Iterable[SampleInputs]) -> Sums:
        values = [read(sample) for sample in samples]
        return Sums(len(values), sum(values), sum(value**2 for value in values))

    def compute(self, statistic: Sums, reference: Any = None) -> float:
        if statistic.n < 2:
            raise UnscoredError("a variance needs 2 samples")
        found = (statistic.squares - statistic.total**2 / statistic.n) / (statistic.n - 1)
        return found - (reference or 0.0)

    def warnings(self, statistic: Sums) -> tuple[str, ...]:
        return ("few",) if statistic.n < 4 else ()


class Share(Variance):
    """Share of samples above zero, from a statistic."""

    declaration = declare("share")

    def summarize(self, samples: Iterable[SampleInputs]) -> Sums:
        values = [float(read(sample) > 0) for sample in samples]
        return Sums(len(values), sum(values), sum(values))

    def compute(self, statistic: Sums, reference: Any = None) -> float:
        return statistic.total / statistic.n
