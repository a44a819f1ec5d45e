"""AnyText metrics: sentence accuracy and normalized edit distance of lines.

Source: Tuo et al. 2024, "AnyText: Multilingual Visual Text Generation and Editing" (ICLR), ``eval/eval_dgocr.py``.

AnyText's prompts state the position of each line; here it is unknown. Each target is matched with the most similar run
of consecutive lines, joined, so that a sign set on two lines is one sentence. A line matches at most one target. Pairs
are matched greedily: the most similar first; at equal similarity the longer target first, with the fewest lines.

Case, accents and punctuation count, and so does white space except in languages without spaces. The published program
adds 1e-5 to the divisor; this one does not.
"""

from typing import ClassVar, Final

import numpy as np

from evaluation.metrics.base import Declaration
from evaluation.metrics.text_rendering.reading import MIN_SAMPLES, PooledTextMetric, Reading

SOURCE: Final = "AnyText (Tuo et al. 2024), eval/eval_dgocr.py; the position of a line is found, not given"


class SentenceAccuracy(PooledTextMetric):
    """Share of target lines that are read exactly, over all lines of all images."""

    columns: ClassVar[tuple[str, ...]] = ("value", "exact", "lines")
    declaration: ClassVar[Declaration] = Declaration(
        title="Sentence accuracy (AnyText)",
        unit="share",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        exact = sum(similarity == 1.0 for similarity in find_similarities(reading))
        return exact / len(reading.targets), exact, len(reading.targets)


class NormalizedEditDistance(PooledTextMetric):
    """Mean of 1 - d / max(length) over all target lines of all images; d is the edit distance to the matched text."""

    columns: ClassVar[tuple[str, ...]] = ("value", "similarity", "lines")
    declaration: ClassVar[Declaration] = Declaration(
        title="Normalized edit distance (AnyText: 1 is perfect)",
        unit="",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        total = sum(find_similarities(reading))
        return total / len(reading.targets), total, len(reading.targets)


def find_similarities(reading: Reading) -> list[float]:
    """Similarity 1 - d / max(length) of each target and its matched text; 0 for a target without a match."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    similarities = [0.0] * len(reading.targets)
    expected, lines = (
        [reading.separator.join(text.split()) for text in texts] for texts in (reading.targets, reading.lines)
    )
    lengths = np.array([len(target) for target in expected])
    runs = _find_runs(lines, reading, 2 * int(lengths.max()))
    table = cdist(expected, [text for _, _, text in runs], scorer=Levenshtein.normalized_similarity, dtype=np.float64)
    targets, places = np.nonzero(table)
    settled: set[int] = set()
    taken: set[int] = set()
    heights = np.array([stop - start for start, stop, _ in runs], dtype=int)
    for k in np.lexsort((places, targets, heights[places], -lengths[targets], -table[targets, places])):
        target, (start, stop, _) = int(targets[k]), runs[places[k]]
        if target not in settled and taken.isdisjoint(range(start, stop)):
            settled.add(target)
            taken.update(range(start, stop))
            similarities[target] = float(table[target, places[k]])
    return similarities


def _find_runs(lines: list[str], reading: Reading, most: int) -> list[tuple[int, int, str]]:
    """Runs (start, stop, text) of consecutive lines: single lines, and longer runs of at most ``most`` characters.

    A text more than twice as long as a target has a similarity below 0.5.
    """
    runs = []
    for start in range(len(lines)):
        for stop in range(start + 1, len(lines) + 1):
            text = reading.separator.join(lines[start:stop])
            if stop > start + 1 and len(text) > most:
                break
            runs.append((start, stop, text))
    return runs
