"""Image decoding, the same for all extractors."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.base import UnreadableInputError
from generators.images.decoding import UnusableImageError, decode_image

Pixels = NDArray[np.uint8]

# The background that raters see around an image, and behind a transparent one.
GROUND: Final = (128, 128, 128)
# Part of the identity of every image extractor.
DECODING: Final = "8-bit RGB as stored, on grey 128"


def decode_rgb(data: bytes) -> Pixels:
    """Decode a PNG, JPEG, WebP or AVIF image to pixels (height, width, 3).

    Pixels are used as stored: colour profiles and EXIF rotation are ignored. Greyscale is repeated in three channels,
    the upper 8 of 16 bits are kept, palettes are resolved, CMYK is converted by Pillow's simple formula. Transparent
    parts are composited on mid-grey, as raters see them (clean-fid and others use the hidden colour instead).

    Raises:
        UnreadableInputError: Not an image, truncated, or larger than generators.images.decoding allows.
    """
    try:
        return np.array(_convert(decode_image(data)))
    except UnusableImageError as error:
        raise UnreadableInputError(str(error)) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableInputError(f"The image cannot be converted to RGB: {error}") from error


def _convert(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (*GROUND, 255))
        ground.alpha_composite(image.convert("RGBA"))
        image = ground
    return image.convert("RGB")
