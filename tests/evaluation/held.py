"""Extractor that waits in the middle of a run until a test releases it, with its metric and a run of both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evaluation.extractors.base import Extracted, ExtractionError, Identity
from evaluation.extractors.registry import EXTRACTORS
from evaluation.metrics.base import Measurement, SampleInputs
from evaluation.metrics.registry import METRICS
from evaluation.models import Run
from evaluation.runs import lifecycle
from tests import builders
from tests.evaluation.shades import MeanShade, Shade, write_suite
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


def start_held_run(folder: Path, latch: Latch, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A new run of a suite with this metric. This process learns of the metric here, workers in ``worker_app``."""
    monkeypatch.setitem(EXTRACTORS, "held", "tests.evaluation.held.HeldShade")
    monkeypatch.setitem(METRICS, "held-shade", "tests.evaluation.held.HeldMean")
    metric = f'[[metrics]]\nmetric = "held-shade"\nfolder = "{latch.folder}"\n'
    return lifecycle.start(write_suite(folder, metrics=[], more=metric), builders.make_model(adapter="scripted"))
