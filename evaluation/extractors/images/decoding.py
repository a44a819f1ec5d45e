"""Image decoding for extractors: pixels as stored for features, as shown for what is read or detected in an image.

Published Fréchet distances and CLIP scores are of pixels as stored: clean-fid, pytorch-fid, torch-fidelity and the
preprocessing of CLIP and DINOv2 ignore colour profiles and EXIF orientation. So do the extractors of features here, and
numbers stay comparable. Unlike those programs, which use the hidden colours, transparent parts are composited on grey.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.base import UnreadableInputError
from evaluation.extractors.images.rows import BLOCK
from generators.images import srgb
from generators.images.decoding import FOLDER_FORMATS, Format, UnusableImageError, open_image

Pixels = NDArray[np.uint8]

# Pillow keeps 4 bytes for a pixel, and there are two of its images at a time, before and after a conversion or a turn.
# The pixels take 3 more.
BYTES_PER_PIXEL = 11


def decode_shown(data: bytes) -> Pixels:
    """Pixels (height, width, 3) as raters see them: in sRGB, upright, on grey.

    Raises:
        UnreadableInputError: Not an image, truncated, or larger than generators.images.decoding allows.
    """
    return _decode(srgb.decode_shown, data)


def decode_stored(data: bytes) -> Pixels:
    """Pixels (height, width, 3) as stored: the colour profile and the EXIF orientation are ignored.

    Raises:
        UnreadableInputError: As for ``decode_shown``.
    """
    return _decode(srgb.decode_stored, data)


def estimate_bytes(source: object) -> int:
    """The most memory that decoding the bytes of an image takes, by its header. 0 for other inputs."""
    if not isinstance(source, bytes):
        return 0
    try:
        width, height = open_image(source, FOLDER_FORMATS).size
    except UnusableImageError:
        return 0
    return BYTES_PER_PIXEL * width * height


def _decode(decode: Callable[[bytes, tuple[Format, ...]], Image.Image], data: bytes) -> Pixels:
    # Originals were checked when they were stored; the other images are an operator's own reference images.
    try:
        return _read_pixels(decode(data, FOLDER_FORMATS))
    except UnusableImageError as error:
        raise UnreadableInputError(str(error)) from error


def _read_pixels(image: Image.Image) -> Pixels:
    """The pixels of an RGB image. Of a large one, ``np.array(image)`` would copy all of them once more on the way."""
    if image.width * image.height <= BLOCK:
        return np.array(image)
    pixels = np.empty((image.height, image.width, 3), dtype=np.uint8)
    rows = max(1, BLOCK // image.width)
    for top in range(0, image.height, rows):
        part = image.crop((0, top, image.width, min(top + rows, image.height)))
        pixels[top : top + rows] = np.asarray(part)
    return pixels
