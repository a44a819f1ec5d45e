"""Does the model draw nearly the same image for different prompts?"""

import re
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from evaluation.metrics.base import Declaration, Measurement, SampleInputs, SampleMetric, UnscoredError
from generators.images.near_duplicates import MAX_DISTANCE, repetition_rates

LONELY = "there is no image of another prompt to compare with"


class NearDuplicateRate(SampleMetric):
    """1 for a sample whose perceptual hash differs in at most ``max_distance`` of 64 bits from one of another prompt.

    Near images of one prompt are not counted here: how alike those are, ``prompt-similarity`` and ``prompt-vendi`` say.
    """

    max_distance: int = Field(default=MAX_DISTANCE, ge=0, le=64)

    declaration: ClassVar[Declaration] = Declaration(
        title="Near-duplicates of other prompts",
        unit="share",
        higher_is_better=False,
        min_samples=10,
        source="Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions (pHash)",
    )

    def measure(self, sample: SampleInputs) -> Measurement:
        """Raises UnscoredError: one alone has nothing to be near to."""
        raise _find_fault(sample) or UnscoredError(LONELY)

    def measure_all(self, samples: Sequence[SampleInputs]) -> list[Measurement | UnscoredError]:
        faults = [_find_fault(sample) for sample in samples]
        measured = iter(self._compare([sample for sample, fault in zip(samples, faults, strict=True) if not fault]))
        return [fault or next(measured) for fault in faults]

    def _compare(self, samples: Sequence[SampleInputs]) -> list[Measurement | UnscoredError]:
        prompts = [sample.prompt.key for sample in samples]
        if len(set(prompts)) < 2:
            return [UnscoredError(LONELY)] * len(samples)
        found: list[Measurement | UnscoredError] = [Measurement((0.0,))] * len(samples)
        hashes = [sample.phash for sample in samples]
        for pair in repetition_rates(hashes, prompts, max_distance=self.max_distance).other_prompts.pairs:
            seen = samples[pair.seen]
            note = f"{pair.distance} of 64 bits from prompt {seen.prompt.key}, seed {seen.seed}"
            found[pair.index] = Measurement((1.0,), note)
        return found


def _find_fault(sample: SampleInputs) -> UnscoredError | None:
    try:
        sample.expect_image()
    except UnscoredError as reason:
        return reason
    if not re.fullmatch("[0-9a-f]{16}", sample.phash):
        return UnscoredError(f"a perceptual hash has 16 hex digits, got {sample.phash!r}")
    return None
