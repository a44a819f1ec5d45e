"""Additions to an existing picture: their places, and a mask that keeps the rest of the picture unchanged."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from PIL import Image, ImageDraw, ImageFilter

from generators.adapters.sketch.brush import draw_silhouette
from generators.adapters.sketch.drawing import Mark, draw_marks, enlarge, list_groups, make_mark
from generators.adapters.sketch.layout import Group, Layout, Placed, arrange
from generators.adapters.sketch.mistakes import Plan
from generators.adapters.sketch.pictograms import PICTOGRAMS
from generators.adapters.sketch.shapes import Box
from generators.adapters.sketch.styles import STYLES

# The area for additions, in fractions of the picture: smaller than the picture, so that much of it stays visible.
BOXES: dict[str, Box] = {
    "top-left": (0.03, 0.04, 0.45, 0.44),
    "top": (0.29, 0.04, 0.71, 0.42),
    "top-right": (0.55, 0.04, 0.97, 0.44),
    "left": (0.03, 0.28, 0.42, 0.74),
    "center": (0.29, 0.28, 0.71, 0.74),
    "right": (0.58, 0.28, 0.97, 0.74),
    "bottom-left": (0.03, 0.55, 0.45, 0.97),
    "bottom": (0.29, 0.55, 0.71, 0.97),
    "bottom-right": (0.55, 0.55, 0.97, 0.97),
    "sky": (0.04, 0.03, 0.96, 0.42),
    "ground": (0.04, 0.52, 0.96, 0.97),
}
REACH = 0.03  # width of the border that shadow, glow and texture may change, as a fraction of the shorter side


def add_things(
    picture: Image.Image, plan: Plan, style_name: str, room: Box | None, rng: Random
) -> tuple[Image.Image, Layout]:
    """Draw the plan's things. Returns the picture and the layout, in pixels of the enlarged canvas.

    ``room`` is the part of the picture that may change, in fractions of it. Pixels away from the things do not change.
    """
    style, large = replace(STYLES[style_name], margin=0.0), enlarge(picture.size)
    placed = _arrange(list_groups(plan), large, room, rng)
    layout = Layout(tuple(placed), large[1])
    if not placed:
        return picture, layout
    marks = [make_mark(thing, plan, style, min(large), rng) for thing in placed]
    drawn = draw_marks(picture.resize(large, Image.Resampling.BICUBIC), marks, style, picture.size, rng)
    return Image.composite(drawn, picture, _find_surroundings(marks, picture.size)), layout


def _arrange(groups: Sequence[Group], size: tuple[int, int], room: Box | None, rng: Random) -> list[Placed]:
    if room:
        return _arrange_in(_scale(room, size), groups, rng)
    present = {group.index for group in groups}
    if any(present.intersection(group.relation.targets) for group in groups if group.relation):
        # Things with a relation to each other stay together.
        return _arrange_in(_scale(BOXES["ground"], size), groups, rng)
    regions: dict[str, list[Group]] = {}
    for group in groups:
        above = PICTOGRAMS[group.kind].habitat == "sky"
        region = group.position or ("sky" if above else "ground")
        regions.setdefault(region, []).append(replace(group, position=None, relation=None))
    placed = []
    for region, members in regions.items():
        left, top, right, bottom = BOXES[region]
        if region in {"sky", "ground"} and sum(group.count for group in members) == 1:
            left = rng.uniform(left, right - 0.42)
            right = left + 0.42
        placed += _arrange_in(_scale((left, top, right, bottom), size), members, rng)
    return placed


def _scale(box: Box, size: tuple[int, int]) -> Box:
    return box[0] * size[0], box[1] * size[1], box[2] * size[0], box[3] * size[1]


def _arrange_in(box: Box, groups: Sequence[Group], rng: Random) -> list[Placed]:
    left, top, right, bottom = box
    layout = arrange(groups, round(right - left), round(bottom - top), place=None, rng=rng)
    return [replace(thing, x=thing.x + left, y=thing.y + top) for thing in layout.placed]


def _find_surroundings(marks: Sequence[Mark], size: tuple[int, int]) -> Image.Image:
    """The marks and a soft edge around them, white on black."""
    silhouette = Image.new("L", enlarge(size), 0)
    draw = ImageDraw.Draw(silhouette)
    for mark in marks:
        draw_silhouette(draw, mark.pieces, 255)
    spread = silhouette.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(REACH * min(size)))
    return spread.point([min(255, value * 8) for value in range(256)])
