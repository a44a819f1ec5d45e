"""From the bytes of an image to its pixels, one rule for all extractors."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.base import UnreadableInputError
from generators.images.decoding import UnusableImageError, decode_image

Pixels = NDArray[np.uint8]

# What raters see around an image, and beneath a transparent one.
GROUND: Final = (128, 128, 128)
# Part of the identity of whatever looks at the pixels.
DECODING: Final = "8-bit RGB as stored, on grey 128"


def decode_rgb(data: bytes) -> Pixels:
    """The pixels of an encoded PNG, JPEG, WebP or AVIF image, (height, width, 3).

    They are taken as stored: no colour profile is applied, and no turn that EXIF asks for. Grey becomes three equal
    channels; of 16 bits the upper 8 are kept; palettes are looked up; CMYK is converted by Pillow's plain formula;
    transparent parts are laid on mid-grey, as in what raters see (clean-fid and others show what lies hidden beneath).

    Raises UnreadableInputError: no such image, one that is cut off, or one larger than generators.images.decoding allows.
    """
    try:
        return np.array(_convert(decode_image(data)))
    except UnusableImageError as fault:
        raise UnreadableInputError(str(fault)) from fault
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
