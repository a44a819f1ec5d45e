"""Sizes that a provider can draw: the nearest one to the requested size."""

from collections.abc import Sequence
from math import log, sqrt


def nearest_ratio(width: int, height: int, ratios: Sequence[str]) -> str:
    """The aspect ratio ("16:9") closest to that of width by height pixels.

    The distance is the difference of the ratios' logarithms, so that portrait and landscape are treated alike. Of
    equally near ratios, the first wins.
    """
    return min(ratios, key=lambda ratio: _shape_distance(width, height, *map(int, ratio.split(":"))))


def nearest_size(width: int, height: int, sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The size (width, height in pixels) with the nearest aspect ratio; among equal ratios, the nearest area."""
    return min(
        sizes,
        key=lambda size: (_shape_distance(width, height, *size), abs(log(size[0] * size[1] / (width * height)))),
    )


def fit_size(width: int, height: int, *, step: int, shortest: int, longest: int, area: int) -> tuple[int, int]:
    """Width and height in multiples of ``step``, with the wanted aspect ratio as far as the bounds allow.

    A side has ``shortest`` to ``longest`` pixels (multiples of ``step``), and the image at most ``area`` pixels.
    """
    shrink = min(1.0, sqrt(area / (width * height)), longest / max(width, height))
    scale = max(shrink, shortest / min(width, height))
    sides = [min(longest, max(shortest, round(side * scale / step) * step)) for side in (width, height)]
    while sides[0] * sides[1] > area:
        sides[sides.index(max(sides))] -= step
    return sides[0], sides[1]


def _shape_distance(width: int, height: int, other_width: int, other_height: int) -> float:
    # Rounded, so that 3:2 and 6:4 are equal in floating point.
    return round(abs(log(width * other_height / (height * other_width))), 9)
