"""Near-duplicate rate: nearly equal images for different prompts."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from evaluation.metrics.base import Declaration, Measurement, SampleInputs, SampleMetric, UnscoredError
from generators.images.near_duplicates import MAX_DISTANCE, repetition_rates
from generators.images.srgb import SHOWN

NO_OTHER_PROMPT = "there is no image of another prompt"


class NearDuplicateRate(SampleMetric):
    """Share of images whose perceptual hash differs in at most ``max_distance`` of 64 bits from one of another prompt.

    Similar images of one prompt do not count; ``prompt-similarity`` and ``prompt-vendi`` measure those.
    """

    max_distance: int = Field(default=MAX_DISTANCE, ge=0, le=64)

    declaration: ClassVar[Declaration] = Declaration(
        title="Near-duplicates of other prompts",
        unit="share",
        higher_is_better=False,
        min_samples=10,
        source="Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions (pHash)",
    )

    def replay_inputs(self) -> dict[str, Any]:
        return {"hash": f"pHash, {SHOWN}"}

    def measure(self, sample: SampleInputs) -> Measurement:
        """Raises UnscoredError: a single sample cannot be a near-duplicate."""
        raise _find_error(sample) or UnscoredError(NO_OTHER_PROMPT)

    def measure_all(self, samples: Sequence[SampleInputs]) -> list[Measurement | UnscoredError]:
        errors = [_find_error(sample) for sample in samples]
        measured = iter(self._compare([sample for sample, error in zip(samples, errors, strict=True) if not error]))
        return [error or next(measured) for error in errors]

    def _compare(self, samples: Sequence[SampleInputs]) -> list[Measurement | UnscoredError]:
        prompts = [sample.prompt.key for sample in samples]
        if len(set(prompts)) < 2:
            return [UnscoredError(NO_OTHER_PROMPT)] * len(samples)
        found: list[Measurement | UnscoredError] = [Measurement((0.0,))] * len(samples)
        hashes = [sample.phash for sample in samples]
        for pair in repetition_rates(hashes, prompts, max_distance=self.max_distance).other_prompts.pairs:
            seen = samples[pair.seen]
            note = f"{pair.distance} of 64 bits from prompt {seen.prompt.key}, seed {seen.seed}"
            found[pair.index] = Measurement((1.0,), note)
        return found


def _find_error(sample: SampleInputs) -> UnscoredError | None:
    try:
        sample.expect_image()
    except UnscoredError as reason:
        return reason
    if not re.fullmatch("[0-9a-f]{16}", sample.phash):
        return UnscoredError(f"a perceptual hash has 16 hex digits, got {sample.phash!r}")
    return None
