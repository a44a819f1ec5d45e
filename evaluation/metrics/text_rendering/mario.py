"""MARIO-Eval metrics: precision, recall, F-measure and accuracy of words.

Source: Chen et al. 2023, "TextDiffuser: Diffusion Models as Text Painters" (NeurIPS),
``textdiffuser/eval/ocr_eval.py``. Words are lower-cased and compared as multisets. Precision and recall are means over
images, and F is computed from these two means. An image is accurate if its sorted words, joined, agree: "for sale",
"forsale" and "sale for" are equal.

The expected words are those of the prompt's target strings or, with ``expected="quoted"``, those in quotation marks in
the prompt, as in the published program. In languages without spaces, characters are counted instead of words.
"""

from typing import ClassVar, Final, Literal

from evaluation.metrics.base import Declaration, PromptInputs, Rows, UnscoredError
from evaluation.metrics.text_rendering.reading import MIN_SAMPLES, Reading, TextMetric
from evaluation.metrics.text_rendering.words import count_shared, find_quoted, split_words, tidy_text

SOURCE: Final = "TextDiffuser (Chen et al. 2023), textdiffuser/eval/ocr_eval.py"


class _MarioMetric(TextMetric):
    expected: Literal["targets", "quoted"] = "targets"

    def targets(self, prompt: PromptInputs) -> tuple[str, ...]:
        if self.expected == "targets":
            return super().targets(prompt)
        if found := tuple(tidied for text in find_quoted(prompt.text) if (tidied := tidy_text(text))):
            return found
        raise UnscoredError("the prompt has no text in quotation marks")


class MarioPrecision(_MarioMetric):
    """Share of read words that were expected; 0 if no word is read."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Word precision (MARIO)",
        unit="share",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        return precision_and_recall(reading)[:1]


class MarioRecall(_MarioMetric):
    """Share of expected words that are read."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Word recall (MARIO)",
        unit="share",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        return precision_and_recall(reading)[1:]


class MarioF(_MarioMetric):
    """Harmonic mean of the mean precision and the mean recall."""

    columns: ClassVar[tuple[str, ...]] = ("value", "precision", "recall")
    declaration: ClassVar[Declaration] = Declaration(
        title="Word F-measure (MARIO: from mean precision and recall)",
        unit="share",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        precision, recall = precision_and_recall(reading)
        return _harmonic_mean(precision, recall), precision, recall

    def aggregate(self, rows: Rows) -> float:
        return _harmonic_mean(float(rows[:, 1].mean()), float(rows[:, 2].mean()))


class MarioAccuracy(_MarioMetric):
    """Share of images whose words are the expected words."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Word accuracy of images (MARIO)",
        unit="share",
        higher_is_better=True,
        min_samples=MIN_SAMPLES,
        source=SOURCE,
    )

    def compare(self, reading: Reading) -> tuple[float, ...]:
        expected, read = _words(reading)
        return (float("".join(sorted(expected)) == "".join(sorted(read))),)


def precision_and_recall(reading: Reading) -> tuple[float, float]:
    """Precision and recall of the words in one image."""
    expected, read = _words(reading)
    shared = count_shared(expected, read)
    return shared / len(read) if read else 0.0, shared / len(expected)


def _words(reading: Reading) -> tuple[list[str], list[str]]:
    return split_words(reading.expected.lower(), reading.unspaced), split_words(reading.read.lower(), reading.unspaced)


def _harmonic_mean(a: float, b: float) -> float:
    return 2.0 * a * b / (a + b) if a + b > 0 else 0.0
