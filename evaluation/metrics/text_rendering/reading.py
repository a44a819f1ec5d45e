"""What was read in an image, beside what should be readable in it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from evaluation.metrics.base import Measurement, PromptInputs, Rows, SampleInputs, SampleMetric, UnscoredError
from evaluation.metrics.text_rendering.words import is_unspaced, tidy

READER: Final = "ocr"
# Of 10 images 5 right still mean anything from a fifth to four fifths; fewer say nothing of a model.
MIN_SAMPLES: Final = 10
MOST_QUOTED: Final = 200


@dataclass(frozen=True)
class Reading:
    """``lines`` in reading order and ``targets``, both tidied, none of them empty."""

    lines: tuple[str, ...]
    targets: tuple[str, ...]
    language: str = ""

    @cached_property
    def unspaced(self) -> bool:
        """Whether characters take the place of words."""
        return is_unspaced(self.language, self.targets)

    @property
    def separator(self) -> str:
        """What joins two lines into one text."""
        return "" if self.unspaced else " "

    @property
    def read(self) -> str:
        """All lines as one text."""
        return self.separator.join(self.lines)

    @property
    def wanted(self) -> str:
        """All targets as one text."""
        return self.separator.join(self.targets)

    @property
    def note(self) -> str:
        """What was read for what."""
        if not self.lines:
            return "no text was read"
        if self.read == self.wanted:
            return f"read {quote_texts(self.lines)}"
        return f"read {quote_texts(self.lines)} for {quote_texts(self.targets)}"


class TextMetric(SampleMetric):
    """Compares what was read in an image with the targets of its prompt.

    A prompt without targets is not the metric's business. An image without any text that could be read has the value of
    an empty reading, with a note that says so.
    """

    def applies_to(self, prompt: PromptInputs) -> bool:
        try:
            return bool(self.targets(prompt))
        except UnscoredError:
            return False

    def image_extractors(self) -> tuple[str, ...]:
        return (READER,)

    def targets(self, prompt: PromptInputs) -> tuple[str, ...]:
        """The strings that should be readable. Raises UnscoredError where there is none."""
        if found := _tidy_all(prompt.targets):
            return found
        raise UnscoredError("the prompt has no target strings")

    def measure(self, sample: SampleInputs) -> Measurement:
        targets = self.targets(sample.prompt)
        lines = _tidy_all(line["text"] for line in sample.look_up(READER)["lines"])
        reading = Reading(lines, targets, sample.prompt.language)
        return Measurement(tuple(map(float, self.compare(reading))), reading.note)

    def compare(self, reading: Reading) -> tuple[float, ...]:
        """The values of ``columns``. Raises UnscoredError where nothing of the targets can be compared."""
        raise NotImplementedError


class PooledTextMetric(TextMetric):
    """Over a set the second column's sum by the third's, so that a long text counts for more than a short one."""

    def aggregate(self, rows: Rows) -> float:
        return float(rows[:, 1].sum() / rows[:, 2].sum())


def _tidy_all(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(tidied for text in texts if (tidied := tidy(text)))


def quote_texts(texts: tuple[str, ...]) -> str:
    """As one text, for a note; what is long is cut."""
    text = " ".join(texts)
    return f'"{text if len(text) <= MOST_QUOTED else text[: MOST_QUOTED - 1] + "…"}"'
