"""Pairwise normalized edit distance and recall, as LeX-Bench measures them.

Zhao et al. 2025, "LeX-Art: Rethinking Text Generation via Scalable High-Quality Data Synthesis", as its program
``evaluation/cal_pned_and_recall.py`` has it. Targets and lines are lower-cased and split at white space into pieces, in
every language: a Chinese line without spaces is one piece. The distance of two pieces is d / max(length).
"""

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.base import Declaration
from evaluation.metrics.text_rendering.reading import MIN_SAMPLES, Reading, TextMetric

SOURCE: Final = "LeX-Art (Zhao et al. 2025), evaluation/cal_pned_and_recall.py"
NEAR: Final = 0.3


class LexPned(TextMetric):
    """The least sum of distances when each piece read is paired with a wanted one, plus 1 for each left alone.

    It grows with the number of pieces: 0 is perfect, and as many as the wanted pieces is an image without text.
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
        wanted, read = distances.shape
        paired = distances[linear_sum_assignment(distances)].sum()
        return (float(paired) + abs(wanted - read),)


class LexRecall(TextMetric):
    """Share of wanted pieces that find a piece at a distance of 0.3 or less that no earlier one took.

    Each wanted piece, in order, takes the first that is near enough, not the nearest.
    """

    declaration: ClassVar[Declaration] = Declaration(
        title="Word recall (LeX)",
        unit="share",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        near = _find_distances(reading) <= NEAR
        found = 0
        for row in near:
            if row.any():
                near[:, row.argmax()] = False
                found += 1
        return (found / len(near),)


def _find_distances(reading: Reading) -> NDArray[np.float64]:
    """(wanted pieces, read pieces)."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    wanted, read = (" ".join(texts).lower().split() for texts in (reading.targets, reading.lines))
    return cdist(wanted, read, scorer=Levenshtein.normalized_distance, dtype=np.float64)
