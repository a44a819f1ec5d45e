"""Style and background of pictures by the sketch adapter, found from pixels."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.extractors.base import ExtractionError
from generators.adapters.sketch.styles import STYLES, Rgb, Style

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

FRAME: Final = 0.015  # of the shorter side: only paper, in styles with a margin
STRIP: Final = (0.055, 0.07)  # of the width, from each side: background in every row
MAX_PAPER_DISTANCE: Final = 9.0  # RGB
MAX_GROUND_DISTANCE: Final = 100.0  # RGB, in styles without a margin, whose backgrounds vary
# RGB distances above which a pixel is not background: for flat colour, per unit of glow, per unit of noise.
FLAT, SPILL, NOISE = 13.0, 35.0, 8.0


def find_style(image: Pixels) -> str:
    """Find the style of a picture (H, W, 3) from its paper margin, or from its background if it has no margin.

    Raises:
        ExtractionError: The picture has none of the adapter's styles.
    """
    n = max(1, round(FRAME * min(image.shape[:2])))
    sides = (image[:n], image[-n:], image[:, :n], image[:, -n:])
    frame = np.median(np.concatenate([side.reshape(-1, 3) for side in sides]), axis=0)
    misfits = {name: _measure_misfit(frame, style) for name, style in STYLES.items()}
    best = min(misfits, key=lambda name: misfits[name])
    if misfits[best] > 1.0:
        raise ExtractionError(
            "The picture is not by the sketch adapter: its margin and background match none of the styles."
        )
    return best


def _measure_misfit(frame: NDArray[np.float64], style: Style) -> float:
    expected, most = (style.paper, MAX_PAPER_DISTANCE) if style.margin else (style.ground_ink, MAX_GROUND_DISTANCE)
    return float(np.linalg.norm(frame - np.array(expected))) / most


def find_drawn(image: Pixels, style: Style) -> Mask:
    """Mask (H, W) of the objects. The background is uniform along each row, except for shadow and texture."""
    pixels, width = image.astype(np.float32), image.shape[1]
    near, far = (max(1, round(part * width)) for part in STRIP)
    strips = np.concatenate([pixels[:, near : far + 1], pixels[:, width - far - 1 : width - near]], axis=1)
    ground = np.median(strips, axis=1)[:, None, :]
    noise = float(np.median(np.abs(strips - ground)))
    least = max(FLAT + SPILL * style.glow, NOISE * noise)
    drawn: Mask = _measure_mixes(pixels, ground, style.ink, 0.0, 1.1 * style.shadow) > least
    if style.streaks:
        # The strip has streaks too: its median is a mixture, and clean background lies beyond it.
        drawn &= _measure_mixes(pixels, ground, style.paper, -0.4, 0.9) > 1.6 * least
    if style.grid:
        drawn &= _measure_mixes(pixels, ground, style.paper, -0.25, 0.25) > least
    margin = round(1.2 * style.margin * min(image.shape[:2]))
    for edge in (drawn[:margin], drawn[len(drawn) - margin :], drawn[:, :margin], drawn[:, width - margin :]):
        edge[:] = False
    return drawn


def _measure_mixes(pixels: Floats, ground: Floats, ink: Rgb, least: float, most: float) -> Floats:
    """Distances (H, W) to mixtures of the row's background (H, 1, 3) with ``least`` to ``most`` of an ink."""
    toward, offset = np.array(ink, dtype=np.float32) - ground, pixels - ground
    share = (offset * toward).sum(axis=-1) / np.maximum((toward * toward).sum(axis=-1), 1.0)
    distance: Floats = np.linalg.norm(offset - np.clip(share, least, most)[..., None] * toward, axis=-1)
    return distance
