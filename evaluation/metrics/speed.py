"""Speed and cost metrics: latency, time for several variants, price per image."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from evaluation.metrics.base import (
    Declaration,
    Measurement,
    PromptMetric,
    Rows,
    SampleInputs,
    SampleMetric,
    UnscoredError,
)

SOURCE: Final = "Paragone: measured duration of the adapter's calls"


class Latency(SampleMetric):
    """Nearest-rank percentile of the duration of calls, in seconds, without interpolation.

    A call that generated several images counts once: each image has the duration of the call and an equal share of its
    weight. The value is not meaningful for fewer than 100 / (100 - percentile) calls.
    """

    declaration = Declaration(
        title="Latency",
        unit="s",
        higher_is_better=False,
        lowest=0.0,
        min_samples=20,
        source=f"{SOURCE}; nearest-rank percentile",
    )
    columns: ClassVar[tuple[str, ...]] = ("seconds", "calls")

    percentile: Annotated[float, Field(gt=0, lt=100)] = 50.0

    def measure_all(self, samples: Sequence[SampleInputs]) -> list[Measurement | UnscoredError]:
        sizes = Counter(_find_call(sample) for sample in samples if _is_timed(sample))
        return [_share_call(sample, sizes) for sample in samples]

    def measure(self, sample: SampleInputs) -> Measurement:
        return Measurement((_find_seconds(sample), 1.0))

    def aggregate(self, rows: Rows) -> float:
        order = np.argsort(rows[:, 0], kind="stable")
        seconds, calls = rows[order, 0], np.cumsum(rows[order, 1])
        # The weights of a call add up to 1 except for rounding, which must not move the rank to the next call.
        rank = np.searchsorted(calls, self.percentile / 100.0 * calls[-1] * (1.0 - 1e-12))
        return float(seconds[min(int(rank), len(seconds) - 1)])


class VariantsTime(PromptMetric):
    """Seconds for the first ``n`` images of a prompt: the sum over the calls that generated them."""

    declaration = Declaration(
        title="Time for several variants", unit="s", higher_is_better=False, lowest=0.0, min_samples=5, source=SOURCE
    )

    n: Annotated[int, Field(ge=1)] = 5

    @property
    def images_per_prompt(self) -> int:
        return self.n

    def measure(self, samples: Sequence[SampleInputs]) -> Measurement:
        drawn = [sample for sample in samples if sample.outcome == "ok"][: self.n]
        if len(drawn) < self.n:
            raise UnscoredError(f"the prompt has {len(drawn)} of {self.n} images")
        calls = {_find_call(sample): _find_seconds(sample) for sample in drawn}
        return Measurement((sum(calls.values()),), f"{self.n} variants in {_count(len(calls), 'call')}")


class ImagePrice(SampleMetric):
    """Mean price of an image in US dollars, by the price list of the adapter."""

    declaration = Declaration(
        title="Price per image",
        unit="USD",
        higher_is_better=False,
        lowest=0.0,
        min_samples=1,
        source="Paragone: price lists of the adapters",
    )

    def measure(self, sample: SampleInputs) -> Measurement:
        sample.expect_image()
        if sample.usd is None:
            raise UnscoredError("the price is unknown")
        return Measurement((sample.usd,))


def _is_timed(sample: SampleInputs) -> bool:
    return sample.outcome == "ok" and sample.seconds is not None


def _find_seconds(sample: SampleInputs) -> float:
    sample.expect_image()
    if sample.seconds is None:
        raise UnscoredError("the duration is unknown")
    return sample.seconds


def _find_call(sample: SampleInputs) -> Hashable:
    """Key of the call of a sample; a sample without a known call counts as a call of its own."""
    return id(sample) if sample.call is None else ("call", sample.call)


def _share_call(sample: SampleInputs, sizes: Counter[Hashable]) -> Measurement | UnscoredError:
    try:
        seconds = _find_seconds(sample)
    except UnscoredError as reason:
        return reason
    size = sizes[_find_call(sample)]
    return Measurement((seconds, 1.0 / size), f"one of {size} images of a call" if size > 1 else "")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
