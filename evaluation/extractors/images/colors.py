"""Colour names: the eleven basic colour terms of English (Berlin & Kay 1969)."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.extractors.images.rows import split_rows

BASIC_COLORS: Final = (
    "black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown",
)  # fmt: skip

# Start of each hue in degrees; red is at both ends of the wheel.
_HUES: Final = ((0, "red"), (14, "orange"), (46, "yellow"), (68, "green"), (168, "blue"), (252, "purple"),
                (296, "pink"), (342, "red"))  # fmt: skip
_CODE: Final = {name: code for code, name in enumerate(BASIC_COLORS)}


def classify_colors(pixels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Classify sRGB pixels (..., 3) by hue, saturation and value; returns indices in ``BASIC_COLORS``, shape (...).

    Dark orange is brown, pale red is pink, dark pink is purple; pixels with little colour are black, grey or white.
    """
    rgb = pixels.astype(np.float32) / 255.0
    value, low = rgb.max(axis=-1), rgb.min(axis=-1)
    chroma = value - low
    saturation = chroma / np.maximum(value, 1e-6)
    hue = _find_hue(rgb, value, chroma)
    starts = [start for start, _ in _HUES]
    codes: NDArray[np.intp] = np.array([_CODE[name] for _, name in _HUES])[np.searchsorted(starts, hue, "right") - 1]
    warm = (codes == _CODE["orange"]) | ((codes == _CODE["red"]) & (hue < 180))
    codes[(codes == _CODE["orange"]) & (value < 0.68)] = _CODE["brown"]
    codes[warm & (saturation < 0.72) & (value < 0.62)] = _CODE["brown"]
    codes[(codes == _CODE["red"]) & (saturation < 0.55) & (value > 0.75)] = _CODE["pink"]
    codes[(codes == _CODE["pink"]) & (value < 0.62) & (hue > 180)] = _CODE["purple"]
    colorless = (saturation < 0.14) | (chroma < 0.06)
    codes[colorless] = np.where(value[colorless] > 0.82, _CODE["white"], _CODE["gray"])
    codes[(value < 0.2) | (colorless & (value < 0.28))] = _CODE["black"]
    return codes


def _find_hue(rgb: NDArray[np.float32], value: NDArray[Any], chroma: NDArray[Any]) -> NDArray[np.float32]:
    """Hue in degrees, 0 for red."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    safe = np.maximum(chroma, 1e-6)
    sixth = np.where(value == red, (green - blue) / safe % 6, np.where(value == green, (blue - red) / safe + 2,
                     (red - green) / safe + 4))  # fmt: skip
    hue: NDArray[np.float32] = (60.0 * sixth) % 360.0
    return hue


def name_color(patch: NDArray[np.uint8]) -> str:
    """The most frequent colour of a patch (H, W, 3), within its inscribed ellipse: corners usually show the background.

    Raises:
        ValueError: The patch has no pixels.
    """
    height, width = patch.shape[:2]
    if not height * width:
        raise ValueError(f"The patch has no pixels: its shape is {patch.shape}.")
    y = (np.arange(height) + 0.5) / height * 2.0 - 1.0
    x = (np.arange(width) + 0.5) / width * 2.0 - 1.0
    votes = np.zeros(len(BASIC_COLORS), dtype=np.intp)
    top = 0
    for block in split_rows(patch):
        inside = x[None, :] ** 2 + y[top : top + len(block), None] ** 2 <= 1.0
        votes += np.bincount(classify_colors(block[inside]), minlength=len(BASIC_COLORS))
        top += len(block)
    return BASIC_COLORS[int(votes.argmax())]
