"""Decoding of images. The type comes from the bytes alone, never from a file name or a Content-Type header."""

import io
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

# 400 MB when decoded with an alpha channel, which fits into a worker and into the site.
MAX_PIXELS: Final = 100_000_000
MAX_SIDE: Final = 16_384


class Format(NamedTuple):
    """An image format: the pattern of its first bytes, its name in messages, its media type and its reader."""

    start: re.Pattern[bytes]
    name: str
    media_type: str
    reader: type[ImageFile]


def _declare(start: bytes, name: str, media_type: str, reader: type[ImageFile]) -> Format:
    return Format(re.compile(start, re.DOTALL), name, media_type, reader)


# The readers are called by name: Image.open() tries many more formats, and its size limit is global to the process.
#
# The formats of originals, which come from providers, uploads and other people's archives: those that browsers show.
FORMATS: Final = (
    _declare(rb"\x89PNG\r\n\x1a\n", "PNG", "image/png", PngImagePlugin.PngImageFile),
    _declare(rb"\xff\xd8\xff", "JPEG", "image/jpeg", JpegImagePlugin.JpegImageFile),
    _declare(rb".{8}WEBP", "WebP", "image/webp", WebPImagePlugin.WebPImageFile),
    _declare(rb".{4}ftyp(avif|avis|mif1)", "AVIF", "image/avif", AvifImagePlugin.AvifImageFile),
)
# Also those of folders that the operator names on the command line. Their decoders are older and have had more flaws.
FOLDER_FORMATS: Final = (
    *FORMATS,
    _declare(rb"GIF8[79]a", "GIF", "image/gif", GifImagePlugin.GifImageFile),
    _declare(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP", "image/bmp", BmpImagePlugin.BmpImageFile),
    _declare(rb"II[*+]\0|MM\0[*+]", "TIFF", "image/tiff", TiffImagePlugin.TiffImageFile),
    _declare(rb"P[1-6]\s(\s|#[^\n]*\n)*\d+\s", "PPM", "image/x-portable-anymap", PpmImagePlugin.PpmImageFile),
    _declare(
        rb"\x00{3}\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG 2000", "image/jp2", Jpeg2KImagePlugin.Jpeg2KImageFile
    ),
)
PNG_END: Final = b"IEND\xae\x42\x60\x82"
PNG_METADATA: Final = (b"iCCP", b"tEXt", b"zTXt", b"iTXt")
# Images that are not read.
OTHER_IMAGES: Final = (
    (re.compile(rb".{4}ftyp(heic|heix|hevc)", re.DOTALL), "a HEIC"),
    (re.compile(rb"\xff\x0a|\x00{3}\x0cJXL "), "a JPEG XL"),
    (re.compile(rb"8BPS"), "a Photoshop file"),
)
# Other contents that the error message can name.
OTHERS: Final = (
    *((one.start, f"a {one.name}") for one in FOLDER_FORMATS[len(FORMATS) :]),
    *OTHER_IMAGES,
    (re.compile(rb"GIF8"), "a GIF"),
    (re.compile(rb"BM"), "a BMP"),
    (re.compile(rb"%PDF"), "a PDF"),
    (re.compile(rb"PK\x03\x04"), "a ZIP"),
    (re.compile(rb"\{"), "JSON"),
)
# By EXIF orientation, except 1 ("as stored").
TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS: Final = frozenset(TURNS[orientation] for orientation in (5, 6, 7, 8))


class UnusableImageError(ValueError):
    """The bytes are not a usable image. The message says what they are."""


@dataclass(frozen=True)
class ImageInfo:
    """Type and size of an image, upright as it is shown."""

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
    width, height = image.size
    if find_turn(image) in SIDEWAYS:
        width, height = height, width
    return ImageInfo(detect_format(data).media_type, width, height)


def decode_image(data: bytes, formats: tuple[Format, ...] = FORMATS) -> ImageFile:
    """The image with all its pixels, as they are stored.

    Raises:
        UnusableImageError: As for ``read_image``.
    """
    image = open_image(data, formats)
    try:
        image.load()
    except Exception as error:
        # Decoders raise many kinds of errors on hostile bytes. All mean that pixels are missing.
        raise UnusableImageError(f"The {image.format} image is broken or cut off: {error}") from error
    if image.format == "PNG" and PNG_END not in data:
        raise UnusableImageError("The PNG image is cut off: its end is missing.")
    return image


def open_image(data: bytes, formats: tuple[Format, ...] = FORMATS) -> ImageFile:
    """The image after a check of its header. No pixel is decoded yet.

    Raises:
        UnusableImageError: Another format, an unreadable header, too many pixels, pixels of 32 bits, or more than one
            frame or page.
    """
    found = detect_format(data, formats)
    try:
        image = _read_header(data, found)
        width, height = image.size
        frames = getattr(image, "n_frames", 1) if width * height <= MAX_PIXELS else 1
    except Exception as error:
        raise UnusableImageError(f"The header of the {found.media_type} image cannot be read: {error}") from error
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        limits = f"{MAX_SIDE:,} per side and {MAX_PIXELS:,} in total"
        raise UnusableImageError(f"The image has {width:,} × {height:,} pixels; the limits are {limits}.")
    if frames > 1:
        unit = "pages" if found.name == "TIFF" else "frames"
        raise UnusableImageError(f"The {image.format} image has {frames} {unit}; expected a still image.")
    if image.mode == "F" or (image.mode == "I" and found.name != "PPM"):
        # Their range is not stated: white may be 1 or any other number.
        raise UnusableImageError(f"The {found.name} image has pixels of 32 bits; expected 8 or 16 bits a channel.")
    return image


def _read_header(data: bytes, found: Format) -> ImageFile:
    try:
        return found.reader(io.BytesIO(data))
    except Exception:
        if found.name != "PNG":
            raise
        # Pillow gives up at a colour profile or text that is damaged or over 1 MiB. The pixels may be whole.
        return found.reader(io.BytesIO(_drop_png_metadata(data)))


def _drop_png_metadata(data: bytes) -> bytes:
    kept, position = [data[:8]], 8
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] not in PNG_METADATA:
            kept.append(data[position:end])
        position = end
    return b"".join(kept)


def find_turn(image: Image.Image) -> Image.Transpose | None:
    """The turn that the image's EXIF orientation asks for; None if it is upright as stored."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return None  # Pillow raises many kinds of errors for damaged EXIF; browsers ignore it too


def detect_format(data: bytes, formats: tuple[Format, ...] = FORMATS) -> Format:
    """The format, from the first bytes.

    Raises:
        UnusableImageError: The bytes have none of these formats.
    """
    for found in formats:
        if found.start.match(data):
            return found
    names = [one.name for one in formats]
    raise UnusableImageError(f"Wanted a {', '.join(names[:-1])} or {names[-1]} image, got {name_content(data)}.")


def name_content(data: bytes) -> str:
    """The kind of content that cannot be read as an image, by its first bytes: "a ZIP", "text"."""
    if not data:
        return "no bytes at all"
    for start, name in OTHERS:
        if start.match(data):
            return name
    beginning = data[:1000].lower()
    if b"<svg" in beginning:
        return "an SVG"
    if b"<html" in beginning or b"<!doctype html" in beginning:
        return "an HTML page"
    return "text" if data[:200].isascii() and b"\0" not in data[:200] else "an unknown format"
