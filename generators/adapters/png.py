"""PNG encoding of images that a local model drew."""

import io
from typing import Any

import numpy as np
from PIL import Image


def encode_png(pixels: Any) -> bytes:
    """Encode an array of shape (height, width, 3), values 0 to 1, as a PNG without metadata."""
    image = Image.fromarray((np.asarray(pixels, np.float32) * 255).round().astype(np.uint8))
    buffer = io.BytesIO()
    # The GPU waits for this. Level 1 takes about half the time of the default, for files a seventh larger.
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
