"""The pictures of an HTML report: small copies inside the file, each once however often it is shown."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image

from evaluation.extractors.images.decoding import decode_rgb

THUMBNAIL: Final = 256
ENLARGED: Final = 512


@dataclass(frozen=True)
class Picture:
    """``width`` and ``height`` are the original's, in which boxes are given; ``uri`` holds a smaller copy."""

    id: str
    uri: str
    width: int
    height: int


class Album:
    """Collects pictures by the sha256 of their originals. The first size that a picture is asked for is its size."""

    def __init__(self, read_image: Callable[[str], bytes]) -> None:
        self._read_image = read_image
        self._found: dict[str, Picture | str] = {}

    def add(self, digest: str, side: int) -> Picture | str:
        """The picture with its longer side of at most ``side`` pixels, or why there is none."""
        if digest not in self._found:
            self._found[digest] = self._make(digest, side)
        return self._found[digest]

    @property
    def pictures(self) -> list[Picture]:
        """All that were collected."""
        return [found for found in self._found.values() if isinstance(found, Picture)]

    def _make(self, digest: str, side: int) -> Picture | str:
        try:
            # As the extractors see it, so that their boxes lie where they belong.
            image = Image.fromarray(decode_rgb(self._read_image(digest)))
            width, height = image.size
            image.thumbnail((side, side))
        except Exception as error:  # A store may fail in any way; the report still tells all the rest.
            return f"The image cannot be shown: {error or type(error).__name__}"
        return Picture(f"picture-{len(self._found)}", _encode(image), width, height)


def _encode(image: Image.Image) -> str:
    """A WebP as a data: URI."""
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80, method=3)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"
