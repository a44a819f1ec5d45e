"""OneIG-Bench metrics: edit distance, completion rate, word accuracy and text score.

Source: Chang et al. 2025, "OneIG-Bench: Omni-dimensional Nuanced Evaluation for Image Generation",
``scripts/text/text_score.py`` and ``text_utils.py``. All targets are joined to one text, and so are all lines in
reading order. Both keep only Chinese characters, letters and digits (see ``words.strip_marks``), with case. In a text
with a Chinese character white space is removed too, and characters are counted instead of words.

The benchmark is in English and Chinese. In other languages all letters are kept, and languages without spaces are
treated like Chinese.
"""

from typing import ClassVar, Final

import numpy as np

from evaluation.metrics.base import Declaration, Rows, UnscoredError
from evaluation.metrics.text_rendering.reading import MIN_SAMPLES, PooledTextMetric, Reading, TextMetric
from evaluation.metrics.text_rendering.words import (
    PUBLISHED_LANGUAGES,
    base_language,
    count_shared,
    edit_distance,
    has_han,
    split_words,
    strip_marks,
)

SOURCE: Final = "OneIG-Bench (Chang et al. 2025), scripts/text/text_score.py"
# Edit distances are capped at this limit.
LIMIT: Final = 100.0
LIMIT_UNSPACED: Final = 50.0


class OneIgEditDistance(TextMetric):
    """Mean number of edits from the read to the expected text."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Edit distance (OneIG ED)",
        unit="edits",
        higher_is_better=False,
        lowest=0.0,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        return (edit_distance(*clean_both(reading)),)


class OneIgCompletionRate(TextMetric):
    """Share of images that need no edits."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Completion rate (OneIG CR)",
        unit="share",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        expected, read = clean_both(reading)
        return (float(expected == read),)


class OneIgWordAccuracy(PooledTextMetric):
    """Share of expected words that are read, over the whole run."""

    columns: ClassVar[tuple[str, ...]] = ("value", "matched", "words")
    declaration: ClassVar[Declaration] = Declaration(
        title="Word accuracy (OneIG WAC)",
        unit="share",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        matched, words = _match_words(reading, *clean_both(reading))
        return matched / words, matched, words


class OneIgText(TextMetric):
    """1 - min(M, ED) · (1 - CR) · (1 - WAC) / M, from ED, CR and WAC of the run. M is 100, or 50 without spaces.

    If a run has both kinds of texts, the value is the mean of their scores weighted by images. The published score is
    defined for a run only; for one image, the value is that of the formula, or 0 if no text is read.

    The score is made for long texts: with targets of 8 letters, a model that writes no text reaches 0.92.
    """

    columns: ClassVar[tuple[str, ...]] = ("value", "edits", "complete", "matched", "words", "limit")
    declaration: ClassVar[Declaration] = Declaration(
        title="Text score (OneIG)",
        unit="",
        higher_is_better=True,
        lowest=0.0,
        highest=1.0,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        expected, read = clean_both(reading)
        edits, (matched, words) = edit_distance(expected, read), _match_words(reading, expected, read)
        limit = LIMIT_UNSPACED if reading.unspaced else LIMIT
        row = (edits, float(edits == 0), matched, words, limit)
        return combine(np.array([row])) if reading.lines else 0.0, *row

    def aggregate(self, rows: Rows) -> float:
        limits, n = np.unique(rows[:, -1], return_counts=True)
        scores = [combine(rows[rows[:, -1] == limit, 1:]) for limit in limits]
        return float(np.average(scores, weights=n))


def combine(rows: Rows) -> float:
    """Text score of images with equal M, from rows (n, 5) of edits, complete, matched, words, M."""
    edits, complete, limit = rows[:, 0].mean(), rows[:, 1].mean(), rows[0, 4]
    accuracy = rows[:, 2].sum() / rows[:, 3].sum()
    return float(1.0 - min(limit, edits) * (1.0 - complete) * (1.0 - accuracy) / limit)


def clean_both(reading: Reading) -> tuple[str, str]:
    """Expected and read text, cleaned for comparison. Raises UnscoredError if no expected text is left."""
    expected, read = (_clean(" ".join(texts), reading) for texts in (reading.targets, reading.lines))
    if not expected:
        raise UnscoredError("the targets contain no letters or digits that this metric compares")
    return expected, read


def _clean(text: str, reading: Reading) -> str:
    text = strip_marks(text, reading.cleaning)
    return "".join(text.split()) if _is_unspaced(text, reading) else text


def _is_unspaced(text: str, reading: Reading) -> bool:
    # The benchmark decides per text, not per language.
    return has_han(text) if base_language(reading.cleaning) in PUBLISHED_LANGUAGES else reading.unspaced


def _match_words(reading: Reading, expected: str, read: str) -> tuple[int, int]:
    unspaced = _is_unspaced(expected, reading)
    words = split_words(expected, unspaced)
    return count_shared(words, split_words(read, unspaced)), len(words)
