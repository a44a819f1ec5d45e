"""Image quality metrics without a reference or network: PIQE, sharpness, colourfulness, clipped exposure."""

from typing import ClassVar

from evaluation.metrics.base import Declaration, Measurement, SampleInputs, SampleMetric, UnscoredError


class _PixelMetric(SampleMetric):
    """A value of the record by the extractor ``pixels``."""

    key: ClassVar[str]

    def image_extractors(self) -> tuple[str, ...]:
        return ("pixels",)

    def measure(self, sample: SampleInputs) -> Measurement:
        record = sample.look_up("pixels")
        if record[self.key] is None:
            raise UnscoredError(str(record[f"{self.key}_error"]))
        return Measurement((float(record[self.key]),))


class Piqe(_PixelMetric):
    """Blockiness, noise and blur in visually salient blocks: 0 is best, 100 worst."""

    declaration = Declaration(
        title="PIQE",
        unit="",
        higher_is_better=False,
        lowest=0.0,
        highest=100.0,
        min_samples=20,
        source="Venkatanath et al. 2015, Blind image quality evaluation using perception based features (NCC)",
    )
    key: ClassVar[str] = "piqe"


class Sharpness(_PixelMetric):
    """Variance of the Laplacian of luma (0 to 255), at a shorter side of 512 pixels.

    Noise and halos increase it as detail does, so a higher value is not always better.
    """

    declaration = Declaration(
        title="Sharpness",
        unit="",
        higher_is_better=None,
        lowest=0.0,
        min_samples=20,
        source="Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield microscopy (ICPR)",
    )
    key: ClassVar[str] = "sharpness"


class Colorfulness(_PixelMetric):
    """Spread and mean of the opponent colours: 0 is grey, above 80 is very colourful."""

    declaration = Declaration(
        title="Colourfulness",
        unit="",
        higher_is_better=None,
        lowest=0.0,
        min_samples=20,
        source="Hasler & Süsstrunk 2003, Measuring colourfulness in natural images (SPIE 5007), the metric M3",
    )
    key: ClassVar[str] = "colorfulness"


class ClippedExposure(_PixelMetric):
    """Share of pixels whose three channels are all 0 or all 255, and so have lost detail."""

    declaration = Declaration(
        title="Clipped exposure",
        unit="share",
        higher_is_better=False,
        min_samples=20,
        source="Paragone: pixels with all channels at 0 or at 255",
    )
    key: ClassVar[str] = "clipped"
