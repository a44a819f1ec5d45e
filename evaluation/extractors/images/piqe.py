"""PIQE of an image in blocks of rows: the value of pypiqe, which needs 100 bytes a pixel for a whole image."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.extractors.images.rows import BLOCK

Gray = NDArray[np.uint8]

# Parameters of the definition: side of a block, rows that the Gaussian window reaches, and two thresholds.
SIDE: Final = 16
REACH: Final = 3
MIN_ACTIVITY: Final = 0.1
IMPAIRED: Final = 0.1
SEGMENT: Final = 6


def compute_piqe(gray: Gray) -> float | None:
    """PIQE of grey levels (H, W), 0 (best) to 100, equal to that of pypiqe; None if no block has detail.

    Source: Venkatanath et al. 2015, "Blind image quality evaluation using perception based features". pypiqe judges
    each block of 16 × 16 normalized levels; sides that are no multiples of 16 are continued by reflection.
    """
    criteria: Any = import_module("pypiqe.piqe")
    height, width = gray.shape
    rows, columns = (np.pad(np.arange(n), (0, -n % SIDE), mode="symmetric") for n in (height, width))
    step = max(1, BLOCK // (SIDE * len(columns))) * SIDE
    peak, n_active, distortion = gray.max(), 0, 0.0
    # pypiqe divides 0 by 0 in uniform blocks and corrects the result itself.
    with np.errstate(all="ignore"):
        for top in range(0, len(rows), step):
            above = min(REACH, top)
            part = gray[rows[top - above : top + step + REACH]][:, columns]
            levels = _normalize(np.round(255 * (part / peak)))[above : above + step]
            for block in _find_active(levels):
                variance = float(np.var(block, ddof=1))
                if variance > MIN_ACTIVITY:
                    n_active += 1
                    distortion += _judge(criteria, block, variance)
    return (distortion + 1) / (1 + n_active) * 100 if n_active else None


def _normalize(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels less their local mean, over their local deviation."""
    import cv2

    def blur(values: NDArray[np.float64]) -> Any:
        return cv2.GaussianBlur(values, ksize=(7, 7), sigmaX=7 / 6, borderType=cv2.BORDER_REPLICATE)

    mean = blur(levels)
    normalized: NDArray[np.float64] = (levels - mean) / (np.sqrt(np.abs(blur(levels * levels) - mean * mean)) + 1)
    return normalized


def _find_active(levels: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """The blocks that may be active, row by row. Others are sorted out together, which is much faster."""
    height, width = levels.shape
    blocks = levels.reshape(height // SIDE, SIDE, width // SIDE, SIDE)
    for row, column in np.argwhere(blocks.var(axis=(1, 3), ddof=1) > 0.99 * MIN_ACTIVITY):
        yield blocks[row, :, column]


def _judge(criteria: Any, block: NDArray[np.float64], variance: float) -> float:
    """The distortion of an active block: artefacts at its edges, and noise."""
    segments = SIDE - SEGMENT + 1
    impaired = criteria.noticeDistCriterion(block, segments, SIDE - 1, SEGMENT, IMPAIRED, SIDE)
    deviation, ratio = criteria.noiseCriterion(block, SIDE - 1, variance)
    return float((1 - variance) * bool(impaired) + variance * bool(deviation > 2 * ratio))
