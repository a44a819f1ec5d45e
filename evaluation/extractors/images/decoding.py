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
from generators.images import srgb
from generators.images.decoding import FOLDER_FORMATS, Format, UnusableImageError

Pixels = NDArray[np.uint8]


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


def _decode(decode: Callable[[bytes, tuple[Format, ...]], Image.Image], data: bytes) -> Pixels:
    # Originals were checked when they were stored; the other images are an operator's own reference images.
    try:
        return np.array(decode(data, FOLDER_FORMATS))
    except UnusableImageError as error:
        raise UnreadableInputError(str(error)) from error
