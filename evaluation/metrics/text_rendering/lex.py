"""LeX-Bench metrics: pairwise normalized edit distance (PNED) and recall.

Source: Zhao et al. 2025, "LeX-Art: Rethinking Text Generation via Scalable High-Quality Data Synthesis",
``evaluation/cal_pned_and_recall.py``. Targets and lines are lower-cased and split at white space in every language, so
a Chinese line without spaces is one word. The distance of two words is d / max(length).
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

    0 is perfect. It grows with the number of words; an image without text has the number of expected words.
    """

    declaration: ClassVar[Declaration] = Declaration(
        title="Pairwise normalized edit distance (LeX PNED)",
        unit="",
        higher_is_better=False,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        from scipy.optimize import linear_sum_assignment

        distances = _find_distances(reading)
        expected, read = distances.shape
        paired = distances[linear_sum_assignment(distances)].sum()
        return (float(paired) + abs(expected - read),)


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
        near = _find_distances(reading) <= MAX_DISTANCE
        found = 0
        for row in near:
            if row.any():
                near[:, row.argmax()] = False
                found += 1
        return (found / len(near),)


def _find_distances(reading: Reading) -> NDArray[np.float64]:
    """Distances (expected words, read words)."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    expected, read = (" ".join(texts).lower().split() for texts in (reading.targets, reading.lines))
    return cdist(expected, read, scorer=Levenshtein.normalized_distance, dtype=np.float64)
