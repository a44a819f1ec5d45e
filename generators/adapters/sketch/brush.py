"""The brush: draws one pictogram in a style."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import cos, hypot, pi, sin
from random import Random

from PIL import ImageDraw

from generators.adapters.sketch.layout import Placed
from generators.adapters.sketch.pictograms import PICTOGRAMS
from generators.adapters.sketch.shapes import Piece, Point
from generators.adapters.sketch.styles import Rgb, Style, measure_lightness, mix

Polygon = list[Point]


@dataclass(frozen=True)
class Outlined:
    """A piece in pixels."""

    tone: str
    points: Polygon
    width: float
    closed: bool


def trace_pieces(thing: Placed, style: Style, side: int, rng: Random) -> list[Outlined]:
    """The pieces of a placed thing in pixels, distorted by the style's wobble."""
    pictogram = PICTOGRAMS[thing.kind]
    left, top, right, bottom = pictogram.bounds
    center_x, center_y = (left + right) / 2, (top + bottom) / 2
    c, s = cos(thing.angle * pi / 180), sin(thing.angle * pi / 180)
    flip = -1 if thing.mirrored else 1

    def move(point: Point) -> Point:
        x, y = (point[0] - center_x) * thing.unit * flip, (point[1] - center_y) * thing.unit
        return thing.x + x * c - y * s, thing.y + x * s + y * c

    traced = []
    for piece in pictogram.pieces:
        points = [move(point) for point in piece.points]
        if style.wobble:
            points = _shake(points, piece, style.wobble * side, side * 0.03, rng)
        traced.append(Outlined(piece.tone, points, piece.width * thing.unit, piece.closed))
    return traced


def _shake(points: Polygon, piece: Piece, amplitude: float, step: float, rng: Random) -> Polygon:
    """Cut long edges into short ones, then move the points along slow waves."""
    fine = list(_subdivide([*points, points[0]] if piece.closed else points, step))
    phases = [rng.uniform(0, 2 * pi) for _ in range(4)]
    if len(fine) > 2 and hypot(fine[-1][0] - fine[-2][0], fine[-1][1] - fine[-2][1]) < 0.4 * step:
        fine.pop(-2)  # two points close together would become a spike
    shaken, travelled, before = [], 0.0, fine[0]
    for point in fine:
        travelled += hypot(point[0] - before[0], point[1] - before[1]) / step
        before = point
        dx = sin(travelled * 0.7 + phases[0]) + 0.5 * sin(travelled * 1.9 + phases[1])
        dy = sin(travelled * 0.8 + phases[2]) + 0.5 * sin(travelled * 1.7 + phases[3])
        shaken.append((point[0] + amplitude * dx * 0.5, point[1] + amplitude * dy * 0.5))
    return shaken


def _subdivide(points: Polygon, step: float) -> Iterable[Point]:
    for (ax, ay), (bx, by) in pairwise(points):
        parts = max(1, int(hypot(bx - ax, by - ay) / step))
        for part in range(parts):
            yield ax + (bx - ax) * part / parts, ay + (by - ay) * part / parts
    yield points[-1]


def draw_silhouette(draw: ImageDraw.ImageDraw, pieces: Sequence[Outlined], fill: int) -> None:
    """Fill the area of all pieces."""
    for piece in pieces:
        if piece.width:
            _draw_stroke(draw, piece, piece.width, fill)
        else:
            draw.polygon(piece.points, fill=fill)


def draw_pieces(
    draw: ImageDraw.ImageDraw, pieces: Sequence[Outlined], color: Rgb, style: Style, outline: float, halo: float = 0.0
) -> None:
    """Draw the pieces from back to front. ``halo`` is the width of a paper line around all of them."""
    if halo:
        for piece in pieces:
            _draw_outline(draw, piece, halo, style.paper)
    # Neighbouring pieces of one tone form one area: fills are drawn after all outlines and cover the inner lines.
    for tone, run in groupby(pieces, key=lambda piece: piece.tone):
        area = list(run)
        base = find_tone(tone, color, style)
        fill, edge = find_fill(base, style), find_edge(base, color, style)
        if outline and tone != "vapor":
            for piece in area:
                if _is_large(piece, outline):
                    _draw_outline(draw, piece, outline, edge)
        # Details too small for an outline are solid. Dark ones would be invisible on the dark fills of a line style.
        detail = edge if tone == "ink" and style.fill_mix else base
        for piece in area:
            inner = fill if not outline or _is_large(piece, outline) else detail
            if piece.width:
                _draw_stroke(draw, piece, piece.width, inner)
            else:
                draw.polygon(piece.points, fill=inner)


def _is_large(piece: Outlined, outline: float) -> bool:
    if piece.width:
        return piece.width > 2.4 * outline
    xs, ys = [x for x, _ in piece.points], [y for _, y in piece.points]
    return min(max(xs) - min(xs), max(ys) - min(ys)) > 3.2 * outline


def _draw_outline(draw: ImageDraw.ImageDraw, piece: Outlined, width: float, color: Rgb) -> None:
    if piece.width:
        _draw_stroke(draw, piece, piece.width + 2 * width, color)
    else:
        loop = [*piece.points, *piece.points[:2]]
        draw.line(loop, fill=color, width=max(1, round(2 * width)), joint="curve")


def _draw_stroke(draw: ImageDraw.ImageDraw, piece: Outlined, width: float, color: Rgb | int) -> None:
    points = [*piece.points, *piece.points[:2]] if piece.closed else piece.points
    draw.line(points, fill=color, width=max(1, round(width)), joint="curve")
    if not piece.closed:
        for x, y in (points[0], points[-1]):
            radius = width / 2 - 0.5
            if radius > 1:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def find_tone(tone: str, color: Rgb, style: Style) -> Rgb:
    """The plain colour of a tone on an object of ``color``."""
    inks = style.inks
    dark = measure_lightness(color) < 75
    match tone:
        case "light":
            return mix(color, style.paper, 0.25 if dark else 0.42)
        case "shade":
            return mix(color, style.paper, 0.14) if dark else mix(color, style.ink, 0.2)
        case "deep":
            return mix(color, style.paper, 0.24) if dark else mix(color, style.ink, 0.42)
        case "vapor":
            return mix(style.paper, inks["gray"], 0.12)
        case "glass":
            return mix(inks["teal"], style.paper, 0.5)
    fixed = {"paper": style.paper, "ink": style.ink, "wood": inks["brown"], "leaf": inks["green"],
             "warm": inks["yellow"], "blush": inks["pink"]}  # fmt: skip
    return fixed.get(tone, color)


def find_fill(base: Rgb, style: Style) -> Rgb:
    """The fill colour of an area; line styles fade it."""
    return mix(base, style.fill_ground, style.fill_mix)


def find_edge(base: Rgb, color: Rgb, style: Style) -> Rgb:
    """The colour of an area's outline."""
    if style.outline_ink is None:
        return mix(base, style.ink, 0.5)
    lines_glow = style.outline_mix == 1.0
    return mix(style.outline_ink, color if lines_glow and base == style.ink else base, style.outline_mix)
