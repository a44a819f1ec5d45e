"""Derivatives of original images: the only form in which a rater sees them.

The original is decoded to pixels, turned upright, converted to sRGB, flattened, fitted on the board's canvas and
encoded again by one encoder with one setting. Nothing else of the file survives: no metadata, name, size or format.
Only the picture itself can still reveal its model.
"""

import io
from pathlib import Path
from typing import Final

from django.conf import settings
from PIL import ExifTags, Image, ImageCms, ImageOps

from generators.images import originals
from generators.images.decoding import MAX_PIXELS, MAX_SIDE

MEDIA_TYPE: Final = "image/jpeg"
# Part of the path of a derivative. Raise it when anything below changes, so that no battle mixes two versions.
VERSION: Final = "1"
# Neutral grey, so that the border favours no colour.
MAT: Final = (128, 128, 128)
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
SRGB: Final = ImageCms.createProfile("sRGB")


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
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
                raise UnviewableImageError(
                    f"The image has more than {MAX_PIXELS:,} pixels, or a side over {MAX_SIDE:,}."
                )
            image.load()
            pixels = _to_srgb(_turn_upright(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnviewableImageError("The image file is broken.") from error
    # A new canvas has no `info` of the source, from which encoders copy comments.
    canvas = Image.new("RGB", (width, height), MAT)
    fitted = ImageOps.contain(pixels, (width, height), Image.Resampling.LANCZOS)
    canvas.paste(fitted, ((width - fitted.width) // 2, (height - fitted.height) // 2))
    out = io.BytesIO()
    # 4:4:4, because subsampling blurs thin coloured lettering, which raters judge.
    canvas.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return image  # Pillow raises many kinds of errors for damaged EXIF; browsers ignore it too
    return image if turn is None else image.transpose(turn)


def _to_srgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256).convert("L")
    profile = image.info.get("icc_profile")
    if profile and image.mode in {"RGB", "CMYK", "L"}:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # an unreadable profile: assume sRGB, as browsers do
        else:
            if converted is not None:
                return converted
    if image.has_transparency_data:
        image = image.convert("RGBA")
        flat = Image.new("RGBA", image.size, (*MAT, 255))
        flat.alpha_composite(image)
        image = flat
    return image.convert("RGB")
