"""Extractor that waits in the middle of a run until a test releases it, and its metric."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.extractors.base import Extracted, ExtractionError, Identity
from evaluation.metrics.base import Measurement, SampleInputs
from tests.evaluation.shades import MeanShade, Shade
from tests.latch import Latch

FREE_BATCHES = 2


class HeldShade(Shade):
    """``variant`` is the folder of the latch. Logs every batch there, and waits before the third."""

    def __init__(self, variant: str, weights: Path) -> None:
        self.latch = Latch(Path(variant))
        self.batches = 0

    @property
    def identity(self) -> Identity:
        return {"name": "held"}

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        if self.batches >= FREE_BATCHES:
            self.latch.wait()
        self.batches += 1
        with (self.latch.folder / "extracted").open("a") as log:
            log.write("x" * len(prepared))
        return super().extract(prepared)


class HeldMean(MeanShade):
    folder: str

    def image_extractors(self) -> tuple[str, ...]:
        return (f"held/{self.folder}",)

    def measure(self, sample: SampleInputs) -> Measurement:
        return Measurement((float(sample.look_up(f"held/{self.folder}")[0]),))
