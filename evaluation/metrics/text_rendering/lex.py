"""LeX-Bench metrics: pairwise normalized edit distance (PNED) and recall.

Source: Zhao et al. 2025, "LeX-Art: Rethinking Text Generation via Scalable High-Quality Data Synthesis",
``evaluation/cal_pned_and_recall.py``. Targets and lines are lower-cased and split in every language, so a Chinese line
without spaces is one word. The distance of two words is d / max(length).

The published program splits at every single space: of two spaces in a row, or one at the end of a line, it makes an
empty word, which costs 1 if it has no partner. ``LexPned`` does the same. The other two split at white space.
"""

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.base import Declaration
from evaluation.metrics.text_rendering.reading import MIN_SAMPLES, Reading, TextMetric

SOURCE: Final = "LeX-Art (Zhao et al. 2025), evaluation/cal_pned_and_recall.py"
MAX_DISTANCE: Final = 0.3


class LexPned(TextMetric):
    """Minimum sum of distances over pairings of read and expected words, plus 1 for each unpaired word.

    0 is perfect. It grows with the number of words; an image without text has the number of expected words. Words are
    what single spaces separate, as published.
    """

    declaration: ClassVar[Declaration] = Declaration(
        title="Pairwise normalized edit distance (LeX PNED, as published)",
        unit="",
        higher_is_better=False,
        lowest=0.0,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def tidy(self, text: str) -> str:
        return text

    def compare(self, reading: Reading) -> tuple[float, ...]:
        return (_sum_distances(*(" ".join(texts).lower().split(" ") for texts in (reading.targets, reading.lines))),)


class LexPnedOfWords(TextMetric):
    """The same, of words that white space separates: further spaces cost nothing."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Pairwise normalized edit distance (LeX PNED, words)",
        unit="",
        higher_is_better=False,
        lowest=0.0,
        min_samples=MIN_SAMPLES,
        source=f"{SOURCE}; split at white space",
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        return (_sum_distances(*_split(reading)),)


class LexRecall(TextMetric):
    """Share of expected words that are matched with a read word at a distance of at most 0.3.

    Each expected word, in order, takes the first unused word within that distance, not the nearest.
    """

    declaration: ClassVar[Declaration] = Declaration(
        title="Word recall (LeX)",
        unit="share",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        near = _find_distances(*_split(reading)) <= MAX_DISTANCE
        found = 0
        for row in near:
            if row.any():
                near[:, row.argmax()] = False
                found += 1
        return (found / len(near),)


def _split(reading: Reading) -> tuple[list[str], list[str]]:
    """Expected and read words."""
    return " ".join(reading.targets).lower().split(), " ".join(reading.lines).lower().split()


def _sum_distances(expected: list[str], read: list[str]) -> float:
    from scipy.optimize import linear_sum_assignment

    distances = _find_distances(expected, read)
    return float(distances[linear_sum_assignment(distances)].sum()) + abs(len(expected) - len(read))


def _find_distances(expected: list[str], read: list[str]) -> NDArray[np.float64]:
    """Distances (expected words, read words)."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    return cdist(expected, read, scorer=Levenshtein.normalized_distance, dtype=np.float64)
