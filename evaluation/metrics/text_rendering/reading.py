"""Readings: the lines read in an image with the target strings of its prompt, and the base of text metrics."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.ocr import alphabets as letters
from evaluation.metrics.base import Measurement, PromptInputs, Rows, SampleInputs, SampleMetric, UnscoredError
from evaluation.metrics.text_rendering.words import is_unspaced, tidy_text

READER: Final = "ocr"
# 5 of 10 correct images have a 95 % interval of 19 to 81 %; fewer images are not meaningful.
MIN_SAMPLES: Final = 10
MAX_QUOTED: Final = 200  # characters


@dataclass(frozen=True)
class Reading:
    """``lines`` in reading order and ``targets``, without empty strings, as the metric's ``tidy`` leaves them."""

    lines: tuple[str, ...]
    targets: tuple[str, ...]
    language: str = ""

    @cached_property
    def unspaced(self) -> bool:
        """Whether characters are counted instead of words."""
        return is_unspaced(self.language, self.targets)

    @cached_property
    def cleaning(self) -> str:
        """The language by which a metric removes punctuation: "und" if the targets have letters that are neither Latin
        nor Chinese, because the rules of benchmarks in English and Chinese would remove these letters.
        """
        scripts = {letters.find_script(c) for c in letters.list_characters(self.targets)}
        return self.language if scripts <= {"", "Latin", "Cjk", "Ideographic"} else "und"

    @property
    def separator(self) -> str:
        """Separator between two lines in one text."""
        return "" if self.unspaced else " "

    @property
    def read(self) -> str:
        """All lines as one text."""
        return self.separator.join(self.lines)

    @property
    def expected(self) -> str:
        """All targets as one text."""
        return self.separator.join(self.targets)

    @property
    def note(self) -> str:
        """The text that was read and, if it differs, the expected text."""
        if not self.lines:
            return "no text was read"
        if self.read == self.expected:
            return f"read {quote_texts(self.lines)}"
        return f"read {quote_texts(self.lines)}, expected {quote_texts(self.targets)}"


class TextMetric(SampleMetric):
    """A metric that compares the text read in an image with the target strings of its prompt.

    Prompts without target strings are skipped. An image without readable text has the value of an empty reading, and a
    note. The scripts of the targets choose the reader; targets with letters that it cannot read are unscored.
    """

    def applies_to(self, prompt: PromptInputs) -> bool:
        try:
            return bool(self.targets(prompt))
        except UnscoredError:
            return False

    def image_extractors(self) -> tuple[str, ...]:
        return (READER,)

    def prompt_extractors(self, prompt: PromptInputs) -> tuple[str, ...]:
        try:
            return (_choose_reader(self.targets(prompt)),)
        except UnscoredError:
            return ()

    def find_obstacle(self, prompt: PromptInputs, alphabets: Mapping[str, Collection[str]]) -> str:
        try:
            targets = self.targets(prompt)
            _expect_readable(targets, _choose_reader(targets), alphabets)
            perfect = self.compare(Reading(targets, targets, prompt.language))
        except UnscoredError as reason:
            return f"unscored, because {reason}"
        forms = self._tidy_all(map(letters.write_as_read, targets))
        if self.compare(Reading(forms, targets, prompt.language))[0] == perfect[0]:
            return ""
        changed = {c: form for c in "".join(targets) if (form := letters.write_as_read(c)) != c}
        found = ", ".join(f"{form or 'nothing'} for {c}" for c, form in changed.items()) or "letters with their accents"
        return f"short of the best value, because readings have {found}"

    def targets(self, prompt: PromptInputs) -> tuple[str, ...]:
        """The strings that should be readable. Raises UnscoredError if there are none."""
        if found := self._tidy_all(prompt.targets):
            return found
        raise UnscoredError("the prompt has no target strings")

    def tidy(self, text: str) -> str:
        """A target or a line as it is compared. By default NFC, and white space is collapsed."""
        return tidy_text(text)

    def measure(self, sample: SampleInputs) -> Measurement:
        targets = self.targets(sample.prompt)
        sample.expect_image()
        reader = _choose_reader(targets)
        _expect_readable(targets, reader, sample.alphabets)
        lines = self._tidy_all(line["text"] for line in _look_up_reading(sample, reader, targets)["lines"])
        reading = Reading(lines, targets, sample.prompt.language)
        return Measurement(tuple(map(float, self.compare(reading))), reading.note)

    def compare(self, reading: Reading) -> tuple[float, ...]:
        """The values of ``columns``. Raises UnscoredError if the targets have nothing to compare."""
        raise NotImplementedError

    def _tidy_all(self, texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.tidy(text) for text in texts if text.strip())


class PooledTextMetric(TextMetric):
    """A text metric whose run value is the sum of the second column / sum of the third, so long texts weigh more."""

    def aggregate(self, rows: Rows) -> float:
        return float(rows[:, 1].sum() / rows[:, 2].sum())


def _choose_reader(targets: tuple[str, ...]) -> str:
    """The specification of the reader for these targets. Raises UnscoredError if there is none."""
    reader, unread = letters.find_reader(targets)
    if unread:
        found = letters.describe_characters(unread)
        beside = "" if reader == READER else f" beside what {reader} reads"
        raise UnscoredError(f"the targets have {found}, which no reader reads{beside}")
    return reader


def _expect_readable(targets: tuple[str, ...], reader: str, alphabets: Mapping[str, Collection[str]]) -> None:
    """Raise UnscoredError if the alphabet of the reader is known and lacks a letter of the targets."""
    if reader in alphabets and (unread := letters.find_unread(targets, alphabets[reader])):
        raise UnscoredError(f"the targets have {letters.describe_characters(unread)}, which {reader} does not read")


def _look_up_reading(sample: SampleInputs, reader: str, targets: tuple[str, ...]) -> Any:
    """The record of the reader. If its network is missing, the reason says which letters need it."""
    found = sample.extracted.get(reader)
    if reader == READER or not isinstance(found, MissingWeightsError | UnscoredError):
        return sample.look_up(reader)
    characters = [c for c in letters.list_characters(targets) if letters.find_script(c) not in ("", "Latin")]
    described = letters.describe_characters(characters)
    raise UnscoredError(f"the targets have {described}, which only {reader} reads: {found}")


def quote_texts(texts: tuple[str, ...]) -> str:
    """Join texts and quote them for a note, truncated to MAX_QUOTED characters."""
    text = " ".join(texts)
    return f'"{text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 1] + "…"}"'
