"""Pictograms and the curves that they are built from. Coordinates are -100..100, y downwards."""

from dataclasses import dataclass
from functools import cached_property
from math import cos, pi, sin

Point = tuple[float, float]
Box = tuple[float, float, float, float]
STEPS_OF_A_TURN = 64


@dataclass(frozen=True)
class Piece:
    """One area of a pictogram, or a stroke where ``width`` is given. ``tone`` is relative to the object's colour."""

    tone: str
    points: tuple[Point, ...]
    width: float = 0.0
    closed: bool = True


@dataclass(frozen=True)
class Pictogram:
    """A drawing and its role in a picture.

    ``color`` is its natural colour and ``habitat`` its place: sky, ground, water or any.
    ``scale`` is its size relative to a house (1.0), ``label`` the part that can carry lettering.
    """

    pieces: tuple[Piece, ...]
    color: str
    habitat: str = "any"
    scale: float = 0.8
    label: Box | None = None
    mirrors: bool = False
    tilt: float = 0.0

    @cached_property
    def bounds(self) -> Box:
        """Left, top, right, bottom of everything drawn."""
        spans = [(x, y, piece.width / 2) for piece in self.pieces for x, y in piece.points]
        return (
            min(x - w for x, _, w in spans),
            min(y - w for _, y, w in spans),
            max(x + w for x, _, w in spans),
            max(y + w for _, y, w in spans),
        )


def disc(tone: str, x: float, y: float, rx: float, ry: float | None = None) -> Piece:
    """A filled circle or ellipse."""
    return Piece(tone, arc(x, y, rx, rx if ry is None else ry, 0, 360))


def hoop(tone: str, width: float, x: float, y: float, radius: float) -> Piece:
    """A circle drawn with a stroke."""
    return Piece(tone, arc(x, y, radius, radius, 0, 360), width)


def bow(tone: str, width: float, x: float, y: float, rx: float, ry: float, start: float, end: float) -> Piece:
    """A stroke along an arc."""
    return Piece(tone, arc(x, y, rx, ry, start, end), width, closed=False)


def box(tone: str, left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> Piece:
    """A rectangle, its corners rounded by ``radius``."""
    if radius == 0.0:
        return Piece(tone, ((left, top), (right, top), (right, bottom), (left, bottom)))
    corners = ((right, top, -90), (right, bottom, 0), (left, bottom, 90), (left, top, 180))
    points: list[Point] = []
    for x, y, start in corners:
        center_x = x - radius if x == right else x + radius
        center_y = y - radius if y == bottom else y + radius
        points += arc(center_x, center_y, radius, radius, start, start + 90, steps=6)
    return Piece(tone, tuple(points))


def poly(tone: str, *points: Point) -> Piece:
    """A polygon with straight edges."""
    return Piece(tone, points)


def blob(tone: str, *points: Point) -> Piece:
    """A closed smooth curve through the points."""
    return Piece(tone, _smooth(points, closed=True))


def line(tone: str, width: float, *points: Point) -> Piece:
    """A smooth stroke through the points."""
    return Piece(tone, points if len(points) == 2 else _smooth(points, closed=False), width, closed=False)


def spikes(tone: str, x: float, y: float, count: int, outer: float, inner: float, turn: float = -90.0) -> Piece:
    """A star with ``count`` points."""
    points = []
    for step in range(2 * count):
        angle, radius = (turn + step * 180 / count) * pi / 180, inner if step % 2 else outer
        points.append((x + radius * cos(angle), y + radius * sin(angle)))
    return Piece(tone, tuple(points))


def regular(tone: str, x: float, y: float, corners: int, radius: float, turn: float = -90.0) -> Piece:
    """A regular polygon."""
    angles = ((turn + step * 360 / corners) * pi / 180 for step in range(corners))
    return Piece(tone, tuple((x + radius * cos(angle), y + radius * sin(angle)) for angle in angles))


def turned(piece: Piece, degrees: float) -> Piece:
    """The piece rotated clockwise about the origin."""
    c, s = cos(degrees * pi / 180), sin(degrees * pi / 180)
    return Piece(piece.tone, tuple((x * c - y * s, x * s + y * c) for x, y in piece.points), piece.width, piece.closed)


def repeated(piece: Piece, count: int) -> tuple[Piece, ...]:
    """The piece ``count`` times around the origin."""
    return tuple(turned(piece, 360 * step / count) for step in range(count))


def arc(
    x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int | None = None
) -> tuple[Point, ...]:
    """Points along an arc. Degrees, clockwise from three o'clock."""
    count = steps or max(8, round(STEPS_OF_A_TURN * abs(end - start) / 360))
    whole = abs(end - start) >= 360
    angles = ((start + (end - start) * step / count) * pi / 180 for step in range(count if whole else count + 1))
    return tuple((x + rx * cos(angle), y + ry * sin(angle)) for angle in angles)


def _smooth(points: tuple[Point, ...], *, closed: bool, steps: int = 8) -> tuple[Point, ...]:
    """A Catmull-Rom curve through the points."""
    count = len(points)
    curve: list[Point] = []
    for index in range(count if closed else count - 1):
        window = [points[_clamp_index(index + offset, count, closed)] for offset in (-1, 0, 1, 2)]
        curve += [_interpolate(window, step / steps) for step in range(steps)]
    return tuple(curve) if closed else (*curve, points[-1])


def _clamp_index(index: int, count: int, closed: bool) -> int:
    return index % count if closed else min(max(index, 0), count - 1)


def _interpolate(window: list[Point], t: float) -> Point:
    a, b, c, d = window
    return _interpolate_axis(a[0], b[0], c[0], d[0], t), _interpolate_axis(a[1], b[1], c[1], d[1], t)


def _interpolate_axis(a: float, b: float, c: float, d: float, t: float) -> float:
    slope = c - a
    bend = 2 * a - 5 * b + 4 * c - d
    twist = 3 * b - a - 3 * c + d
    return 0.5 * (2 * b + t * (slope + t * (bend + t * twist)))
