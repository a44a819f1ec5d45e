"""What a metric is: a declaration, parameters, and pure functions from what was extracted to numbers.

There are three kinds, by what one measurement is made of::

    SampleMetric    one image                       is the text readable?
    PromptMetric    all images of one prompt        does the model repeat itself?
    SetMetric       all images of a run at once     how far is their distribution from a reference?

What cannot be measured raises UnscoredError with its reason; it is counted, and is never a zero.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from evaluation.extractors.base import Extracted

Rows = NDArray[np.float64]


class UnscoredError(Exception):
    """Why a sample, or a set of them, has no value."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What is true of a metric whatever its parameters. Leaderboard, gate, report and docs read it here.

    ``min_samples`` is the number of measurements below which the value says nothing.
    """

    title: str
    unit: str  # "" where the number has none
    higher_is_better: bool | None  # None: neither
    min_samples: int
    source: str  # paper and section, or the project whose definition this is


@dataclass(frozen=True, kw_only=True)
class PromptInputs:
    """Of a prompt: ``targets`` should be readable in the image, ``checks`` should hold (see ``composition.py``)."""

    key: str
    text: str
    category: str = ""
    language: str = ""
    targets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class VoteInputs:
    """A rater's judgement of this sample. ``opponent`` is a model's slug and its rating on the board, if it has one."""

    outcome: Literal["win", "loss", "tie", "both_bad"]
    opponent: str
    opponent_rating: float | None


@dataclass(frozen=True, kw_only=True)
class SampleInputs:
    """All that is known of one sample: prompt × seed of a run.

    ``extracted`` and ``texts`` may read files when they are asked; a fault is kept in an answer's place.
    """

    prompt: PromptInputs
    seed: int
    outcome: Literal["ok", "refused", "failed"] = "ok"
    reason: str = ""  # why there is no image
    width: int | None = None
    height: int | None = None
    phash: str = ""  # perceptual hash, 64 bits in hexadecimal
    seconds: float | None = None  # of the call that drew it, which may have drawn others too
    call: Hashable = None  # the same for samples that were drawn in one call
    usd: float | None = None
    votes: tuple[VoteInputs, ...] = ()
    extracted: Mapping[str, Extracted | Exception] = field(default_factory=dict)  # by specification
    texts: Mapping[tuple[str, str], Extracted | Exception] = field(default_factory=dict)  # by specification and text

    def expect_image(self) -> None:
        """Raise UnscoredError where there is no image."""
        if self.outcome != "ok":
            raise UnscoredError(f"no image: {self.outcome}{f' ({self.reason})' if self.reason else ''}")

    def look_up(self, specification: str) -> Any:
        """What the extractor made of the image. Raises UnscoredError with the reason where it made nothing."""
        self.expect_image()
        return _expect(self.extracted.get(specification), specification)

    def look_up_text(self, specification: str, text: str) -> Any:
        """What the extractor made of this text. Raises UnscoredError."""
        return _expect(self.texts.get((specification, text)), specification)


def _expect(found: Extracted | Exception | None, specification: str) -> Extracted:
    if found is None:
        raise UnscoredError(f"{specification} has not looked at it")
    if isinstance(found, Exception):
        raise UnscoredError(str(found))
    if isinstance(found, np.ndarray) and not np.isfinite(found).all():
        raise UnscoredError(f"{specification} gave features that are no numbers (NaN or infinite)")
    return found


@dataclass(frozen=True)
class Measurement:
    """Of one sample or prompt: ``values`` by the metric's columns, the first for people; a note that says why."""

    values: tuple[float, ...]
    note: str = ""


class Metric(BaseModel):
    """Base of the three kinds. Its fields are its parameters, as a suite states them; an unknown one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    declaration: ClassVar[Declaration]

    def image_extractors(self) -> tuple[str, ...]:
        """Specifications of what must look at the images."""
        return ()

    def applies_to(self, prompt: PromptInputs) -> bool:
        """Whether the metric is about images of this prompt. Others are not asked for, and not counted as missing."""
        return True

    def texts(self, prompt: PromptInputs) -> tuple[tuple[str, str], ...]:
        """(specification, text) of what must be read of a prompt."""
        return ()

    def replay_inputs(self) -> dict[str, Any]:
        """What belongs to the identity of a number beside parameters, extractors and N. The estimator, say."""
        return {}


class SampleMetric(Metric):
    """One measurement for each sample."""

    columns: ClassVar[tuple[str, ...]] = ("value",)

    def measure(self, sample: SampleInputs) -> Measurement:
        """Raises UnscoredError."""
        raise NotImplementedError

    def measure_all(self, samples: Sequence[SampleInputs]) -> list[Measurement | UnscoredError]:
        """In order. For a metric that must know all samples to measure one."""
        return [_catch(self.measure, sample) for sample in samples]

    def aggregate(self, rows: Rows) -> float:
        """The run's value from the measurements, (n, columns). n is at least 1. The mean, unless a metric differs."""
        return float(rows[:, 0].mean())


class PromptMetric(Metric):
    """One measurement for all samples of a prompt."""

    columns: ClassVar[tuple[str, ...]] = ("value",)

    @property
    def images_per_prompt(self) -> int:
        """How many images of a prompt it needs."""
        return 2

    def measure(self, samples: Sequence[SampleInputs]) -> Measurement:
        """``samples`` share a prompt; there may be one alone. Raises UnscoredError."""
        raise NotImplementedError

    def aggregate(self, rows: Rows) -> float:
        """The run's value from the measurements, (n prompts, columns)."""
        return float(rows[:, 0].mean())


class SetMetric(Metric):
    """One number for the whole set, by way of a statistic that merges with ``+``.

    ``summarize(a) + summarize(b)`` says the same as ``summarize(a + b)``, to 1e-9.
    """

    def check(self, sample: SampleInputs) -> None:
        """Raise UnscoredError for a sample that cannot be part of the set."""
        raise NotImplementedError

    def summarize(self, samples: Iterable[SampleInputs]) -> Any:
        """The statistic of samples that passed ``check``; it has an ``__add__``."""
        raise NotImplementedError

    def compute(self, statistic: Any, reference: Any = None) -> float:
        """The value. ``reference`` is the statistic of the reference set, for a metric that has one.

        Raises UnscoredError: too few samples.
        """
        raise NotImplementedError

    def warnings(self, statistic: Any) -> tuple[str, ...]:
        """What is to be said beside the value."""
        return ()

    @property
    def reference_name(self) -> str | None:
        """The name of the reference set that it is compared with, or None."""
        return getattr(self, "reference", None)


def _catch(measure: Callable[[SampleInputs], Measurement], sample: SampleInputs) -> Measurement | UnscoredError:
    try:
        return measure(sample)
    except UnscoredError as reason:
        return reason
