"""The drawing of a picture: ground, shadows, objects, lettering and finish, in this order."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw, ImageFilter

from generators.adapters.sketch.brush import Outlined, draw_pieces, draw_silhouette, find_fill, trace_pieces
from generators.adapters.sketch.finish import add_flecks, add_glow, add_streaks, shade_objects
from generators.adapters.sketch.ground import paint_ground
from generators.adapters.sketch.layout import Group, Layout, Placed, arrange
from generators.adapters.sketch.lettering import Lettering, draw_lettering
from generators.adapters.sketch.mistakes import Plan
from generators.adapters.sketch.pictograms import PICTOGRAMS
from generators.adapters.sketch.scene import Backdrop
from generators.adapters.sketch.shapes import Box
from generators.adapters.sketch.styles import STYLES, Rgb, Style, measure_lightness

SUPERSAMPLING = 2
HALO_BELOW = 100  # colour distance to the ground below which an object gets a paper line around it


@dataclass(frozen=True)
class Mark:
    """One drawing on the canvas. ``extent`` is its width and height, ``label`` the box of its lettering."""

    pieces: Sequence[Outlined]
    color: str
    center: tuple[float, float]
    extent: tuple[float, float]
    lettering: Sequence[Lettering] = ()
    label: Box | None = None


def draw_plan(
    plan: Plan, backdrop: Backdrop, style_name: str, size: tuple[int, int], rng: Random
) -> tuple[Image.Image, Layout]:
    """Draw the plan. Returns the finished picture and the layout, in pixels of the enlarged canvas."""
    style, large = STYLES[style_name], enlarge(size)
    place = backdrop.place or _choose_place(plan, backdrop)
    layout = arrange(list_groups(plan), *large, place=place, rng=rng)
    kinds = frozenset(planned.asked.kind for planned in plan.objects)
    backdrop = Backdrop(place, backdrop.time, backdrop.color)
    canvas = paint_ground(large, style, backdrop, layout.horizon, rng=rng, occupied=kinds)
    marks = [make_mark(thing, plan, style, min(large), rng) for thing in layout.placed]
    return draw_marks(canvas, marks, style, size, rng), layout


def enlarge(size: tuple[int, int]) -> tuple[int, int]:
    """The size of the canvas that becomes a picture of ``size``."""
    return size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING


def draw_marks(
    canvas: Image.Image, marks: Sequence[Mark], style: Style, size: tuple[int, int], rng: Random
) -> Image.Image:
    """Draw the marks on a painted ground and finish the picture."""
    if style.margin:
        _draw_margin(canvas, style, rng)
    if style.shadow and marks:
        _cast_shadows(canvas, marks, style)
    # Decided by colour, so that either all or none of several equal things have a paper line.
    pale = {mark.color for mark in marks if _blends_in(canvas, mark.center, style.inks[mark.color])}
    for mark in marks:
        _draw_mark(canvas, mark, style, mark.color in pale, rng)
    return _finish(canvas, marks, style, size, rng)


def _choose_place(plan: Plan, backdrop: Backdrop) -> str | None:
    """The place of a scene that names none: things that stand need ground."""
    stands = any(PICTOGRAMS[planned.asked.kind].habitat == "ground" for planned in plan.objects)
    if backdrop.time:
        return "meadow" if stands else "sky"
    return "studio" if stands else None


def list_groups(plan: Plan) -> list[Group]:
    return [
        Group(
            index,
            planned.asked.kind,
            len(planned.things),
            planned.asked.size,
            planned.position,
            planned.relation,
            lettered=bool(planned.asked.texts),
        )
        for index, planned in enumerate(plan.objects)
        if planned.things
    ]


def make_mark(thing: Placed, plan: Plan, style: Style, side: int, rng: Random) -> Mark:
    planned, pictogram = plan.objects[thing.index].things[thing.instance], PICTOGRAMS[thing.kind]
    label = None
    if pictogram.label:
        left, top, right, bottom = pictogram.bounds
        x, y = thing.x - (left + right) / 2 * thing.unit, thing.y - (top + bottom) / 2 * thing.unit
        label = (
            x + pictogram.label[0] * thing.unit,
            y + pictogram.label[1] * thing.unit,
            x + pictogram.label[2] * thing.unit,
            y + pictogram.label[3] * thing.unit,
        )
    pieces = trace_pieces(thing, style, side, rng)
    return Mark(pieces, planned.color, (thing.x, thing.y), (thing.width, thing.height), planned.lettering, label)


def _draw_margin(canvas: Image.Image, style: Style, rng: Random) -> None:
    """Leave a slightly uneven border of paper, as in a print."""
    width, height = canvas.size
    inset = style.margin * min(canvas.size)
    shake = inset * 0.1 if style.wobble else 0.0
    inner = ((inset, inset), (width - inset, inset), (width - inset, height - inset), (inset, height - inset))
    outer = ((0, 0), (width, 0), (width, height), (0, height))
    draw = ImageDraw.Draw(canvas)
    for side in range(4):
        (ax, ay), (bx, by) = inner[side], inner[(side + 1) % 4]
        edge = [(ax + (bx - ax) * step / 24, ay + (by - ay) * step / 24) for step in range(25)]
        edge = [(x + rng.uniform(-shake, shake), y + rng.uniform(-shake, shake)) for x, y in edge]
        draw.polygon([outer[side], inner[side], *edge, inner[(side + 1) % 4], outer[(side + 1) % 4]], fill=style.paper)


def _cast_shadows(canvas: Image.Image, marks: Sequence[Mark], style: Style) -> None:
    """Draw soft shadows to the lower right, at low resolution because they are blurred."""
    scale, side = 4, min(canvas.size)
    small = Image.new("L", (max(1, canvas.width // scale), max(1, canvas.height // scale)), 0)
    draw, shift = ImageDraw.Draw(small), 0.011 * side
    for mark in marks:
        moved = [
            Outlined(
                piece.tone,
                [((x + shift) / scale, (y + shift * 1.3) / scale) for x, y in piece.points],
                piece.width / scale,
                piece.closed,
            )
            for piece in mark.pieces
        ]
        draw_silhouette(draw, moved, round(255 * style.shadow))
    small = small.filter(ImageFilter.GaussianBlur(0.008 * side / scale))
    if touched := small.getbbox():
        left, top, right, bottom = touched
        size = ((right - left) * scale, (bottom - top) * scale)
        canvas.paste(
            style.ink, (left * scale, top * scale), small.crop(touched).resize(size, Image.Resampling.BILINEAR)
        )


def _draw_mark(canvas: Image.Image, mark: Mark, style: Style, blends_in: bool, rng: Random) -> None:
    color, side = style.inks[mark.color], min(canvas.size)
    # Small things get thinner lines, so that their details stay visible.
    thinness = min(1.0, max(0.45, (max(mark.extent) / side / 0.32) ** 0.5))
    halo = 0.0045 * side if blends_in and not style.outline else 0.0
    draw_pieces(ImageDraw.Draw(canvas), mark.pieces, color, style, style.outline * side * thinness, halo)
    if mark.lettering and mark.label:
        draw_lettering(canvas, mark.label, mark.lettering, _find_letter_color(color, style), rng)


def _blends_in(canvas: Image.Image, center: tuple[float, float], color: Rgb) -> bool:
    x = min(max(round(center[0]), 0), canvas.width - 1)
    y = min(max(round(center[1]), 0), canvas.height - 1)
    ground = canvas.getpixel((x, y))
    return isinstance(ground, tuple) and sum(abs(a - b) for a, b in zip(ground, color, strict=True)) < HALO_BELOW


def _find_letter_color(color: Rgb, style: Style) -> Rgb:
    """Paper or ink, whichever stands out more on a face of this colour."""
    face = measure_lightness(find_fill(color, style))
    return max((style.paper, style.ink), key=lambda letters: abs(measure_lightness(letters) - face))


def _finish(
    canvas: Image.Image, marks: Sequence[Mark], style: Style, size: tuple[int, int], rng: Random
) -> Image.Image:
    image = canvas.resize(size, Image.Resampling.HAMMING)
    # Lettered faces are not shaded, so that the text stays legible.
    shaded = [mark for mark in marks if not mark.lettering]
    if shaded:
        mask = Image.new("L", canvas.size, 0)
        draw = ImageDraw.Draw(mask)
        for mark in shaded:
            draw_silhouette(draw, mark.pieces, 255)
        reach = 0.2 * sum(min(mark.extent) for mark in shaded) / len(shaded) / SUPERSAMPLING
        reach = max(2.0, min(reach, 0.1 * min(size)))
        image = shade_objects(image, mask.reduce(SUPERSAMPLING), style, reach, rng)
    if style.glow:
        image = add_glow(image, style.glow)
    if style.streaks:
        image = add_streaks(image, style, rng)
    return add_flecks(image, style.grain, rng) if style.grain else image
