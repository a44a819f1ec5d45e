"""In which style a picture by the sketch adapter is, and what in it is drawn on the ground: from its pixels alone."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.extractors.base import ExtractionError
from generators.adapters.sketch.styles import STYLES, Rgb, Style

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

FRAME: Final = 0.015  # of the shorter side: nothing but paper, where a style leaves a margin
STRIP: Final = (0.055, 0.07)  # of the width, from either side: ground in every row, as things keep away from it
LIKE_PAPER: Final = 9.0
LIKE_GROUND: Final = 100.0  # where there is no margin: grounds differ, and the two styles without one do so more
# Distances in RGB from which on a pixel is no ground: in flat colour, by how much light things spill, by the noise.
FLAT, SPILL, NOISE = 13.0, 35.0, 8.0


def find_style(image: Pixels) -> str:
    """The adapter's style of a picture (H, W, 3): by its margin of paper, or by its ground where there is no margin.

    Raises ExtractionError for a picture in none of them.
    """
    n = max(1, round(FRAME * min(image.shape[:2])))
    sides = (image[:n], image[-n:], image[:, :n], image[:, -n:])
    frame = np.median(np.concatenate([side.reshape(-1, 3) for side in sides]), axis=0)
    misfits = {name: _measure_misfit(frame, style) for name, style in STYLES.items()}
    best = min(misfits, key=lambda name: misfits[name])
    if misfits[best] > 1.0:
        raise ExtractionError("not drawn by the sketch adapter: its margin and ground are of none of the styles")
    return best


def _measure_misfit(frame: NDArray[np.float64], style: Style) -> float:
    expected, most = (style.paper, LIKE_PAPER) if style.margin else (style.ground_ink, LIKE_GROUND)
    return float(np.linalg.norm(frame - np.array(expected))) / most


def find_drawn(image: Pixels, style: Style) -> Mask:
    """(H, W): where something is drawn on a ground that is the same all along each row, but for shadow and texture."""
    pixels, width = image.astype(np.float32), image.shape[1]
    near, far = (max(1, round(part * width)) for part in STRIP)
    strips = np.concatenate([pixels[:, near : far + 1], pixels[:, width - far - 1 : width - near]], axis=1)
    ground = np.median(strips, axis=1)[:, None, :]
    noise = float(np.median(np.abs(strips - ground)))
    least = max(FLAT + SPILL * style.glow, NOISE * noise)
    drawn: Mask = _measure_mixes(pixels, ground, style.ink, 0.0, 1.1 * style.shadow) > least
    if style.streaks:
        # The strip, too, has streaks: its median is a mixture, and clean ground lies beyond it.
        drawn &= _measure_mixes(pixels, ground, style.paper, -0.4, 0.9) > 1.6 * least
    if style.grid:
        drawn &= _measure_mixes(pixels, ground, style.paper, -0.25, 0.25) > least
    margin = round(1.2 * style.margin * min(image.shape[:2]))
    for edge in (drawn[:margin], drawn[len(drawn) - margin :], drawn[:, :margin], drawn[:, width - margin :]):
        edge[:] = False
    return drawn


def _measure_mixes(pixels: Floats, ground: Floats, ink: Rgb, least: float, most: float) -> Floats:
    """(H, W): how far pixels are from all mixtures of their row's ground (H, 1, 3) with that share of an ink."""
    toward, offset = np.array(ink, dtype=np.float32) - ground, pixels - ground
    share = (offset * toward).sum(axis=-1) / np.maximum((toward * toward).sum(axis=-1), 1.0)
    distance: Floats = np.linalg.norm(offset - np.clip(share, least, most)[..., None] * toward, axis=-1)
    return distance
