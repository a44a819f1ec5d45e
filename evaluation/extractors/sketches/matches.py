"""Matching of parts of a picture with the pictograms and colours of the sketch adapter."""

from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.sketches.grounds import Floats, Mask, Pixels
from evaluation.extractors.sketches.templates import GRID, TONES, load_palette, load_templates
from generators.adapters.sketch.styles import COLOR_NAMES, STYLES, Style, mix

SHORTLIST: Final = 10
MIN_SHAPE: Final = 0.75  # of the best shape's agreement
SOLID: Final = 0.7  # weight of the filled outline; the rest is that of the shape with its holes
TOLERANCE: Final = 40.0  # RGB distance at which colours hardly agree
TEXTURE: Final = 10.0  # RGB distance added when a colour is explained by shading or texture


@dataclass(frozen=True)
class Match:
    """``box`` is x0, y0, x1, y1 in pixels; ``agreement``, 0 to 1, is that of the shape times that of the colour."""

    label: str
    color: str
    box: tuple[int, int, int, int]
    agreement: float
    area: int


def match_pictogram(image: Pixels, part: Mask, style: str) -> Match:
    """Find the pictogram and colour that fit ``part``, a non-empty mask (H, W), best."""
    from scipy.ndimage import binary_fill_holes

    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    drawn = part[y0:y1, x0:x1]
    shapes = _compare_shapes(_fit(drawn), _fit(binary_fill_holes(drawn)), log((x1 - x0) / (y1 - y0)))
    pixels = np.asarray(Image.fromarray(image[y0:y1, x0:x1]).resize((GRID, GRID), Image.Resampling.BOX))
    looks = pixels.reshape(-1, 3).astype(np.float32)
    best, kind, color = -1.0, 0, ""
    for k in np.argsort(-shapes)[:SHORTLIST]:
        if shapes[k] >= MIN_SHAPE * shapes.max():
            named, agreement = _compare_colors(looks, load_templates().tones[k], style)
            best, kind, color = max((best, kind, color), (float(shapes[k]) * agreement, int(k), named))
    return Match(load_templates().kinds[kind], color, (x0, y0, x1, y1), best, int(drawn.sum()))


def _fit(mask: Mask) -> Floats:
    """Stretch the mask to the grid of the templates: (GRID²,) of 0 and 1."""
    small = Image.fromarray(mask.astype(np.uint8) * 255).resize((GRID, GRID), Image.Resampling.BOX)
    return (np.asarray(small).ravel() > 127).astype(np.float32)


def _compare_shapes(drawn: Floats, solid: Floats, proportion: float) -> NDArray[np.float64]:
    """Agreement (T,) with each template: intersection over union on the grid, reduced if the aspect ratios differ."""
    templates = load_templates()
    fit = SOLID * _overlap(templates.solid, solid) + (1.0 - SOLID) * _overlap(templates.drawn, drawn)
    agreement: NDArray[np.float64] = fit * np.exp(-np.abs(proportion - templates.proportions))
    return agreement


def _overlap(shapes: Floats, shape: Floats) -> Floats:
    common = shapes @ shape
    overlap: Floats = common / np.maximum(shapes.sum(axis=1) + shape.sum() - common, 1.0)
    return overlap


def _compare_colors(pixels: Floats, tones: NDArray[np.uint8], style: str) -> tuple[str, float]:
    """The colour in which a pictogram of these tones is most like the pixels (GRID², 3), and the agreement, 0 to 1."""
    drawn = tones[tones > 0]
    far = _measure(pixels[tones > 0], load_palette(style)[:, drawn], STYLES[style])
    # Small details distinguish pictograms of equal outline, so they weigh more than their area.
    weights = 1.0 / np.sqrt(np.maximum(np.bincount(drawn, minlength=len(TONES)), 1))[drawn]
    agreements = np.sqrt(np.exp(-((far / TOLERANCE) ** 2)) @ (weights / weights.sum()))
    best = int(agreements.argmax())
    return COLOR_NAMES[best], float(agreements[best])


def _measure(pixels: Floats, expected: Floats, style: Style) -> Floats:
    """Distances (colours, n) of pixels (n, 3) to expected values (colours, n, 3), shaded and textured or not."""
    offset = pixels - expected
    far: Floats = np.linalg.norm(offset, axis=-1)
    for ink, most in _list_textures(style):
        toward = ink - expected
        share = (offset * toward).sum(axis=-1) / np.maximum((toward * toward).sum(axis=-1), 1.0)
        share = np.clip(share, 0.0, most)
        textured = np.linalg.norm(offset - share[..., None] * toward, axis=-1) + TEXTURE * share / most
        far = np.minimum(far, textured)
    return far


def _list_textures(style: Style) -> list[tuple[Floats, float]]:
    """Inks that shading, wax strokes and glow mix into a fill, with the maximum share of each."""
    found = []
    if style.screen == "hatch":
        found.append((np.array(style.paper, dtype=np.float32), style.shade))
    elif style.screen != "none":
        found.append((np.array(mix(style.ink, (60, 30, 50), 0.4), dtype=np.float32), style.shade))
    if style.streaks:
        found.append((np.array(style.paper, dtype=np.float32), style.streaks))
    if style.glow:
        inks = np.array([style.inks[color] for color in COLOR_NAMES], dtype=np.float32)
        found.append((inks[:, None], 0.35 * style.glow))
    return found
