"""Error rates: edits per expected character (CER) or word (WER), as in speech recognition, and the share without edits.

All targets, and all lines in reading order, are joined to one text and folded (see ``folding.py``). A space counts as a
character. In languages without spaces, white space is removed and each character is a word.

A rate can exceed 1, because unrequested text counts as insertions. An image without text has a rate of 1.
"""

from typing import Any, ClassVar

from evaluation.metrics.base import Declaration, UnscoredError
from evaluation.metrics.text_rendering.folding import FOLDING, fold_both
from evaluation.metrics.text_rendering.reading import MIN_SAMPLES, PooledTextMetric, Reading, TextMetric
from evaluation.metrics.text_rendering.words import edit_distance, split_words


class _ErrorRate(PooledTextMetric):
    columns: ClassVar[tuple[str, ...]] = ("value", "edits", "length")

    def replay_inputs(self) -> dict[str, Any]:
        return {"folding": FOLDING}


class CharacterErrorRate(_ErrorRate):
    """Character edits / expected characters, both summed over the run."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Character error rate",
        unit="",
        higher_is_better=False,
        lowest=0.0,
        min_samples=MIN_SAMPLES,
        source="torchmetrics.text.CharErrorRate; typography and case folded",
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        expected, read = _fold_both(reading)
        return _rate(expected, read)


class WordErrorRate(_ErrorRate):
    """Word edits / expected words, both summed over the run."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Word error rate",
        unit="",
        higher_is_better=False,
        lowest=0.0,
        min_samples=MIN_SAMPLES,
        source="torchmetrics.text.WordErrorRate; typography and case folded",
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        expected, read = _fold_both(reading)
        return _rate(split_words(expected, reading.unspaced), split_words(read, reading.unspaced))


class ExactText(TextMetric):
    """Share of images whose text is the expected text."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Exact text",
        unit="share",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source="Paragone: all lines equal all targets, typography and case folded",
    )

    def replay_inputs(self) -> dict[str, Any]:
        return {"folding": FOLDING}

    def compare(self, reading: Reading) -> tuple[float, ...]:
        expected, read = _fold_both(reading)
        return (float(expected == read),)


def _fold_both(reading: Reading) -> tuple[str, str]:
    expected, read = fold_both(reading.targets, reading.lines, reading.language)
    if not expected:
        raise UnscoredError("the targets contain nothing visible")
    return ("".join(expected.split()), "".join(read.split())) if reading.unspaced else (expected, read)


def _rate(expected: str | list[str], read: str | list[str]) -> tuple[float, ...]:
    edits = edit_distance(expected, read)
    return edits / len(expected), edits, len(expected)
