"""Unwanted text metric: text in images whose prompts ask for none."""

from typing import Annotated, Any

from pydantic import Field

from evaluation.metrics.base import Declaration, Measurement, PromptInputs, SampleInputs, SampleMetric, UnscoredError
from evaluation.metrics.text_rendering.reading import READER, quote_texts
from evaluation.metrics.text_rendering.words import find_quoted, tidy_text


class UnwantedText(SampleMetric):
    """Share of images with text although the prompt has no target strings and quotes no words.

    A line counts if it has at least this ``confidence`` and this many ``letters`` or digits, as a fence or a twig can
    be read as "ll". Text that belongs to a scene (a newspaper, a shop front) counts too, so 0 % is not always best.
    """

    declaration = Declaration(
        title="Unwanted text",
        unit="share",
        higher_is_better=False,
        min_samples=20,
        source="Paragone: lines read by ocr in images without requested text",
    )

    confidence: Annotated[float, Field(ge=0.5, le=1)] = 0.8  # ocr returns no lines below 0.5
    letters: Annotated[int, Field(ge=1)] = 3

    def image_extractors(self) -> tuple[str, ...]:
        return (READER,)

    def applies_to(self, prompt: PromptInputs) -> bool:
        return not any(map(tidy_text, prompt.targets)) and not find_quoted(prompt.text)

    def measure(self, sample: SampleInputs) -> Measurement:
        if not self.applies_to(sample.prompt):
            raise UnscoredError("the prompt asks for text")
        found = tuple(tidy_text(line["text"]) for line in sample.look_up(READER)["lines"] if self._counts(line))
        return Measurement((float(bool(found)),), f"read {quote_texts(found)}" if found else "")

    def _counts(self, line: dict[str, Any]) -> bool:
        return line["confidence"] >= self.confidence and sum(map(str.isalnum, line["text"])) >= self.letters
