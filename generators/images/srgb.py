"""sRGB pixels of images: the one place where decoded images become 8-bit RGB.

Raters, reports, perceptual hashes and everything that reads or detects something in an image get it *as shown*: in
sRGB by its ICC profile, turned upright, on a grey ground. Features that are compared with published numbers get it *as
stored*, because the programs that published them ignore profiles and orientation.

Greyscale is repeated in three channels, the upper 8 of 16 bits are kept, palettes are resolved, transparent parts are
composited on ``GROUND``, and CMYK without a profile is converted by Pillow's simple formula.

ICC profiles are honoured in all pixel modes. An unreadable profile, or one for other channels than the image has, is
ignored, as in browsers. Other statements about colour are ignored, because hardly any file depends on them: the gAMA,
cHRM and cICP chunks of PNG, the colour properties of AVIF, and the colour space in EXIF.
"""

import io
from typing import Final, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from generators.images.decoding import FORMATS, Format, UnusableImageError, decode_image, find_turn

# Neutral grey, so that the ground favours no colour.
GROUND: Final = (128, 128, 128)
# Parts of the identity of what is computed from pixels.
STORED: Final = "8-bit RGB as stored, on grey 128"
SHOWN: Final = "8-bit sRGB as shown, upright, on grey 128"

SRGB: Final = ImageCms.createProfile("sRGB")
# Pixels that are converted at a time: the copies that a conversion needs take 20 MB, whatever the size of the image.
STRIP: Final = 1 << 20
# Many slightly different profiles are called sRGB. One that moves no colour by more levels than this changes nothing.
SAME: Final = 2
# Colour space of a profile → mode of the pixels that it describes, and all their values in steps.
_STEPS: Final = np.arange(0, 256, 15, dtype=np.uint8)
_COLORS: Final = np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS), axis=-1).reshape(1, -1, 3)
PROBES: Final = {
    "RGB": Image.fromarray(_COLORS),
    "GRAY": Image.fromarray(np.arange(256, dtype=np.uint8)[None]),
    "CMYK": Image.new("CMYK", (1, 1)),
}
GREY: Final = ("1", "L", "LA", "La", "I")


class _Conversion(NamedTuple):
    """The mode of the pixels that a profile describes, and their transform to sRGB."""

    mode: str
    transform: ImageCms.ImageCmsTransform


def decode_shown(data: bytes, formats: tuple[Format, ...] = FORMATS) -> Image.Image:
    """The image as it is shown, in mode RGB.

    Raises:
        UnusableImageError: As for ``decode_image``.
    """
    image: Image.Image = decode_image(data, formats)
    turn = find_turn(image)
    # The same name throughout, so that no more than two images are in memory.
    image = _convert(image, _find_conversion(image))
    return image if turn is None else image.transpose(turn)


def decode_stored(data: bytes, formats: tuple[Format, ...] = FORMATS) -> Image.Image:
    """The image as it is stored, in mode RGB: its colour profile and EXIF orientation are ignored.

    Raises:
        UnusableImageError: As for ``decode_image``.
    """
    return _convert(decode_image(data, formats), None)


def decode_mask(data: bytes) -> Image.Image:
    """The levels of a mask, in mode L, upright. A mask is no picture: colour profile and transparency are ignored.

    Raises:
        UnusableImageError: As for ``decode_image``.
    """
    image = decode_image(data)
    turn = find_turn(image)
    levels = _keep_upper_bits(image).convert("L")
    return levels if turn is None else levels.transpose(turn)


def _find_conversion(image: Image.Image) -> _Conversion | None:
    """The conversion by the image's profile; None if it has none that can be used, or sRGB."""
    profile = image.info.get("icc_profile")
    if not profile or len(profile) < int.from_bytes(profile[:4], "big"):
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if not _fits(space, image.mode):
            return None
        probe = PROBES[space]
        transform = ImageCms.buildTransform(source, SRGB, probe.mode, "RGB")
        moved = np.asarray(transform.apply(probe)).astype(int) - np.asarray(probe.convert("RGB"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return None if space != "CMYK" and np.abs(moved).max() <= SAME else _Conversion(probe.mode, transform)


def _fits(space: str, mode: str) -> bool:
    """Whether a profile of this colour space describes pixels of this mode. Grey may be described as R = G = B."""
    if mode in {"CMYK", "LAB"}:
        return space == mode
    return space == "RGB" or (space == "GRAY" and mode.startswith(GREY))


def _convert(image: Image.Image, conversion: _Conversion | None) -> Image.Image:
    if image.mode == "RGB" and conversion is None and not image.has_transparency_data:
        return image
    converted = Image.new("RGB", image.size)
    height = max(1, STRIP // image.width)
    try:
        for top in range(0, image.height, height):
            strip = image.crop((0, top, image.width, min(top + height, image.height)))
            converted.paste(_convert_strip(strip, conversion), (0, top))
    except (OSError, ValueError, ImageCms.PyCMSError) as error:
        raise UnusableImageError(f"The image cannot be converted to RGB: {error}") from error
    return converted


def _convert_strip(strip: Image.Image, conversion: _Conversion | None) -> Image.Image:
    alpha = None
    if strip.mode.startswith("I"):
        deep, hidden = np.asarray(strip), strip.info.get("transparency")
        strip = _keep_upper_bits(strip)
        alpha = None if hidden is None else Image.fromarray(np.where(deep == hidden, 0, 255).astype(np.uint8))
    elif strip.has_transparency_data:
        strip = strip.convert("RGBA")
        alpha = strip.getchannel("A")
    colors = strip.convert("RGB") if conversion is None else conversion.transform.apply(strip.convert(conversion.mode))
    if alpha is None:
        return colors
    colors.putalpha(alpha)
    ground = Image.new("RGBA", colors.size, (*GROUND, 255))
    ground.alpha_composite(colors)
    return ground.convert("RGB")


def _keep_upper_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
