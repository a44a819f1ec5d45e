"""Pixel statistics extractor: sharpness, colourfulness, clipped exposure and PIQE, without a network."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.base import Extracted, ExtractionError, Identity, MissingWeightsError
from evaluation.extractors.images.decoding import Pixels, decode_shown
from evaluation.extractors.images.piqe import compute_piqe
from evaluation.extractors.images.rows import measure_spread, resize_floats, split_rows
from evaluation.extractors.networks.running import expect_packages
from evaluation.extractors.weights import find_digest, find_weights
from generators.images.srgb import SHOWN

SIDE: Final = 512  # shorter side at which sharpness is measured, as it depends on the scale
MAX_ASPECT_RATIO: Final = 100  # a longer image, enlarged to SIDE, would fill the memory
LUMA: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601


class PixelQuality:
    """Record: ``{"sharpness", "colorfulness", "clipped", "piqe", "piqe_error"}``.

    - ``sharpness``, ``colorfulness``, ``clipped``, ``piqe``: the value of the function ``measure_NAME`` below.
    - ``piqe_error``: None, or the reason why ``piqe`` is None: the package pypiqe is not installed, or no part of the
      image has detail (for which the definition would give the worst value, 100).
    """

    batch_size = 4

    def __init__(self, variant: str, weights: Path) -> None:
        if variant:
            raise ValueError(f"The extractor 'pixels' has no variants: write 'pixels', not 'pixels/{variant}'.")
        self._piqe, self._piqe_error = _find_piqe(weights)

    @cached_property
    def identity(self) -> Identity:
        return {
            "extractor": "pixels",
            "version": 2,
            "decoding": SHOWN,
            "sharpness": f"variance of the 4-neighbour Laplacian of luma, shorter side {SIDE} by bicubic",
            "piqe": find_digest(self._piqe) if self._piqe else "none",
        }

    def prepare(self, source: Any) -> Pixels:
        return decode_shown(source)

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return [self._measure(image) for image in prepared]

    def _measure(self, image: Pixels) -> Extracted | ExtractionError:
        height, width = image.shape[:2]
        if max(height, width) > MAX_ASPECT_RATIO * min(height, width):
            return ExtractionError(
                f"The image has {width} × {height} pixels: its aspect ratio is above {MAX_ASPECT_RATIO}:1."
            )
        piqe, error = (None, self._piqe_error) if self._piqe_error else measure_piqe(image)
        return {
            "sharpness": measure_sharpness(image),
            "colorfulness": measure_colorfulness(image),
            "clipped": measure_clipped(image),
            "piqe": piqe,
            "piqe_error": error,
        }


def measure_luma(image: Pixels) -> NDArray[np.float32]:
    """Luma (H, W), 0 to 255, of encoded sRGB pixels (H, W, 3)."""
    luma: NDArray[np.float32] = image.astype(np.float32) @ np.array(LUMA, dtype=np.float32)
    return luma


def measure_sharpness(image: Pixels) -> float:
    """Variance of the Laplacian of luma, at a shorter side of 512 (Pech-Pacheco et al. 2000, section 2).

    The kernel is [[0, 1, 0], [1, -4, 1], [0, 1, 0]], applied to pixels with four neighbours.
    """
    height, width = image.shape[:2]
    scale = SIDE / min(height, width)
    size = (max(3, round(width * scale)), max(3, round(height * scale)))
    luma = resize_floats(image, measure_luma, size, Image.Resampling.BICUBIC)
    return measure_spread(map(_filter_laplacian, split_rows(luma, margin=2)))[1]


def _filter_laplacian(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    luma = rows.astype(np.float64)
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    filtered: NDArray[np.float64] = around - 4.0 * luma[1:-1, 1:-1]
    return filtered


def measure_colorfulness(image: Pixels) -> float:
    """√(σ²_rg + σ²_yb) + 0.3 √(μ²_rg + μ²_yb), with rg = R - G and yb = (R + G) / 2 - B of sRGB 0 to 255.

    Source: Hasler & Süsstrunk 2003, metric M3.
    """
    (rg, rg_variance), (yb, yb_variance) = (
        measure_spread(_oppose(block.astype(np.float64))[axis] for block in split_rows(image)) for axis in (0, 1)
    )
    return float(np.hypot(np.sqrt(rg_variance), np.sqrt(yb_variance)) + 0.3 * np.hypot(rg, yb))


def _oppose(pixels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The opponent colours rg and yb."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return red - green, (red + green) / 2.0 - blue


def measure_clipped(image: Pixels) -> float:
    """Share of pixels whose three channels are all 0 or all 255."""
    blocks = split_rows(image)
    n_clipped = sum(int(((block.max(axis=-1) == 0) | (block.min(axis=-1) == 255)).sum()) for block in blocks)
    return n_clipped / int(np.prod(image.shape[:2]))


def measure_piqe(image: Pixels) -> tuple[float | None, str | None]:
    """PIQE of luma at full size by pypiqe, 0 (best) to 100 (Venkatanath et al. 2015); or None and the reason."""
    gray = np.concatenate([np.rint(measure_luma(block)).astype(np.uint8) for block in split_rows(image)])
    if gray.min() == gray.max():
        return None, "PIQE is undefined for an image of uniform brightness"
    score = compute_piqe(gray)
    return score, None if score is not None else "PIQE is undefined for an image without detail"


def _find_piqe(weights: Path) -> tuple[Path | None, str | None]:
    """The file of pypiqe, or the reason why it is missing. The other values do not need it."""
    try:
        expect_packages("cv2")
        return find_weights("pypiqe", weights), None
    except MissingWeightsError as error:
        return None, str(error)
