"""Thumbnail set of an HTML report: small copies of the images inside the file, each stored once."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image

from generators.images.decoding import FOLDER_FORMATS
from generators.images.srgb import decode_shown

SMALL: Final = 256
LARGE: Final = 512


@dataclass(frozen=True)
class Picture:
    """``uri`` holds the copy; ``width`` and ``height`` are the original's, whose pixels boxes are given in."""

    id: str
    uri: str
    width: int
    height: int


class ThumbnailSet:
    """Pictures by the sha256 of their originals. A picture has the size in which it was first added."""

    def __init__(self, read_image: Callable[[str], bytes]) -> None:
        self._read_image = read_image
        self._found: dict[str, Picture | str] = {}

    def add(self, digest: str, side: int) -> Picture | str:
        """The picture, its longer side at most ``side`` pixels, or the reason why there is none."""
        if digest not in self._found:
            self._found[digest] = self._make(digest, side)
        return self._found[digest]

    @property
    def pictures(self) -> list[Picture]:
        """All pictures added so far."""
        return [found for found in self._found.values() if isinstance(found, Picture)]

    def _make(self, digest: str, side: int) -> Picture | str:
        try:
            # Decoded as for the extractors, so that their boxes fit.
            image = decode_shown(self._read_image(digest), FOLDER_FORMATS)
            width, height = image.size
            image.thumbnail((side, side))
        except Exception as error:  # A store may fail in any way; the rest of the report is still of use.
            return f"The image cannot be shown: {error or type(error).__name__}"
        return Picture(f"picture-{len(self._found)}", _encode(image), width, height)


def _encode(image: Image.Image) -> str:
    """A WebP as a data: URI."""
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80, method=3)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"
