"""LongText-Bench metric: word recall in long texts.

Source: Geng et al. 2025, "X-Omni: Reinforcement Learning Makes Discrete Autoregressive Image Generative Models Great
Again", ``textbench/summary_scores.py``. Texts are cleaned as in OneIG-Bench and lower-cased. In languages without
spaces, characters are counted and case is kept.
"""

from typing import ClassVar

from evaluation.metrics.base import Declaration, UnscoredError
from evaluation.metrics.text_rendering.reading import MIN_SAMPLES, PooledTextMetric, Reading
from evaluation.metrics.text_rendering.words import count_shared, split_words, strip_marks


class LongTextRecall(PooledTextMetric):
    """Share of expected words that are read, over the whole run, as multisets."""

    columns: ClassVar[tuple[str, ...]] = ("value", "matched", "words")
    declaration: ClassVar[Declaration] = Declaration(
        title="Word recall (LongText-Bench)",
        unit="share",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source="X-Omni (Geng et al. 2025), textbench/summary_scores.py",
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        expected, read = (_split(" ".join(texts), reading) for texts in (reading.targets, reading.lines))
        if not expected:
            raise UnscoredError("the targets contain no letters or digits that this metric compares")
        matched = count_shared(expected, read)
        return matched / len(expected), matched, len(expected)


def _split(text: str, reading: Reading) -> list[str]:
    text = strip_marks(text, reading.cleaning)
    return split_words(text if reading.unspaced else text.lower(), reading.unspaced)
