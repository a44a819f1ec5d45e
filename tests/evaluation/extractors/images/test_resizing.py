"""Resizing methods, compared with Pillow, torch's interpolate, and TensorFlow 1 by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.images.resizing import RESIZES, resize
from tests.evaluation.extractors.images.encoded_images import make_noise

SIZES = [(97, 64), (299, 299), (30, 500), (1, 1), (333, 120)]


def interpolate(
    pixels: NDArray[np.uint8], size: int, *, antialias: bool, mode: str = "bilinear"
) -> NDArray[np.float32]:
    import torch

    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    resized = torch.nn.functional.interpolate(batch, (size, size), mode=mode, align_corners=False, antialias=antialias)
    return np.asarray(resized[0].numpy())


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_clean_equals_pillows_bicubic_in_floats(shape: tuple[int, int]) -> None:
    pixels = make_noise(*shape)
    found = resize("clean", pixels, 299)
    for k in range(3):
        channel = Image.fromarray(pixels[:, :, k].astype(np.float32)).resize((299, 299), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(found[k], np.asarray(channel).clip(0, 255))
    assert np.abs(found - interpolate(pixels, 299, antialias=True, mode="bicubic").clip(0, 255)).max() < 0.01


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_legacy_pytorch_and_torchmetrics_equal_torchs_bilinear(shape: tuple[int, int]) -> None:
    pixels = make_noise(*shape)
    assert np.abs(resize("legacy-pytorch", pixels, 299) - interpolate(pixels, 299, antialias=False)).max() < 0.01
    assert np.abs(resize("torchmetrics", pixels, 299) - interpolate(pixels, 299, antialias=True)).max() < 0.01


def test_legacy_tensorflow_aligns_pixel_corners() -> None:
    row = np.array([0, 10, 40, 90], dtype=np.uint8)
    pixels = np.broadcast_to(row[None, :, None], (4, 4, 3)).copy()
    # Positions are 0, 4/3 and 8/3 of 4 pixels: 10 + 30/3 and 40 + 50 · 2/3; the last pixel is not reached.
    np.testing.assert_allclose(resize("legacy-tensorflow", pixels, 3)[0, 0], [0, 20, 220 / 3], rtol=1e-6)
    # Enlarged by 2: means in between, and the last pixel repeated.
    np.testing.assert_allclose(resize("legacy-tensorflow", pixels, 8)[1, 5], [0, 5, 10, 25, 40, 65, 90, 90], rtol=1e-6)


@pytest.mark.parametrize("name", RESIZES)
def test_an_image_of_the_right_size_is_unchanged(name: str) -> None:
    pixels = make_noise(50, 50)
    found = resize(name, pixels, 50)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1).astype(np.float32))


@pytest.mark.parametrize("name", RESIZES)
def test_uniform_images_stay_uniform_and_edges_stay_in_range(name: str) -> None:
    flat = np.full((61, 17, 3), 200, dtype=np.uint8)
    np.testing.assert_allclose(resize(name, flat, 40), 200, atol=1e-3)
    edge = np.zeros((64, 64, 3), dtype=np.uint8)
    edge[:, 32:] = 255
    found = resize(name, edge, 40)
    assert 0 <= found.min() <= found.max() <= 255
