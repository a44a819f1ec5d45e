"""Suite of grey squares, with an extractor and metrics whose calls tests can count and break."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from evaluation.extractors.base import Extracted, ExtractionError, Identity, MissingWeightsError, UnreadableInputError
from evaluation.extractors.registry import EXTRACTORS
from evaluation.metrics.base import (
    Declaration,
    Measurement,
    Metric,
    SampleInputs,
    SampleMetric,
    SetMetric,
    UnscoredError,
)
from evaluation.metrics.registry import METRICS
from evaluation.suites.suite import Suite, load_suite
from generators.adapters.base import GeneratedImage
from generators.images.decoding import UnusableImageError, decode_image
from tests.fake_adapters import Script, paint

DECLARED = {"unit": "", "higher_is_better": True, "min_samples": 2, "source": "written for these tests"}


class Shade:
    """The mean of an image's pixels. ``n_extracted`` counts images."""

    batch_size = 2
    n_extracted: ClassVar[int] = 0
    version: ClassVar[str] = "1"
    missing: ClassVar[str] = ""
    dies_after: ClassVar[int | None] = None
    death: ClassVar[BaseException] = SystemExit("this worker dies")

    def __init__(self, variant: str, weights: Path) -> None:
        if Shade.missing:
            raise MissingWeightsError(Shade.missing)

    @property
    def identity(self) -> Identity:
        return {"name": "shade", "version": Shade.version}

    def prepare(self, source: bytes) -> Any:
        try:
            return np.asarray(decode_image(source).convert("L"), dtype=np.float64)
        except UnusableImageError as error:
            raise UnreadableInputError(str(error)) from error

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        if Shade.dies_after is not None and Shade.n_extracted >= Shade.dies_after:
            raise Shade.death
        Shade.n_extracted += len(prepared)
        return [np.array([image.mean()], dtype=np.float32) for image in prepared]


class MeanShade(SampleMetric):
    declaration = Declaration(title="Mean shade", **DECLARED)

    def image_extractors(self) -> tuple[str, ...]:
        return ("shade",)

    def measure(self, sample: SampleInputs) -> Measurement:
        return Measurement((float(sample.look_up("shade")[0]),), f"seed {sample.seed}")


class Total:
    def __init__(self, values: Iterable[float]) -> None:
        self.values = sorted(values)

    def __add__(self, other: "Total") -> "Total":
        return Total([*self.values, *other.values])


class Spread(SetMetric):
    declaration = Declaration(title="Spread of shades", **DECLARED)

    def image_extractors(self) -> tuple[str, ...]:
        return ("shade",)

    def check(self, sample: SampleInputs) -> None:
        sample.look_up("shade")

    def summarize(self, samples: Iterable[SampleInputs]) -> Total:
        return Total(float(sample.look_up("shade")[0]) for sample in samples)

    def compute(self, statistic: Total, reference: Any = None) -> float:
        if len(statistic.values) < 2:
            raise UnscoredError("one image has no spread")
        return statistic.values[-1] - statistic.values[0]


class Broken(SampleMetric):
    """A metric whose aggregate raises an unexpected error."""

    declaration = Declaration(title="Broken", **DECLARED)

    def measure(self, sample: SampleInputs) -> Measurement:
        return Measurement((1.0,))

    def aggregate(self, rows: Any) -> float:
        raise ZeroDivisionError("this metric is broken")


NAMES: dict[str, type[Metric]] = {"mean-shade": MeanShade, "spread": Spread, "broken": Broken}


@pytest.fixture
def shades(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    """Registers the extractor and the metrics. The adapter "scripted" draws squares, grey by seed."""
    monkeypatch.setitem(EXTRACTORS, "shade", f"{__name__}.Shade")
    for name, metric in NAMES.items():
        monkeypatch.setitem(METRICS, name, f"{__name__}.{metric.__name__}")
    for name, value in (
        ("n_extracted", 0),
        ("version", "1"),
        ("missing", ""),
        ("dies_after", None),
        ("death", Shade.death),
    ):
        monkeypatch.setattr(Shade, name, value)
    script(lambda request: GeneratedImage(paint(10 * request.seed + len(request.prompt)), "image/png"))


def write_suite(
    folder: Path, *, metrics: Sequence[str] = ("mean-shade", "spread"), first: str = "", more: str = "", n: int = 4
) -> Suite:
    """A suite file with ``n`` prompts, two samples each; ``first`` and ``more`` are lines of TOML."""
    prompts = "\n".join(f'[[prompts]]\nkey = "p{i}"\ntext = "{"x" * (i + 1)}"\ncategory = "c{i % 2}"' for i in range(n))
    (folder / "pack.toml").write_text(f'slug = "shades"\nversion = "{n}"\ntitle = "Shades"\n{prompts}\n')
    listed = "\n".join(f'[[metrics]]\nmetric = "{name}"' for name in metrics)
    (folder / "suite.toml").write_text(
        f'name = "shades"\nversion = "1"\ntitle = "Shades"\nprompt_files = ["pack.toml"]\n{first}\n'
        f"samples_per_prompt = 2\nwidth = 64\nheight = 64\n{listed}\n{more}\n"
    )
    return load_suite(folder / "suite.toml")
