"""Grounds of a picture: skies, land, sea, rooms, streets and plain paper."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, sin
from random import Random

from PIL import Image, ImageDraw

from generators.adapters.sketch.scene import Backdrop
from generators.adapters.sketch.styles import Rgb, Style, measure_lightness, mix, parse_hex

# Each sky from the zenith down to the horizon.
SKIES: dict[str, tuple[str, ...]] = {
    "day": ("7db6c4", "b9d8d0", "f3e6c8"),
    "dusk": ("6f5387", "e0735f", "f6c27c"),
    "night": ("121a3a", "25345f", "4a5c88"),
}

# Each land from the far layer to the near one.
LANDS: dict[str, tuple[str, ...]] = {
    "meadow": ("b4cb8a", "93b56c", "74a058"),
    "forest": ("a7bf98", "7fa37a", "5d8a62"),
    "desert": ("efd6a4", "e6bd80", "d7a562"),
    "snow": ("dfe9ee", "ecf3f5", "fbfcfa"),
    "sea": ("6aa9b2", "4a8ba0", "356f8e"),
    "beach": ("6aa9b2", "4a8ba0", "efd9a8"),
    "street": ("d9cfc0", "c5bdb2", "85858c"),
    "room": ("e9d3b0", "dcc096", "b07f55"),
    "sky": ("e6e3d2",) * 3,
}

PLAIN_COLORS = ("e9c9a0", "cfdcc6", "f0d2bd", "bfd6d6", "efdda6", "d8cfe0", "e8e0cd")
# Reflectance of the land for red, green and blue.
LIGHT_OF_TIME = {"day": (1.0, 1.0, 1.0), "dusk": (0.9, 0.72, 0.76), "night": (0.3, 0.42, 0.58)}


@dataclass(frozen=True)
class Ground:
    """The canvas, style and light of a ground. Sizes are in pixels of the enlarged canvas."""

    canvas: Image.Image
    draw: ImageDraw.ImageDraw
    style: Style
    time: str
    horizon: float
    rng: Random
    occupied: frozenset[str]

    @property
    def width(self) -> int:
        return self.canvas.width

    @property
    def height(self) -> int:
        return self.canvas.height

    @property
    def side(self) -> int:
        return min(self.canvas.size)

    @property
    def is_dark_style(self) -> bool:
        return measure_lightness(self.style.ground_ink) < 128

    def tint(self, color: Rgb) -> Rgb:
        """A natural colour, in the light of the time of day and the inks of the style."""
        red, green, blue = (round(c * light) for c, light in zip(color, LIGHT_OF_TIME[self.time], strict=True))
        return self.soften((red, green, blue))

    def soften(self, color: Rgb) -> Rgb:
        """Blend a colour with the style's ground; less at night, which pale paper would turn grey."""
        pale_night = self.time == "night" and not self.is_dark_style
        return mix(color, self.style.ground_ink, self.style.ground_mix * (0.35 if pale_night else 1.0))

    def lift(self, color: Rgb, amount: float) -> Rgb:
        """A lighter colour; only slightly lighter if the style has a dark ground."""
        return mix(color, self.style.paper, amount * (0.25 if self.is_dark_style else 1.0))


def paint_ground(
    size: tuple[int, int], style: Style, backdrop: Backdrop, horizon: float, *, rng: Random, occupied: frozenset[str]
) -> Image.Image:
    """A picture of ``backdrop`` without objects. ``occupied`` are kinds of objects that must not be doubled."""
    canvas = Image.new("RGB", size, style.paper)
    ground = Ground(canvas, ImageDraw.Draw(canvas, "RGBA"), style, backdrop.time or "day", horizon, rng, occupied)
    if backdrop.place in {None, "studio"} and backdrop.time is None:
        _paint_plain(ground, backdrop.color, floor=backdrop.place == "studio")
    else:
        _paint_sky(ground, backdrop.color, meets_land=backdrop.place != "sky")
        painter = _PAINTERS.get(backdrop.place or "meadow", _paint_hills)
        painter(ground, LANDS[backdrop.place or "meadow"])
    if style.grid:
        _rule_grid(ground)
    return canvas


def _paint_gradient(ground: Ground, colors: list[Rgb], top: float, bottom: float) -> None:
    """Vertical colour steps so fine that they read as a gradient."""
    bands = ground.style.bands
    for band in range(bands):
        place = band / (bands - 1) * (len(colors) - 1)
        index = min(int(place), len(colors) - 2)
        y = top + (bottom - top) * band / bands
        color = mix(colors[index], colors[index + 1], place - index)
        ground.draw.rectangle((0, y, ground.width, y + (bottom - top) / bands + 1), fill=color)


def _paint_plain(ground: Ground, color: str | None, *, floor: bool) -> None:
    """One colour, a little lighter at the top, and a darker floor for things that stand."""
    base = ground.style.inks[color] if color else parse_hex(ground.rng.choice(PLAIN_COLORS))
    if color is None:
        base = mix(base, ground.style.ground_ink, 0.88 if ground.is_dark_style else ground.style.ground_mix)
    elif ground.style.fill_mix:
        base = mix(base, ground.style.ground_ink, 0.7)
    _paint_gradient(ground, [ground.lift(base, 0.22), base], 0, ground.height)
    if floor:
        color_of_floor = mix(base, mix(ground.style.ink, (150, 80, 60), 0.5), 0.22)
        ground.draw.rectangle((0, ground.horizon, ground.width, ground.height), fill=color_of_floor)
        _ink_line(ground, [(0, ground.horizon), (ground.width, ground.horizon)])


def _paint_sky(ground: Ground, color: str | None, *, meets_land: bool) -> None:
    colors = [ground.soften(parse_hex(code)) for code in SKIES[ground.time]]
    if color:
        ink = ground.style.inks[color]
        ink = mix(ink, ground.style.ground_ink, 0.55) if ground.style.fill_mix else ink
        colors = [ink, mix(ink, ground.style.paper, 0.35)]
    _paint_gradient(ground, colors, 0, ground.horizon * 1.08 if meets_land else ground.height)
    if "cloud" not in ground.occupied and ground.time != "night":
        _draw_haze(ground)
    if ground.time == "night" and "star" not in ground.occupied:
        for _ in range(42):
            x, y = ground.rng.random() * ground.width, ground.rng.random() * ground.horizon * 0.92
            radius = ground.side * ground.rng.choice((0.0012, 0.0018, 0.0026))
            ground.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*ground.style.paper, 190))


def _draw_haze(ground: Ground) -> None:
    """Long flat streaks of cloud, too plain to look like objects."""
    for _ in range(5):
        x, y = ground.rng.uniform(-0.1, 0.9) * ground.width, ground.rng.uniform(0.08, 0.8) * ground.horizon
        length, height = ground.side * ground.rng.uniform(0.16, 0.42), ground.side * ground.rng.uniform(0.008, 0.016)
        for part in range(2):
            left, top = x + part * length * 0.28, y + part * height * 0.95
            bar = (left, top, left + length * (1 - 0.3 * part), top + height)
            ground.draw.rounded_rectangle(
                bar, height / 2, fill=(*ground.style.paper, 18 if ground.is_dark_style else 70)
            )


def _draw_ridge(ground: Ground, level: float, swing: float, color: Rgb) -> list[tuple[float, float]]:
    """Draw one layer of land below a wavy line. Returns the line."""
    phases = [(ground.rng.uniform(0, 2 * pi), ground.rng.uniform(0.7, 1.2)) for _ in range(3)]
    line = []
    for step in range(65):
        x = step / 64
        wave = sum(sin(2 * pi * x * rate * (n + 1) * 0.8 + phase) / (n + 1) for n, (phase, rate) in enumerate(phases))
        line.append((x * ground.width, level + wave * swing))
    ground.draw.polygon([*line, (ground.width, ground.height), (0, ground.height)], fill=color)
    _ink_line(ground, line)
    return line


def _ink_line(ground: Ground, line: list[tuple[float, float]]) -> None:
    style = ground.style
    if style.ridge_ink:
        ground.draw.line(
            line, fill=style.ridge_ink, width=max(1, round(style.outline * 0.6 * ground.side)), joint="curve"
        )


def _paint_hills(ground: Ground, codes: tuple[str, ...]) -> None:
    below = ground.height - ground.horizon
    for layer, code in enumerate(codes):
        level = ground.horizon + below * (-0.10, 0.12, 0.45)[layer]
        _draw_ridge(ground, level, ground.side * (0.030, 0.022, 0.018)[layer], ground.tint(parse_hex(code)))
    near = ground.tint(parse_hex(codes[2]))
    _scatter_tufts(ground, ground.lift(near, 0.3), mix(near, ground.style.ink, 0.3))


def _scatter_tufts(ground: Ground, light: Rgb, dark: Rgb) -> None:
    for _ in range(34):
        x = ground.rng.random() * ground.width
        y = ground.rng.uniform(ground.horizon + 0.2 * (ground.height - ground.horizon), ground.height)
        length = ground.side * ground.rng.uniform(0.007, 0.014)
        color = ground.rng.choice((light, dark))
        for lean in (-0.6, 0.0, 0.6):
            tip = (x + lean * length, y - length)
            ground.draw.line(((x + lean * length * 0.3, y), tip), fill=color, width=max(1, round(ground.side * 0.0022)))


def _paint_forest(ground: Ground, codes: tuple[str, ...]) -> None:
    far = ground.tint(parse_hex(codes[0]))
    if not ground.occupied & {"tree", "pine"}:
        for _ in range(16):
            x, width = ground.rng.random() * ground.width, ground.side * ground.rng.uniform(0.012, 0.03)
            color = ground.lift(far, ground.rng.uniform(0.1, 0.5))
            ground.draw.rectangle((x, 0, x + width, ground.horizon * 1.1), fill=color)
    _paint_hills(ground, codes)


def _paint_dunes(ground: Ground, codes: tuple[str, ...]) -> None:
    below = ground.height - ground.horizon
    for layer, code in enumerate(codes):
        color = ground.tint(parse_hex(code))
        level = ground.horizon + below * (-0.06, 0.18, 0.5)[layer]
        line = _draw_ridge(ground, level, ground.side * (0.022, 0.030, 0.026)[layer], color)
        shade = [(x, y + ground.side * 0.05 * (1 + sin(x / ground.width * 7 + layer * 2))) for x, y in line]
        ground.draw.polygon([*line, *reversed(shade)], fill=ground.lift(color, 0.22))


def _paint_snow(ground: Ground, codes: tuple[str, ...]) -> None:
    below = ground.height - ground.horizon
    for layer, code in enumerate(codes):
        level = ground.horizon + below * (-0.08, 0.16, 0.5)[layer]
        _draw_ridge(ground, level, ground.side * 0.024, ground.tint(parse_hex(code)))
    for _ in range(70):
        x, y = ground.rng.random() * ground.width, ground.rng.random() * ground.height
        radius = ground.side * ground.rng.choice((0.0022, 0.0032, 0.0046))
        ground.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*ground.style.paper, 215))


def _paint_sea(ground: Ground, codes: tuple[str, ...]) -> None:
    colors = [ground.tint(parse_hex(code)) for code in codes]
    _paint_gradient(ground, colors, ground.horizon, ground.height)
    _ink_line(ground, [(0, ground.horizon), (ground.width, ground.horizon)])
    _draw_waves(ground, ground.height, mix(colors[0], ground.style.paper, 0.4))


def _draw_waves(ground: Ground, bottom: float, color: Rgb) -> None:
    for _ in range(46):
        depth = ground.rng.random() ** 1.4
        y = ground.horizon + (bottom - ground.horizon) * (0.04 + 0.94 * depth)
        x, length = ground.rng.random() * ground.width, ground.side * (0.02 + 0.06 * depth)
        height = ground.side * (0.0016 + 0.004 * depth)
        crest = [(x + length * t / 12, y + height * sin(t / 12 * 2 * pi)) for t in range(13)]
        ground.draw.line(crest, fill=color, width=max(1, round(ground.side * (0.0015 + 0.002 * depth))), joint="curve")


def _paint_beach(ground: Ground, codes: tuple[str, ...]) -> None:
    water = [ground.tint(parse_hex(code)) for code in codes[:2]]
    shore = ground.horizon + 0.34 * (ground.height - ground.horizon)
    _paint_gradient(ground, water, ground.horizon, shore + 0.05 * ground.side)
    _draw_waves(ground, shore, mix(water[0], ground.style.paper, 0.4))
    foam = mix(water[0], ground.style.paper, 0.75)
    state = ground.rng.getstate()
    _draw_ridge(ground, shore, ground.side * 0.012, foam)
    ground.rng.setstate(state)  # the sand follows the line of the foam
    _draw_ridge(ground, shore + ground.side * 0.014, ground.side * 0.012, ground.tint(parse_hex(codes[2])))


def _paint_street(ground: Ground, codes: tuple[str, ...]) -> None:
    far, pavement, road = (ground.tint(parse_hex(code)) for code in codes)
    for layer, amount in enumerate((0.45, 0.1)):
        x, color = -0.05 * ground.width, ground.lift(far, amount)
        color = mix(color, ground.style.ink, 0.12 * layer)
        while x < ground.width:
            width = ground.width * ground.rng.uniform(0.06, 0.13)
            top = ground.horizon - ground.side * ground.rng.uniform(0.08, 0.3 - 0.1 * layer)
            ground.draw.rectangle((x, top, x + width, ground.horizon), fill=color)
            if layer:
                _draw_windows(ground, (x, top, x + width, ground.horizon), ground.lift(color, 0.6))
            x += width
    curb = ground.horizon + 0.66 * (ground.height - ground.horizon)
    ground.draw.rectangle((0, ground.horizon, ground.width, curb), fill=pavement)
    ground.draw.rectangle((0, curb, ground.width, ground.height), fill=road)
    ground.draw.rectangle((0, curb, ground.width, curb + ground.side * 0.008), fill=mix(road, ground.style.ink, 0.3))
    _ink_line(ground, [(0, ground.horizon), (ground.width, ground.horizon)])


def _draw_windows(ground: Ground, wall: tuple[float, float, float, float], color: Rgb) -> None:
    left, top, right, bottom = wall
    step = ground.side * 0.026
    for row in range(1, int((bottom - top) / step)):
        for column in range(1, int((right - left) / step)):
            x, y = left + column * step, top + row * step
            if ground.rng.random() < 0.55:
                ground.draw.rectangle((x - step * 0.2, y - step * 0.28, x + step * 0.2, y + step * 0.28), fill=color)


def _paint_room(ground: Ground, codes: tuple[str, ...]) -> None:
    wall, panel, floor = (ground.tint(parse_hex(code)) for code in codes)
    _paint_gradient(ground, [ground.lift(wall, 0.3), wall], 0, ground.horizon)
    stripes = 18
    for stripe in range(0, stripes, 2):
        left, right = stripe * ground.width / stripes, (stripe + 1) * ground.width / stripes
        ground.draw.rectangle((left, 0, right, ground.horizon), fill=(*panel, 70))
    ground.draw.rectangle((0, ground.horizon, ground.width, ground.height), fill=floor)
    for board in range(1, 5):
        y = ground.horizon + (ground.height - ground.horizon) * (board / 5) ** 1.3
        ground.draw.line(
            ((0, y), (ground.width, y)), fill=mix(floor, ground.style.ink, 0.14), width=max(1, ground.side // 500)
        )
    _draw_window(ground, ground.lift(wall, 0.55), mix(panel, ground.style.ink, 0.06))
    skirting = ground.side * 0.022
    ground.draw.rectangle((0, ground.horizon - skirting, ground.width, ground.horizon), fill=ground.lift(wall, 0.6))
    _ink_line(ground, [(0, ground.horizon), (ground.width, ground.horizon)])


def _draw_window(ground: Ground, glass: Rgb, frame: Rgb) -> None:
    """A tall window in the tones of the wall."""
    width, height = 0.24 * ground.side, 0.42 * ground.side
    left = ground.rng.choice((0.1, 0.38, 0.66)) * ground.width
    top = max(0.08 * ground.height, 0.5 * (ground.horizon - height))
    bottom = min(top + height, ground.horizon - 0.06 * ground.side)
    ground.draw.rounded_rectangle((left, top, left + width, bottom), width * 0.06, fill=frame)
    rim, cross = width * 0.06, width * 0.025
    ground.draw.rectangle((left + rim, top + rim, left + width - rim, bottom - rim), fill=glass)
    ground.draw.rectangle((left + width / 2 - cross, top, left + width / 2 + cross, bottom), fill=frame)
    middle = top + (bottom - top) * 0.4
    ground.draw.rectangle((left, middle - cross, left + width, middle + cross), fill=frame)


def _paint_open_sky(ground: Ground, codes: tuple[str, ...]) -> None:
    """Sky down to the lower edge, with a bank of haze."""
    haze = ground.lift(ground.tint(parse_hex(codes[0])), 0.25)
    for layer in range(3):
        level = ground.height * (0.86 + 0.05 * layer)
        _draw_ridge(ground, level, ground.side * 0.02, ground.lift(haze, 0.2 * layer))


def _rule_grid(ground: Ground) -> None:
    """The fine and bold lines of drafting paper."""
    step = ground.side / 32
    for axis, length in enumerate((ground.width, ground.height)):
        for count in range(1, int(length / step) + 1):
            at = count * step
            ends = ((at, 0), (at, ground.height)) if axis == 0 else ((0, at), (ground.width, at))
            ground.draw.line(ends, fill=(255, 255, 255, 52 if count % 4 == 0 else 22), width=2)


_PAINTERS: dict[str, Callable[[Ground, tuple[str, ...]], None]] = {
    "meadow": _paint_hills,
    "forest": _paint_forest,
    "desert": _paint_dunes,
    "snow": _paint_snow,
    "sea": _paint_sea,
    "beach": _paint_beach,
    "street": _paint_street,
    "room": _paint_room,
    "sky": _paint_open_sky,
}
