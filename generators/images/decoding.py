"""Decoding of images. The type comes from the bytes alone, never from a file name or a Content-Type header."""

import io
from dataclasses import dataclass
from typing import Final

from PIL import AvifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

# 400 MB when decoded with an alpha channel, which fits into a worker and into the site.
MAX_PIXELS: Final = 100_000_000
MAX_SIDE: Final = 16_384

# The readers are called by name: Image.open() tries many more formats, and its size limit is global to the process.
READERS: Final[tuple[tuple[int, bytes, str, type[ImageFile]], ...]] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png", PngImagePlugin.PngImageFile),
    (0, b"\xff\xd8\xff", "image/jpeg", JpegImagePlugin.JpegImageFile),
    (8, b"WEBP", "image/webp", WebPImagePlugin.WebPImageFile),
    (4, b"ftypavif", "image/avif", AvifImagePlugin.AvifImageFile),
    (4, b"ftypavis", "image/avif", AvifImagePlugin.AvifImageFile),
    (4, b"ftypmif1", "image/avif", AvifImagePlugin.AvifImageFile),
)
PNG_END: Final = b"IEND\xae\x42\x60\x82"
# Other formats that the error message can name.
OTHERS: Final = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"%PDF", "a PDF"),
    (b"PK\3\4", "a ZIP"),
    (b"{", "JSON"),
)


class UnusableImageError(ValueError):
    """The bytes are not a usable image. The message says what they are."""


@dataclass(frozen=True)
class ImageInfo:
    """Type and size of an image. Pixels as stored, before the EXIF orientation is applied."""

    media_type: str
    width: int
    height: int


def read_image(data: bytes) -> ImageInfo:
    """Type and size of an encoded image. Decodes every pixel once.

    Bytes after the end of the image are ignored: raters are shown newly encoded pixels.

    Raises:
        UnusableImageError: The bytes are not a whole still image within the size limits.
    """
    image = decode_image(data)
    return ImageInfo(detect_media_type(data), image.width, image.height)


def decode_image(data: bytes) -> ImageFile:
    """The image with all its pixels, as they are stored.

    Raises:
        UnusableImageError: As for ``read_image``.
    """
    image = open_image(data)
    try:
        image.load()
    except Exception as error:
        # Decoders raise many kinds of errors on hostile bytes. All mean that pixels are missing.
        raise UnusableImageError(f"The {image.format} image is broken or cut off: {error}") from error
    if image.format == "PNG" and PNG_END not in data:
        raise UnusableImageError("The PNG image is cut off: its end is missing.")
    return image


def open_image(data: bytes) -> ImageFile:
    """The image after a check of its header. No pixel is decoded yet.

    Raises:
        UnusableImageError: Another format, an unreadable header, too many pixels, or more than one frame.
    """
    media_type = detect_media_type(data)
    reader = next(reader for _, _, name, reader in READERS if name == media_type)
    try:
        image = reader(io.BytesIO(data))
    except Exception as error:
        raise UnusableImageError(f"The header of the {media_type} image cannot be read: {error}") from error
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        limits = f"{MAX_SIDE:,} per side and {MAX_PIXELS:,} in total"
        raise UnusableImageError(f"The image has {width:,} × {height:,} pixels; the limits are {limits}.")
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise UnusableImageError(f"The {image.format} image has {frames} frames; expected a still image.")
    return image


def detect_media_type(data: bytes) -> str:
    """The media type, from the first bytes.

    Raises:
        UnusableImageError: The bytes are neither PNG, JPEG, WebP nor AVIF.
    """
    for offset, signature, media_type, _ in READERS:
        if data.startswith(signature, offset):
            return media_type
    raise UnusableImageError(f"Wanted a PNG, JPEG, WebP or AVIF image, got {_name_other(data)}.")


def _name_other(data: bytes) -> str:
    if not data:
        return "no bytes at all"
    for signature, name in OTHERS:
        if data.startswith(signature):
            return name
    start = data[:1000].lower()
    if b"<svg" in start:
        return "an SVG"
    if b"<html" in start or b"<!doctype html" in start:
        return "an HTML page"
    return "text" if data[:200].isascii() and b"\0" not in data[:200] else "an unknown format"
