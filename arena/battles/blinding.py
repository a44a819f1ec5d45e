"""Derivatives of original images: the only form in which a rater sees them.

The original is decoded to sRGB pixels as it is shown (``generators.images.srgb``), fitted on the board's canvas and
encoded again by one encoder with one setting. Nothing else of the file survives: no metadata, name, size or format.
Only the picture itself can still reveal its model.
"""

import io
from pathlib import Path
from typing import Final

from django.conf import settings
from PIL import Image, ImageOps

from generators.images import originals
from generators.images.decoding import UnusableImageError
from generators.images.srgb import GROUND, decode_shown

MEDIA_TYPE: Final = "image/jpeg"
# Part of the path of a derivative. Raise it when anything below changes, so that no battle mixes two versions.
VERSION: Final = "2"


class UnviewableImageError(Exception):
    """The original cannot be shown: it is missing, broken or too large. The message does not name its model."""


def derive(original: str, width: int, height: int) -> Path:
    """Path of the derivative of ``original`` (a digest) on a canvas of this size in pixels. Made at the first call.

    Raises:
        UnviewableImageError: The original is missing, damaged or too large.
        StorageError: The image cannot be read now.
    """
    file = Path(settings.MEDIA_ROOT) / "derivatives" / f"{VERSION}-{width}x{height}" / original[:2] / f"{original}.jpg"
    with originals.disk_errors():
        if not file.exists():
            data = blind(_read(original), width, height)
            file.parent.mkdir(parents=True, exist_ok=True)
            originals.write_durably(file, data)
    return file


def _read(original: str) -> bytes:
    try:
        return originals.read(original)
    except FileNotFoundError as error:
        raise UnviewableImageError("The image file is gone.") from error
    except originals.CorruptOriginalError as error:
        raise UnviewableImageError("The image file is damaged.") from error


def blind(data: bytes, width: int, height: int) -> bytes:
    """JPEG bytes of the derivative of an image file. Raises UnviewableImageError."""
    try:
        pixels = decode_shown(data)
    except UnusableImageError as error:
        raise UnviewableImageError("The image file is broken or too large.") from error
    # A new canvas has no `info` of the source, from which encoders copy comments.
    canvas = Image.new("RGB", (width, height), GROUND)
    fitted = ImageOps.contain(pixels, (width, height), Image.Resampling.LANCZOS)
    canvas.paste(fitted, ((width - fitted.width) // 2, (height - fitted.height) // 2))
    out = io.BytesIO()
    # 4:4:4, because subsampling blurs thin coloured lettering, which raters judge.
    canvas.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()
