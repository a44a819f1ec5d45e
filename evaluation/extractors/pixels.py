"""What plain arithmetic on its pixels says of an image: sharpness, colourfulness, exposure, and PIQE."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.base import Extracted, ExtractionError, Identity, MissingWeightsError
from evaluation.extractors.images.decoding import DECODING, Pixels, decode_rgb
from evaluation.extractors.networks.running import expect_packages
from evaluation.extractors.weights import find_digest, find_weights

SIDE: Final = 512  # sharpness is measured at this shorter side: it depends on the scale
LONGEST: Final = 100  # times its shorter side: enlarged to SIDE, a line of pixels would fill the memory
LUMA: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601


class PixelQuality:
    """``{"sharpness", "colorfulness", "clipped", "brightness", "piqe", "piqe_fault"}``.

    See the functions below. ``piqe`` is None where ``piqe_fault`` says why: the package pypiqe is not installed, or no
    part of the image has detail to look at, where the definition would give its worst value, 100.
    """

    batch_size = 4

    def __init__(self, variant: str, weights: Path) -> None:
        if variant:
            raise ValueError(f"The extractor 'pixels' has no variants: write 'pixels', not 'pixels/{variant}'.")
        self._piqe, self._piqe_fault = _find_piqe(weights)

    @cached_property
    def identity(self) -> Identity:
        return {
            "extractor": "pixels",
            "version": 1,
            "decoding": DECODING,
            "sharpness": f"variance of the 4-neighbour Laplacian of luma, shorter side {SIDE} by bicubic",
            "piqe": find_digest(self._piqe) if self._piqe else "none",
        }

    def prepare(self, source: Any) -> Pixels:
        return decode_rgb(source)

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return [self._look(image) for image in prepared]

    def _look(self, image: Pixels) -> Extracted | ExtractionError:
        height, width = image.shape[:2]
        if max(height, width) > LONGEST * min(height, width):
            return ExtractionError(f"The image has {width} × {height} pixels: too long to be measured.")
        piqe, fault = (None, self._piqe_fault) if self._piqe_fault else measure_piqe(image)
        return {
            "sharpness": measure_sharpness(image),
            "colorfulness": measure_colorfulness(image),
            "clipped": measure_clipped(image),
            "brightness": float(measure_luma(image).mean() / 255.0),
            "piqe": piqe,
            "piqe_fault": fault,
        }


def measure_luma(image: Pixels) -> NDArray[np.float32]:
    """(H, W), 0..255, of (H, W, 3) as it is encoded."""
    luma: NDArray[np.float32] = image.astype(np.float32) @ np.array(LUMA, dtype=np.float32)
    return luma


def measure_sharpness(image: Pixels) -> float:
    """Variance of the Laplacian of luma, shorter side 512 (Pech-Pacheco et al. 2000, section 2).

    The kernel is [[0, 1, 0], [1, -4, 1], [0, 1, 0]], over the pixels that have all four neighbours.
    """
    height, width = image.shape[:2]
    scale = SIDE / min(height, width)
    size = (max(3, round(width * scale)), max(3, round(height * scale)))
    luma = np.asarray(Image.fromarray(measure_luma(image)).resize(size, Image.Resampling.BICUBIC), dtype=np.float64)
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float(np.var(around - 4.0 * luma[1:-1, 1:-1]))


def measure_colorfulness(image: Pixels) -> float:
    """√(σ²_rg + σ²_yb) + 0.3 √(μ²_rg + μ²_yb), with rg = R - G and yb = (R + G) / 2 - B of sRGB 0..255.

    Hasler & Süsstrunk 2003, the metric M3.
    """
    red, green, blue = image.astype(np.float64).reshape(-1, 3).T
    rg, yb = red - green, (red + green) / 2.0 - blue
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def measure_clipped(image: Pixels) -> float:
    """Share of pixels with all three channels at 0, or all at 255."""
    return float(((image.max(axis=-1) == 0) | (image.min(axis=-1) == 255)).mean())


def measure_piqe(image: Pixels) -> tuple[float | None, str | None]:
    """PIQE by pypiqe, of luma at full size, 0 (best) to 100; or None, and why (Venkatanath et al. 2015)."""
    gray = np.rint(measure_luma(image)).astype(np.uint8)
    if gray.min() == gray.max():
        return None, "PIQE says nothing of an image of one brightness"
    from pypiqe import piqe

    # Blocks of equal pixels divide nothing by nothing in there, which it sets right itself.
    with np.errstate(all="ignore"):
        score, _, _, active = piqe(gray)
    if not active.any():
        return None, "PIQE says nothing of an image without detail"
    return float(score), None


def _find_piqe(weights: Path) -> tuple[Path | None, str | None]:
    """The program, or why there is none. What else there is to say of an image does not need it."""
    try:
        expect_packages("cv2")
        return find_weights("pypiqe", weights), None
    except MissingWeightsError as fault:
        return None, str(fault)
