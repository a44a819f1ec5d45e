"""Abstract compositions, for prompts without a word that the sketch adapter knows."""

from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw

from generators.adapters.sketch.brush import Outlined
from generators.adapters.sketch.drawing import Mark, draw_marks, enlarge
from generators.adapters.sketch.ground import paint_ground
from generators.adapters.sketch.scene import Backdrop
from generators.adapters.sketch.shapes import Piece, arc, box, disc, poly, turned
from generators.adapters.sketch.styles import STYLES, Style, mix

TILES = 4
SIDE_MARGIN = 0.1

# Every motif fills a tile of -100..100 and can be rotated by quarter turns.
MOTIFS: dict[str, Callable[[], tuple[Piece, ...]]] = {
    "quarter": lambda: (poly("main", (-100, -100), *arc(-100, -100, 200, 200, 0, 90)),),
    "quarters": lambda: (
        poly("main", (-100, -100), *arc(-100, -100, 200, 200, 0, 90)),
        poly("light", (-100, -100), *arc(-100, -100, 128, 128, 0, 90)),
        poly("deep", (-100, -100), *arc(-100, -100, 60, 60, 0, 90)),
    ),
    "half": lambda: (poly("main", *arc(0, -100, 100, 100, 0, 180)), poly("light", *arc(0, 0, 100, 100, 0, 180))),
    "disc": lambda: (disc("main", 0, 0, 84), disc("light", 0, 0, 40)),
    "leaf": lambda: (
        poly("main", *arc(-100, 100, 200, 200, -90, 0), *arc(100, -100, 200, 200, 90, 180)),
        poly("shade", *arc(-100, 100, 200, 200, -90, 0), (100, 100), (-100, -100)),
    ),
    "triangles": lambda: (
        poly("main", (-100, -100), (100, -100), (-100, 100)),
        poly("shade", (-100, 100), (0, 0), (100, 100)),
    ),
    "bars": lambda: tuple(box("main", -100 + 50 * n, -100, -75 + 50 * n, 100) for n in range(4)),
    "dots": lambda: tuple(disc("main", -60 + 60 * (n % 3), -60 + 60 * (n // 3), 16) for n in range(9)),
}


def draw_abstract(
    style_name: str, size: tuple[int, int], missing: float, rng: Random
) -> tuple[Image.Image, list[dict[str, str]]]:
    """Draw a grid of simple motifs, each left out with probability ``missing``. Returns the picture and the motifs."""
    style, large = STYLES[style_name], enlarge(size)
    canvas = paint_ground(large, style, Backdrop(), large[1], rng=rng, occupied=frozenset())
    palette = rng.sample(["red", "orange", "yellow", "teal", "blue", "pink", "green", "purple", "black", "beige"], 5)
    tile = min(large) * (1 - 2 * SIDE_MARGIN) / TILES
    columns, rows = (max(TILES, int(length * (1 - 2 * SIDE_MARGIN) / tile + 1e-6)) for length in large)
    left, top = (large[0] - columns * tile) / 2, (large[1] - rows * tile) / 2
    marks, motifs = [], []
    for number in range(columns * rows):
        center = (left + (number % columns + 0.5) * tile, top + (number // columns + 0.5) * tile)
        name, color, turn = rng.choice(list(MOTIFS)), rng.choice(palette), rng.choice((0, 90, 180, 270))
        _paint_tile(canvas, center, tile, style, rng)
        if rng.random() >= missing:
            marks.append(_make_mark(name, color, turn, center, tile))
            motifs.append({"motif": name, "color": color})
    return draw_marks(canvas, marks, style, size, rng), motifs


def _paint_tile(canvas: Image.Image, center: tuple[float, float], tile: float, style: Style, rng: Random) -> None:
    x, y = center
    ground = canvas.getpixel((round(x), round(y)))
    if rng.random() < 0.6 and isinstance(ground, tuple):
        shade = mix((int(ground[0]), int(ground[1]), int(ground[2])), rng.choice((style.paper, style.ink)), 0.16)
        ImageDraw.Draw(canvas).rectangle((x - tile / 2, y - tile / 2, x + tile / 2, y + tile / 2), fill=shade)


def _make_mark(name: str, color: str, turn: int, center: tuple[float, float], tile: float) -> Mark:
    unit = tile / 200
    pieces = [
        Outlined(
            piece.tone, [(center[0] + x * unit, center[1] + y * unit) for x, y in turned(piece, turn).points], 0, True
        )
        for piece in MOTIFS[name]()
    ]
    return Mark(pieces, color, center, (tile, tile))
