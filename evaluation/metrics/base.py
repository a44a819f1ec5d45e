"""Metric base classes: a declaration, parameters, and pure functions from features to numbers.

There are three kinds of metrics, by their unit of measurement::

    SampleMetric    one image                       is the text readable?
    PromptMetric    all images of one prompt        does the model repeat itself?
    SetMetric       all images of a run             how far is their distribution from a reference?

A metric that cannot measure a sample raises UnscoredError with the reason. Unscored samples are counted, never 0.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from evaluation.extractors.base import Extracted, UnavailableInputError
from evaluation.extractors.names import abbreviate_network
from evaluation.number_format import SHARE

Rows = NDArray[np.float64]


class UnscoredError(Exception):
    """A sample, prompt or set cannot be measured; the message says why."""


class UnreadSampleError(UnscoredError):
    """The image of a sample could not be read from the store. It can be measured once the store answers."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """Properties of a metric that do not depend on parameters; used by leaderboard, gate, report and docs.

    ``min_samples`` is the number of measurements below which the value is not meaningful. ``title`` and ``acronym``
    are those with any network; ``published`` is the name with the network in ``published_with``, and only with it.
    """

    title: str
    acronym: str = ""
    published: str = ""
    published_with: str = ""
    lowest: float = -inf  # possible value; of a share 0
    highest: float = inf  # of a share 1
    unit: str  # "share" (0 to 1, printed in percent), "s", "USD", any noun, or "" for none
    higher_is_better: bool | None  # None: neither direction is better
    min_samples: int
    source: str  # paper and section, or the project that defines it

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        return (0.0, 1.0) if self.unit == SHARE else (self.lowest, self.highest)


@dataclass(frozen=True, kw_only=True)
class PromptInputs:
    """A prompt. ``targets`` should be readable in the image, ``checks`` should hold (see ``composition.py``)."""

    key: str
    text: str
    category: str = ""
    language: str = ""
    targets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class VoteInputs:
    """A vote on this sample. ``opponent`` is the slug of the other model, with its rating on the board."""

    outcome: Literal["win", "loss", "tie", "both_bad"]
    opponent: str
    opponent_rating: float | None


@dataclass(frozen=True, kw_only=True)
class SampleInputs:
    """Inputs of a metric for one sample (prompt × seed of a run).

    ``extracted`` and ``texts`` may be lazy mappings that read files; their values include extraction errors.
    """

    prompt: PromptInputs
    seed: int
    outcome: Literal["ok", "refused", "failed"] = "ok"
    reason: str = ""  # why there is no image
    width: int | None = None
    height: int | None = None
    phash: str = ""  # perceptual hash, 64 bits in hexadecimal
    seconds: float | None = None  # duration of the call that generated it, and possibly other images
    call: Hashable = None  # equal for samples that were generated in one call
    usd: float | None = None
    votes: tuple[VoteInputs, ...] = ()
    extracted: Mapping[str, Extracted | Exception] = field(default_factory=dict)  # by specification
    texts: Mapping[tuple[str, str], Extracted | Exception] = field(default_factory=dict)  # by specification and text
    alphabets: Mapping[str, Collection[str]] = field(default_factory=dict)  # of readers of text, by specification

    def expect_image(self) -> None:
        """Raise UnscoredError if there is no image."""
        if self.outcome != "ok":
            raise UnscoredError(f"no image: {self.outcome}{f' ({self.reason})' if self.reason else ''}")

    def look_up(self, specification: str) -> Any:
        """Features or record of the image by an extractor. Raises UnscoredError with the reason if there are none."""
        self.expect_image()
        return _expect(self.extracted.get(specification), specification)

    def look_up_text(self, specification: str, text: str) -> Any:
        """Features of a text by an extractor. Raises UnscoredError with the reason if there are none."""
        return _expect(self.texts.get((specification, text)), specification)


def _expect(found: Extracted | Exception | None, specification: str) -> Extracted:
    if found is None:
        raise UnscoredError(f"there is no output of {specification}")
    if isinstance(found, UnavailableInputError):
        raise UnreadSampleError(str(found))
    if isinstance(found, Exception):
        raise UnscoredError(str(found))
    if isinstance(found, np.ndarray) and not np.isfinite(found).all():
        raise UnscoredError(f"the features by {specification} contain NaN or infinity")
    return found


@dataclass(frozen=True)
class Measurement:
    """Result for one sample or prompt: one value per column of the metric, and a note that explains the first."""

    values: tuple[float, ...]
    note: str = ""


class Metric(BaseModel):
    """Base of the three kinds. Its pydantic fields are the parameters that a suite can set."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    declaration: ClassVar[Declaration]

    @property
    def network(self) -> str:
        """Name of the network that a parameter chooses; "" if there is no choice."""
        return ""

    def limits(self, n: int) -> tuple[float, float]:
        """Smallest and largest possible value of ``n`` samples, inside which its interval lies."""
        return self.declaration.range

    @property
    def title(self) -> str:
        """Name in reports, which always says with which network."""
        declared, network = self.declaration, self.network
        if not network:
            return declared.title
        if network == declared.published_with:
            return declared.published
        acronym = f" ({declared.acronym}-{abbreviate_network(network)})" if declared.acronym else ""
        return f"{declared.title}, {network} features{acronym}"

    def image_extractors(self) -> tuple[str, ...]:
        """Specifications of the image extractors that the metric needs."""
        return ()

    def prompt_extractors(self, prompt: PromptInputs) -> tuple[str, ...]:
        """Those that it needs for the images of this prompt; by default all."""
        return self.image_extractors()

    def find_obstacle(self, prompt: PromptInputs, alphabets: Mapping[str, Collection[str]]) -> str:
        """The reason why no image of this prompt can be scored, or reach the best value, as far as is known beforehand.

        Args:
            prompt: One that the metric applies to.
            alphabets: Characters that readers of text can return, by specification. Others are not known.

        Returns:
            The reason, or "".
        """
        return ""

    def applies_to(self, prompt: PromptInputs) -> bool:
        """Whether the metric measures images of this prompt. Other prompts are skipped, and not counted as unscored."""
        return True

    def texts(self, prompt: PromptInputs) -> tuple[tuple[str, str], ...]:
        """(specification, text) of the text extractions that the metric needs for a prompt."""
        return ()

    def replay_inputs(self) -> dict[str, Any]:
        """Other parts of the identity of a value, besides parameters, extractors and N; for example the estimator."""
        return {}


class SampleMetric(Metric):
    """A metric with one measurement per sample."""

    columns: ClassVar[tuple[str, ...]] = ("value",)  # names of the numbers of a measurement; the first is its value

    def measure(self, sample: SampleInputs) -> Measurement:
        """Measure one sample. Raises UnscoredError."""
        raise NotImplementedError

    def measure_all(self, samples: Sequence[SampleInputs]) -> list[Measurement | UnscoredError]:
        """Measure all samples, in order. Override it if a measurement depends on the other samples."""
        return [_catch(self.measure, sample) for sample in samples]

    def aggregate(self, rows: Rows) -> float:
        """The value of the run from measurements (n, columns), n ≥ 1. By default the mean of the first column."""
        return float(rows[:, 0].mean())


class PromptMetric(Metric):
    """A metric with one measurement per prompt."""

    columns: ClassVar[tuple[str, ...]] = ("value",)  # names of the numbers of a measurement; the first is its value

    @property
    def images_per_prompt(self) -> int:
        """Number of images per prompt that the metric needs."""
        return 2

    def measure(self, samples: Sequence[SampleInputs]) -> Measurement:
        """Measure the samples of one prompt, at least one. Raises UnscoredError."""
        raise NotImplementedError

    def aggregate(self, rows: Rows) -> float:
        """The value of the run from measurements (n prompts, columns). By default the mean of the first column."""
        return float(rows[:, 0].mean())


class SetMetric(Metric):
    """A metric with one value for the whole set, computed from a statistic that merges with ``+``.

    ``summarize(a) + summarize(b)`` equals ``summarize(a + b)`` to 1e-9.
    """

    def check(self, sample: SampleInputs) -> None:
        """Raise UnscoredError if a sample cannot be part of the set."""
        raise NotImplementedError

    def summarize(self, samples: Iterable[SampleInputs]) -> Any:
        """The statistic of samples that passed ``check``. It must support ``+``."""
        raise NotImplementedError

    def compute(self, statistic: Any, reference: Any = None) -> float:
        """The value of a statistic, relative to that of the reference set if the metric has one.

        Raises:
            UnscoredError: Too few samples, or no suitable reference set.
        """
        raise NotImplementedError

    # Whether the value tends to a limit for infinitely many images, from which it differs by about 1/N.
    has_limit: ClassVar[bool] = False

    def warnings(self, statistic: Any) -> tuple[str, ...]:
        """Warnings that are shown with the value."""
        return ()

    @property
    def reference_name(self) -> str | None:
        """The name of the reference set, or None."""
        return getattr(self, "reference", None)


def _catch(measure: Callable[[SampleInputs], Measurement], sample: SampleInputs) -> Measurement | UnscoredError:
    try:
        return measure(sample)
    except UnscoredError as reason:
        return reason
