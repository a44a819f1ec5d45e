"""Lettering: glyphs of the built-in font, deliberate misspelling, fitting into a box, drawing."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import cast

from PIL import Image, ImageDraw, ImageFont

from generators.adapters.sketch.styles import Rgb

MISSING_GLYPH = "□"
LINE_HEIGHT = 1.16
STROKE = 0.016  # of the font size; the built-in font is thin
SMALLEST_FONT = 9
LARGEST_ROTATION = 26.0
_MEASURE = 100  # font size at which widths are measured, then scaled
_CONFUSIONS = {"O": "QDC", "I": "LJ", "E": "FB", "S": "ZG", "A": "HR", "N": "MH", "o": "ce", "e": "ca", "n": "mr"}
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Lettering:
    """A text as it is drawn. ``warp`` (0 to 1) is how far letters are displaced and rotated."""

    text: str
    warp: float = 0.0


@lru_cache(maxsize=128)
def _load_font(size: int) -> ImageFont.FreeTypeFont:
    # Pillow's wheels are built with FreeType, so the built-in font can be scaled.
    font = cast(ImageFont.FreeTypeFont, ImageFont.load_default(_MEASURE))
    # Basic layout gives the same pixels with and without libraqm.
    return font.font_variant(size=size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=4096)
def _measure(character: str) -> float:
    return _load_font(_MEASURE).getlength(character) / _MEASURE


@lru_cache(maxsize=4096)
def _has_glyph(character: str) -> bool:
    if character == " ":
        return True
    font = _load_font(24)
    return bytes(font.getmask(character)) != bytes(font.getmask("\ufffe"))


def find_drawable(text: str) -> str:
    """The text in glyphs of the font: base letters for accented ones, a hyphen for dashes, a box for others."""
    drawable = []
    for character in text:
        if _has_glyph(character):
            drawable.append(character)
        elif unicodedata.category(character) == "Pd" or character == "−":
            drawable.append("-")
        elif not unicodedata.combining(character):
            base = unicodedata.normalize("NFKD", character)[0]
            drawable.append(base if _has_glyph(base) else MISSING_GLYPH)
    return "".join(drawable)


def misspell(text: str, error_rate: float, rng: Random) -> str:
    """The text with letters dropped, swapped or replaced, each with probability ``error_rate``."""
    letters: list[str] = []
    source = list(text)
    while source:
        letter = source.pop(0)
        if letter == " " or rng.random() >= error_rate:
            letters.append(letter)
            continue
        mistake = rng.choice(("drop", "swap", "replace", "replace"))
        if mistake == "swap" and source and source[0] not in {" ", letter}:
            letters += [source.pop(0), letter]
        elif mistake != "drop":
            letters.append(_replace_letter(letter, rng))
    return "".join(letters)


def _replace_letter(letter: str, rng: Random) -> str:
    options = _CONFUSIONS.get(letter) or (_ALPHABET.upper() if letter.isupper() else _ALPHABET)
    return rng.choice(options.replace(letter, ""))


def draw_lettering(
    canvas: Image.Image, box: tuple[float, float, float, float], items: Sequence[Lettering], color: Rgb, rng: Random
) -> None:
    """Draw the items one below the other, as large as the box allows."""
    left, top, right, bottom = (round(edge) for edge in box)
    width, height = right - left, bottom - top
    paragraphs = [(item, item.text) for item in items if item.text.strip()]
    if width < SMALLEST_FONT or height < SMALLEST_FONT or not paragraphs:
        return
    size, lines = _fit([text for _, text in paragraphs], width, height)
    warps = [paragraphs[number][0].warp for number, _ in lines]
    mask = Image.new("L", (width, height), 0)
    y = (height - len(lines) * size * LINE_HEIGHT) / 2
    for (_, line), warp in zip(lines, warps, strict=True):
        _draw_line(mask, line, y, size, warp, rng)
        y += size * LINE_HEIGHT
    canvas.paste(color, (left, top), mask)


def _fit(texts: Sequence[str], width: int, height: int) -> tuple[int, list[tuple[int, str]]]:
    """The largest font size that fits, and the lines, each with the number of its text. Text too long is cut off."""
    size = min(height / LINE_HEIGHT, 0.42 * width)
    while True:
        lines = [(number, line) for number, text in enumerate(texts) for line in _wrap(text, width / size)]
        most = max(1, int(height / (size * LINE_HEIGHT)))
        broken = any(_measure_line(word) > width / size for text in texts for word in text.split())
        if (len(lines) <= most and not broken) or size <= SMALLEST_FONT:
            return max(round(size), 1), lines[:most]
        if broken and size < 0.07 * height and len(lines) <= most:
            return max(round(size), 1), lines
        size = max(size * 0.94, SMALLEST_FONT)


def _measure_line(text: str) -> float:
    return sum(map(_measure, text)) + 0.04


def _wrap(text: str, width: float) -> list[str]:
    """Lines no wider than ``width`` font sizes; a word that is wider is broken."""
    lines = [""]
    for word in text.split():
        if lines[-1] and _measure_line(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        lines.append("")
        for character in word:
            if lines[-1] and _measure_line(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return [line for line in lines if line]


def _draw_line(mask: Image.Image, line: str, y: float, size: int, warp: float, rng: Random) -> None:
    font, stroke = _load_font(size), round(size * STROKE)
    x = (mask.width - font.getlength(line)) / 2
    if not warp:
        ImageDraw.Draw(mask).text((x, y), line, fill=255, font=font, stroke_width=stroke)
        return
    for character in line:
        advance = font.getlength(character)
        room = size * 2
        tile = Image.new("L", (room, room), 0)
        ImageDraw.Draw(tile).text(
            (room / 2, room / 2), character, fill=255, font=font, anchor="mm", stroke_width=stroke
        )
        angle = rng.uniform(-1, 1) * warp * LARGEST_ROTATION
        tile = tile.rotate(angle, Image.Resampling.BICUBIC)
        drop = rng.uniform(-1, 1) * warp * 0.22 * size
        center = (round(x + advance / 2 - room / 2), round(y + LINE_HEIGHT * size / 2 + drop - room / 2))
        mask.paste(255, center, tile)
        x += advance
