"""From an original to the only thing that a rater may see of it.

The original is decoded to pixels, turned upright, converted to sRGB, flattened, fitted on the board's canvas and
encoded anew by one encoder with one setting. Nothing else of the file survives: no metadata, no name, no size, no
format. What the picture itself shows is all that is left to tell its provider by.
"""

import io
from pathlib import Path
from typing import Final

from django.conf import settings
from PIL import ExifTags, Image, ImageCms, ImageOps

from generators.images import originals
from generators.images.decoding import MAX_PIXELS, MAX_SIDE

MEDIA_TYPE: Final = "image/jpeg"
# Part of the address of a derivative: raise it when anything below changes, so that no battle mixes two rules.
RULE: Final = "1"
# Neutral, so that neither a warm nor a cold picture is favoured by its surroundings.
MAT: Final = (128, 128, 128)
# What EXIF's orientations ask for, 1 ("as stored") left out.
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
    """The original cannot be shown: it is missing, broken or too large. Says nothing of its provider."""


def derive(original: str, width: int, height: int) -> Path:
    """The file of the derivative of ``original`` (a digest) on a canvas of these pixels, made at the first call."""
    file = Path(settings.MEDIA_ROOT) / "derivatives" / f"{RULE}-{width}x{height}" / original[:2] / f"{original}.jpg"
    if not file.exists():
        try:
            data = blind(originals.read(original), width, height)
        except FileNotFoundError as error:
            raise UnviewableImageError("The image file is gone.") from error
        except originals.CorruptOriginalError as error:
            raise UnviewableImageError("The image file is damaged.") from error
        file.parent.mkdir(parents=True, exist_ok=True)
        originals.write_durably(file, data)
    return file


def blind(data: bytes, width: int, height: int) -> bytes:
    """The bytes that a rater gets for an image with these bytes. Raises UnviewableImageError."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
                raise UnviewableImageError(f"The image has more than {MAX_PIXELS:,} pixels, or {MAX_SIDE:,} a side.")
            image.load()
            pixels = _to_srgb(_turn_upright(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnviewableImageError("The image file is broken.") from error
    # A canvas of its own: no `info` of the source, from which encoders copy comments, can come along.
    canvas = Image.new("RGB", (width, height), MAT)
    fitted = ImageOps.contain(pixels, (width, height), Image.Resampling.LANCZOS)
    canvas.paste(fitted, ((width - fitted.width) // 2, (height - fitted.height) // 2))
    out = io.BytesIO()
    # 4:4:4, because thin coloured lettering is what raters are asked to judge.
    canvas.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return image  # Pillow raises many kinds of errors on a damaged EXIF; browsers show what is stored, too
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
            pass  # an unreadable profile: the pixels are taken as sRGB, as browsers do
        else:
            if converted is not None:
                return converted
    if image.has_transparency_data:
        image = image.convert("RGBA")
        flat = Image.new("RGBA", image.size, (*MAT, 255))
        flat.alpha_composite(image)
        image = flat
    return image.convert("RGB")
