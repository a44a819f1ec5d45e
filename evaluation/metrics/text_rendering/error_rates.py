"""Error rates: edits per expected character (CER) or word (WER), as in speech recognition.

All targets, and all lines in reading order, are joined to one text and normalized: NFKC, case-folded, white space
collapsed. A space counts as a character. In languages without spaces, white space is removed and each character is a
word.

A rate can exceed 1, because unrequested text counts as insertions. An image without text has a rate of 1.
"""

from typing import Any, ClassVar

from evaluation.metrics.base import Declaration
from evaluation.metrics.text_rendering.reading import MIN_SAMPLES, PooledTextMetric, Reading
from evaluation.metrics.text_rendering.words import edit_distance, fold_text, split_words


class _ErrorRate(PooledTextMetric):
    columns: ClassVar[tuple[str, ...]] = ("value", "edits", "length")

    def replay_inputs(self) -> dict[str, Any]:
        return {"normalization": "NFKC, case-folded, white space collapsed"}


class CharacterErrorRate(_ErrorRate):
    """Character edits / expected characters, both summed over the run."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Character error rate",
        unit="",
        higher_is_better=False,
        min_samples=MIN_SAMPLES,
        source="torchmetrics.text.CharErrorRate; NFKC, case-folded",
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
        min_samples=MIN_SAMPLES,
        source="torchmetrics.text.WordErrorRate; NFKC, case-folded",
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        expected, read = _fold_both(reading)
        return _rate(split_words(expected, reading.unspaced), split_words(read, reading.unspaced))


def _fold_both(reading: Reading) -> tuple[str, str]:
    expected, read = fold_text(reading.expected), fold_text(reading.read)
    return ("".join(expected.split()), "".join(read.split())) if reading.unspaced else (expected, read)


def _rate(expected: str | list[str], read: str | list[str]) -> tuple[float, ...]:
    edits = edit_distance(expected, read)
    return edits / len(expected), edits, len(expected)
