"""Templates of the sketch adapter's pictograms: small grids of tones for matching."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from math import log
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from generators.adapters.sketch.brush import Outlined, find_fill, find_tone, trace_pieces
from generators.adapters.sketch.layout import Placed
from generators.adapters.sketch.pictograms import PICTOGRAMS
from generators.adapters.sketch.styles import COLOR_NAMES, STYLES

GRID: Final = 48  # cells per side, for any aspect ratio
LARGE: Final = 240.0  # pixels of the longer side before a pictogram is reduced to the grid
FAINT: Final = "vapor"  # this tone may be invisible on the background
TONES: Final = ("", *sorted({piece.tone for pictogram in PICTOGRAMS.values() for piece in pictogram.pieces}))


@dataclass(frozen=True, eq=False)
class Templates:
    """T placements of pictograms. ``tones`` (T, GRID²) are indices in TONES, 0 where nothing is drawn.

    ``drawn`` (T, GRID²) is 1 where something is drawn, ``solid`` also where it is enclosed; ``proportions`` (T,) are
    logarithms of width / height.
    """

    kinds: tuple[str, ...]
    tones: NDArray[np.uint8]
    drawn: NDArray[np.float32]
    solid: NDArray[np.float32]
    proportions: NDArray[np.float64]


@lru_cache(maxsize=1)
def load_templates() -> Templates:
    """Templates of every pictogram: upright and tilted, mirrored where allowed, with and without faint parts."""
    from scipy.ndimage import binary_fill_holes

    kinds, maps, proportions = [], [], []
    for kind, pictogram in PICTOGRAMS.items():
        for angle in sorted({pictogram.tilt * share for share in (-1.0, -0.5, 0.0, 0.5, 1.0)}):
            for mirrored in sorted({False, pictogram.mirrors}):
                for faint in sorted({True, all(piece.tone != FAINT for piece in pictogram.pieces)}):
                    tones, proportion = _trace(kind, angle, mirrored, faint)
                    kinds.append(kind)
                    maps.append(tones)
                    proportions.append(proportion)
    tones = np.stack(maps)
    solid = np.stack([binary_fill_holes(one > 0) for one in tones])
    flat = (len(kinds), GRID * GRID)
    return Templates(
        tuple(kinds),
        tones.reshape(flat),
        (tones > 0).astype(np.float32).reshape(flat),
        solid.astype(np.float32).reshape(flat),
        np.array(proportions),
    )


@lru_cache(maxsize=len(STYLES))
def load_palette(style_name: str) -> NDArray[np.float32]:
    """Fill colours (colours, tones, 3) of a style; the first tone means that nothing is drawn."""
    style = STYLES[style_name]
    fills = [[find_fill(find_tone(tone, style.inks[color], style), style) for tone in TONES] for color in COLOR_NAMES]
    return np.array(fills, dtype=np.float32)


def digest_templates() -> str:
    """The sha256 of all pictograms and styles, which decide how a picture is read."""
    return hashlib.sha256(repr((PICTOGRAMS, STYLES)).encode()).hexdigest()


def _trace(kind: str, angle: float, mirrored: bool, faint: bool) -> tuple[NDArray[np.uint8], float]:
    """Tones (GRID, GRID) in the bounding box of the pictogram, and the logarithm of its aspect ratio."""
    left, top, right, bottom = PICTOGRAMS[kind].bounds
    unit = LARGE / max(right - left, bottom - top)
    placed = Placed(0, 0, kind, LARGE, LARGE, unit, (right - left) * unit, (bottom - top) * unit, angle, mirrored)
    canvas = Image.new("L", (round(2 * LARGE), round(2 * LARGE)))
    draw = ImageDraw.Draw(canvas)
    for piece in trace_pieces(placed, STYLES["gouache"], 1, Random(0)):
        if faint or piece.tone != FAINT:
            _draw(draw, piece)
    box = canvas.getbbox() or (0, 0, 1, 1)
    tones = np.asarray(canvas.crop(box).resize((GRID, GRID), Image.Resampling.NEAREST))
    return tones, log((box[2] - box[0]) / (box[3] - box[1]))


def _draw(draw: ImageDraw.ImageDraw, piece: Outlined) -> None:
    tone = TONES.index(piece.tone)
    if piece.width:
        points: list[Any] = [*piece.points, *piece.points[:2]] if piece.closed else list(piece.points)
        draw.line(points, fill=tone, width=max(1, round(piece.width)), joint="curve")
    else:
        draw.polygon(piece.points, fill=tone)
