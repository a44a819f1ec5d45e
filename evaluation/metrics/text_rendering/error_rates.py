"""Character and word error rate: edits per character, or per word, of what was wanted.

The definition is that of speech recognition, with torchmetrics' CharErrorRate and WordErrorRate as the oracle. Both
texts, all targets and all lines in reading order, are normalized first: NFKC, case folded, runs of white space as one
space. A space is a character like any other. In languages without spaces there is none, and each character is a word.

A rate may exceed 1: text that nobody asked for is an insertion. An image without text has exactly 1.
"""

from typing import Any, ClassVar

from evaluation.metrics.base import Declaration
from evaluation.metrics.text_rendering.reading import MIN_SAMPLES, PooledTextMetric, Reading
from evaluation.metrics.text_rendering.words import edit_distance, fold, split_words


class _ErrorRate(PooledTextMetric):
    columns: ClassVar[tuple[str, ...]] = ("value", "edits", "length")

    def replay_inputs(self) -> dict[str, Any]:
        return {"normalization": "NFKC, case folded, white space collapsed"}


class CharacterErrorRate(_ErrorRate):
    """Edits of characters over characters wanted, both summed over the set."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Character error rate",
        unit="",
        higher_is_better=False,
        min_samples=MIN_SAMPLES,
        source="torchmetrics.text.CharErrorRate; NFKC and case folded",
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        wanted, read = _fold_both(reading)
        return _rate(wanted, read)


class WordErrorRate(_ErrorRate):
    """Edits of words over words wanted, both summed over the set."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Word error rate",
        unit="",
        higher_is_better=False,
        min_samples=MIN_SAMPLES,
        source="torchmetrics.text.WordErrorRate; NFKC and case folded",
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        wanted, read = _fold_both(reading)
        return _rate(split_words(wanted, reading.unspaced), split_words(read, reading.unspaced))


def _fold_both(reading: Reading) -> tuple[str, str]:
    wanted, read = fold(reading.wanted), fold(reading.read)
    return ("".join(wanted.split()), "".join(read.split())) if reading.unspaced else (wanted, read)


def _rate(wanted: str | list[str], read: str | list[str]) -> tuple[float, ...]:
    edits = edit_distance(wanted, read)
    return edits / len(wanted), edits, len(wanted)
