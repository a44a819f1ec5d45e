"""Resizing methods by name.

Fréchet distances with different resizing methods are not comparable: see Parmar, Zhang & Zhu 2022, "On aliased resizing
and surprising subtleties in GAN evaluation".
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.images.rows import resize_floats

Pixels = NDArray[np.uint8]
Planes = NDArray[np.float32]


def resize(name: str, pixels: Pixels, size: int) -> Planes:
    """Stretch pixels (height, width, 3) to a square (3, size, size), float32 from 0 to 255, not rounded.

    clean              bicubic, antialiased (clean-fid)
    torchmetrics       bilinear, antialiased
    legacy-pytorch     bilinear, pixel centres aligned, not antialiased (pytorch-fid)
    legacy-tensorflow  bilinear, pixel corners aligned, not antialiased (TensorFlow 1, torch-fidelity)
    """
    return RESIZES[name](pixels, size)


def _resize_clean(pixels: Pixels, size: int) -> Planes:
    # The bicubic filter overshoots at edges.
    return _resize_antialiased(pixels, size, Image.Resampling.BICUBIC).clip(0.0, 255.0)


def _resize_triangle(pixels: Pixels, size: int) -> Planes:
    return _resize_antialiased(pixels, size, Image.Resampling.BILINEAR)


def _resize_antialiased(pixels: Pixels, size: int, filtering: Image.Resampling) -> Planes:
    channels = [partial(_read_channel, channel=channel) for channel in range(3)]
    return np.stack([resize_floats(pixels, read, (size, size), filtering) for read in channels])


def _read_channel(pixels: Pixels, channel: int) -> NDArray[np.float32]:
    return pixels[:, :, channel].astype(np.float32)


def _resize_pytorch(pixels: Pixels, size: int) -> Planes:
    return _interpolate(pixels, size, 0.5)


def _resize_tensorflow(pixels: Pixels, size: int) -> Planes:
    return _interpolate(pixels, size, 0.0)


def _interpolate(pixels: Pixels, size: int, center: float) -> Planes:
    """Bilinear interpolation, where pixel i lies at i + ``center``."""
    (top, bottom, down), (left, right, across) = (_neighbours(n, size, center) for n in pixels.shape[:2])
    # Only the pixels that count become floating-point numbers.
    corners = [[pixels[np.ix_(row, column)].astype(np.float32) for column in (left, right)] for row in (top, bottom)]
    upper, lower = (start + (end - start) * across[:, None] for start, end in corners)
    return np.ascontiguousarray((upper + (lower - upper) * down[:, None, None]).transpose(2, 0, 1))


def _neighbours(n: int, size: int, center: float) -> tuple[NDArray[np.intp], NDArray[np.intp], Planes]:
    scale = np.float32(n) / np.float32(size)
    places = (np.arange(size, dtype=np.float32) + np.float32(center)) * scale - np.float32(center)
    places = places.clip(0.0, None)
    first = np.minimum(places.astype(np.intp), n - 1)
    return first, np.minimum(first + 1, n - 1), places - first.astype(np.float32)


RESIZES: Final[dict[str, Callable[[Pixels, int], Planes]]] = {
    "clean": _resize_clean,
    "legacy-pytorch": _resize_pytorch,
    "legacy-tensorflow": _resize_tensorflow,
    "torchmetrics": _resize_triangle,
}
