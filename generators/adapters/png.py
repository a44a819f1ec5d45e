"""Encoding what a network drew."""

import io
from typing import Any

import numpy as np
from PIL import Image


def encode_png(pixels: Any) -> bytes:
    """A PNG without metadata from an array of height x width x 3 in 0..1."""
    image = Image.fromarray((np.asarray(pixels, np.float32) * 255).round().astype(np.uint8))
    buffer = io.BytesIO()
    # The GPU waits for this. At level 1 files are a seventh larger, and done in little more than half the time.
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
