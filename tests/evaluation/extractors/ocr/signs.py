"""Signs drawn for OCR, in fonts that continuous integration installs, and what is read on them."""

import io
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

from evaluation.extractors.ocr.reader import TextReader
from tests.conftest import report_missing

FONTS: Final = Path("/usr/share/fonts/truetype")
SIDE: Final = 736


def find_font(name: str, size: int) -> Any:
    """A DejaVu font such as "Sans-Bold"; "Cjk" with Chinese and Japanese; or for "" Pillow's font without accents."""
    if not name:
        return ImageFont.load_default(size)
    file = FONTS / ("droid/DroidSansFallbackFull.ttf" if name == "Cjk" else f"dejavu/DejaVu{name}.ttf")
    if not file.is_file():
        report_missing(f"there is no font {file}")
    return ImageFont.truetype(file, size)


def draw_sign(text: str, size: int = 64, face: str = "", shape: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    image = Image.new("RGB", shape, "navy")
    middle = (shape[0] / 2, shape[1] / 2)
    ImageDraw.Draw(image).multiline_text(
        middle, text, font=find_font(face, size), fill="white", anchor="mm", align="center"
    )
    return image


def draw_signs(texts: list[str], face: str, size: int, colors: tuple[str, str]) -> Image.Image:
    """Separate signs, one below the other."""
    image = Image.new("RGB", (SIDE, SIDE), (200, 190, 170))
    draw = ImageDraw.Draw(image)
    for row, text in enumerate(texts):
        y = 62 + 122 * row
        draw.rectangle((50, y - 42, SIDE - 50, y + 42), fill=colors[0])
        draw.text((SIDE / 2, y), text, font=find_font(face, size), fill=colors[1], anchor="mm")
    return image


def encode(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def read(reader: TextReader, image: Image.Image) -> list[dict[str, Any]]:
    (found,) = reader.extract([reader.prepare(encode(image))])
    assert isinstance(found, dict)
    lines: list[dict[str, Any]] = found["lines"]
    return lines


def read_texts(reader: TextReader, image: Image.Image) -> list[str]:
    return [line["text"] for line in read(reader, image)]
