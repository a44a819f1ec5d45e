"""The layout of a scene: rows and columns without overlaps that keep its relations."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil, sqrt
from random import Random

from generators.adapters.sketch.pictograms import PICTOGRAMS
from generators.adapters.sketch.scene import Relation

SIZES: dict[str, float] = {"small": 0.62, "medium": 1.0, "large": 1.3}
SIDE_MARGIN = 0.075
GAP = 0.15  # between neighbours, as a fraction of the narrower one's width
LARGEST_UNIT = 0.6  # height of a single house, as a fraction of the shorter side
MOST_IN_A_ROW = 3  # kinds of things, if there is room for two rows
HERO_SHARE = 0.66  # of width or height, for a single thing
SMALLEST_STEP = 90
# Places without a horizon: things are spread over the whole height.
FULL_HEIGHT_PLACES = frozenset({None, "sky", "studio"})

_LEVELS = {"above": -1, "on": -1, "below": 1, "left_of": 0, "right_of": 0, "beside": 0, "between": 0}


@dataclass(frozen=True)
class Group:
    """A number of equal things to place. ``index`` is the object's index in the scene."""

    index: int
    kind: str
    count: int
    size: str = "medium"
    position: str | None = None
    relation: Relation | None = None
    lettered: bool = False

    @property
    def scale(self) -> float:
        emphasis = 1.25 if self.lettered and PICTOGRAMS[self.kind].scale < 1.2 else 1.0
        return PICTOGRAMS[self.kind].scale * SIZES[self.size] * emphasis


@dataclass(frozen=True)
class Placed:
    """One thing in the picture. ``unit`` is pixels per pictogram coordinate; x and y are its centre."""

    index: int
    instance: int
    kind: str
    x: float
    y: float
    unit: float
    width: float
    height: float
    angle: float = 0.0
    mirrored: bool = False


@dataclass(frozen=True)
class Layout:
    """All things from back to front, and the height at which land or floor begins."""

    placed: tuple[Placed, ...]
    horizon: float


@dataclass
class _Block:
    """A group as a small grid of equal cells."""

    group: Group
    unit: float
    rows: int
    x: float = 0.0

    @property
    def columns(self) -> int:
        return ceil(self.group.count / self.rows)

    @property
    def cell(self) -> tuple[float, float]:
        left, top, right, bottom = PICTOGRAMS[self.group.kind].bounds
        return (right - left) * self.unit * self.group.scale, (bottom - top) * self.unit * self.group.scale

    @property
    def gap(self) -> float:
        return GAP * min(self.cell)

    @property
    def width(self) -> float:
        return self.columns * (self.cell[0] + self.gap) - self.gap

    @property
    def height(self) -> float:
        return self.rows * (self.cell[1] + self.gap) - self.gap


@dataclass
class _Row:
    level: int
    groups: list[Group]
    top: float = 0.0
    bottom: float = 0.0
    blocks: list[_Block] = field(default_factory=list)


def arrange(groups: Sequence[Group], width: int, height: int, *, place: str | None, rng: Random) -> Layout:
    """A layout of ``groups`` in a picture. With a ``place`` there is a horizon and things stand on the ground."""
    contained = {g.index: g for g in groups if g.relation and g.relation.kind == "inside" and g.count == 1}
    free = [g for g in groups if g.index not in contained or _is_lost(contained[g.index], groups, contained)]
    rows = _make_rows(free, place)
    _set_bands(rows, height, scenic=place not in FULL_HEIGHT_PLACES)
    _set_units(rows, width, height, place)
    for row in sorted(rows, key=lambda row: -row.level):
        _set_columns(row, rows, width)
    placed = [thing for row in rows for thing in _place_row(row, place, rng)]
    placed = _settle_stacks(placed, free)
    placed += [_nest(g, placed) for g in groups if g not in free]
    return Layout(tuple(placed), _find_horizon(rows, placed, height))


def _is_lost(group: Group, groups: Sequence[Group], contained: dict[int, Group]) -> bool:
    """Whether the container is missing or itself inside something."""
    target = group.relation.targets[0] if group.relation else -1
    return target in contained or all(other.index != target for other in groups)


def _make_rows(groups: Sequence[Group], place: str | None) -> list[_Row]:
    levels = {g.index: _first_level(g, groups, place) for g in groups}
    for _ in range(3):
        for group in groups:
            relation = group.relation
            fixed = group.position and ("top" in group.position or "bottom" in group.position)
            if relation and not fixed and relation.kind in _LEVELS and relation.targets[0] in levels:
                levels[group.index] = levels[relation.targets[0]] + _LEVELS[relation.kind]
    rows = [_Row(level, [g for g in groups if levels[g.index] == level]) for level in sorted(set(levels.values()))]
    for row in rows:
        row.groups = _order(row.groups)
    return _break_row(rows[0]) if len(rows) == 1 and place in FULL_HEIGHT_PLACES else rows


def _break_row(row: _Row) -> list[_Row]:
    """Split a crowded row into two if the prompt names no places."""
    if len(row.groups) <= MOST_IN_A_ROW or any(g.position or g.relation for g in row.groups):
        return [row]
    half = len(row.groups) // 2
    return [_Row(row.level, row.groups[:half]), _Row(row.level + 1, row.groups[half:])]


def _first_level(group: Group, groups: Sequence[Group], place: str | None) -> int:
    position, habitat = group.position or "", PICTOGRAMS[group.kind].habitat
    if "top" in position or "bottom" in position:
        return -1 if "top" in position else 1
    if position == "center":
        return 0
    if habitat == "sky" and (place or any(PICTOGRAMS[g.kind].habitat != "sky" for g in groups)):
        return -1 if place != "sky" or any(PICTOGRAMS[g.kind].habitat == "ground" for g in groups) else 0
    return 1 if habitat == "water" and place == "sea" else 0


def _order(groups: list[Group]) -> list[Group]:
    """Order from left to right: as mentioned, then moved by regions and relations."""
    order = sorted(groups, key=lambda g: _side(g.position))
    for group in groups:
        if group.relation is None:
            continue
        targets = [other for other in order if other.index in group.relation.targets]
        if not targets or group.relation.kind not in {"left_of", "right_of", "between", "beside"}:
            continue
        order.remove(group)
        if group.relation.kind == "between" and len(targets) == 2:
            order.remove(targets[1])
            order[order.index(targets[0]) + 1 : order.index(targets[0]) + 1] = [group, targets[1]]
        else:
            order.insert(order.index(targets[0]) + (group.relation.kind != "left_of"), group)
    return order


def _side(position: str | None) -> int:
    return -1 if position and "left" in position else 1 if position and "right" in position else 0


def _set_bands(rows: list[_Row], height: int, *, scenic: bool) -> None:
    """Divide the height. In a place with a horizon, things of the sky stay in the upper part."""
    has_sky, has_ground = any(r.level < 0 for r in rows), any(r.level >= 0 for r in rows)
    top = 0.08 if has_sky or not scenic else 0.2
    bottom = 0.62 if scenic and not has_ground else 0.88
    weights = [0.72 if row.level < 0 else 1.0 for row in rows]
    start, share = top * height, (bottom - top) * height / sum(weights, 1e-9)
    for row, weight in zip(rows, weights, strict=True):
        row.top, row.bottom = start + 0.04 * share * weight, start + share * weight * 0.98
        start += share * weight


def _set_units(rows: list[_Row], width: int, height: int, place: str | None) -> None:
    largest = LARGEST_UNIT * min(width, height) / 200
    if [group.count for row in rows for group in row.groups] == [1]:
        largest = _find_hero_unit(rows[0].groups[0], width, height)
    for row in rows:
        grounded = _is_grounded(row, place)
        row.blocks = _fit(row, width * (1 - 2 * SIDE_MARGIN), largest, grounded=grounded)
    smallest = min((row.blocks[0].unit for row in rows if row.blocks), default=0.0)
    for row in rows:
        for block in row.blocks:
            block.unit = min(block.unit, smallest * 1.5)


def _find_hero_unit(group: Group, width: int, height: int) -> float:
    """The unit at which a single thing fills the picture, independent of its relative size."""
    left, top, right, bottom = PICTOGRAMS[group.kind].bounds
    share: float = min((HERO_SHARE + 0.12 * group.lettered) * sqrt(SIZES[group.size]), 1 - 2 * SIDE_MARGIN)
    return min(share * width / (right - left), share * height / (bottom - top)) / group.scale


def _find_most_rows(group: Group, grounded: bool) -> int:
    """The columns of a group. Things that stand are not stacked unless there are many."""
    if grounded or PICTOGRAMS[group.kind].habitat == "ground":
        return 1 if group.count <= 4 else 2 if group.count <= 10 else 3
    return group.count


def _fit(row: _Row, width: float, largest: float, *, grounded: bool) -> list[_Block]:
    """Scale the groups to the largest common unit at which they fit into the row."""
    for step in range(SMALLEST_STEP):
        unit = largest * 0.95**step
        for most_rows in range(1, 7):
            blocks = [_Block(group, unit, min(most_rows, _find_most_rows(group, grounded))) for group in row.groups]
            gaps = sum(min(a.cell[0], b.cell[0]) * GAP * 1.6 for a, b in pairwise(blocks))
            wide_enough = sum(block.width for block in blocks) + gaps <= width
            if wide_enough and all(block.height <= row.bottom - row.top for block in blocks):
                return blocks
    return blocks


def _set_columns(row: _Row, rows: list[_Row], width: int) -> None:
    """Spread the blocks evenly, move them to their regions and partners, then resolve overlaps."""
    blocks, margin = row.blocks, SIDE_MARGIN * width
    spare = width - 2 * margin - sum(block.width for block in blocks)
    gap = spare / (len(blocks) + 1)
    left = margin + gap
    for block in blocks:
        block.x = left + block.width / 2
        left += block.width + gap
    for block in blocks:
        block.x = _find_wanted_x(block, row, rows, width)
    blocks.sort(key=lambda block: block.x)
    _push_apart(blocks, margin, width - margin)


def _find_wanted_x(block: _Block, row: _Row, rows: list[_Row], width: int) -> float:
    group, half = block.group, block.width / 2 + SIDE_MARGIN * width
    if group.position and "left" in group.position:
        return max(0.24 * width, half) if len(row.blocks) == 1 or block is row.blocks[0] else block.x
    if group.position and "right" in group.position:
        return min(0.76 * width, width - half) if len(row.blocks) == 1 or block is row.blocks[-1] else block.x
    if group.position in {"center", "top", "bottom"}:
        return width / 2
    for other in (b for r in rows if r.level > row.level for b in r.blocks):
        if _are_stacked(group, other.group):
            return other.x
    return block.x


def _are_stacked(one: Group, other: Group) -> bool:
    pairs = ((one, other), (other, one))
    return any(
        a.relation and a.relation.kind in {"above", "on", "below"} and b.index in a.relation.targets for a, b in pairs
    )


def _push_apart(blocks: list[_Block], left: float, right: float) -> None:
    for before, after in pairwise(blocks):
        gap = min(before.cell[0], after.cell[0]) * GAP
        after.x = max(after.x, before.x + (before.width + after.width) / 2 + gap)
    limit = right
    for block in reversed(blocks):
        block.x = min(block.x, limit - block.width / 2)
        limit = block.x - block.width / 2 - GAP * block.cell[0] * 0.5
    limit = left
    for block in blocks:
        block.x = max(block.x, limit + block.width / 2)
        limit = block.x + block.width / 2


def _is_grounded(row: _Row, place: str | None) -> bool:
    """Whether everything in the row stands on the ground (or lies in the water), as opposed to hanging or flying."""
    swims = any(PICTOGRAMS[group.kind].habitat == "water" for group in row.groups)
    return place not in FULL_HEIGHT_PLACES and row.level >= 0 and not swims


def _place_row(row: _Row, place: str | None, rng: Random) -> list[Placed]:
    placed: list[Placed] = []
    grounded = _is_grounded(row, place)
    tallest = max((block.height for block in row.blocks), default=0.0)
    for block in row.blocks:
        middle = (row.top + row.bottom) / 2
        stands = grounded or PICTOGRAMS[block.group.kind].habitat == "ground"
        bottom = row.bottom if grounded else middle + (tallest if stands else block.height) / 2
        placed += _place_block(block, bottom - block.height, grounded or stands, rng)
    return placed


def _place_block(block: _Block, top: float, steady: bool, rng: Random) -> list[Placed]:
    group, (cell_width, cell_height) = block.group, block.cell
    pictogram, placed = PICTOGRAMS[group.kind], list[Placed]()
    base, extra = divmod(group.count, block.rows)
    # The fuller rows come last, in front.
    counts = [base + (row >= block.rows - extra) for row in range(block.rows)]
    for row, count in enumerate(counts):
        start = block.x - (count - 1) * (cell_width + block.gap) / 2
        y = top + row * (cell_height + block.gap) + cell_height / 2
        for column in range(count):
            shake = 0.0 if steady or group.count == 1 else 0.3 * block.gap
            tilt = 0.0 if group.lettered else rng.uniform(-pictogram.tilt, pictogram.tilt)
            mirrored = pictogram.mirrors and not group.lettered and rng.random() < 0.35
            placed.append(
                Placed(
                    group.index,
                    len(placed),
                    group.kind,
                    start + column * (cell_width + block.gap) + rng.uniform(-shake, shake),
                    y + rng.uniform(-shake, shake),
                    block.unit * group.scale,
                    cell_width,
                    cell_height,
                    tilt,
                    mirrored,
                )
            )
    return placed


def _settle_stacks(placed: list[Placed], groups: Sequence[Group]) -> list[Placed]:
    """Put things that are on another thing onto it, unless a third is in the way."""
    for group in groups:
        if group.relation is None or group.relation.kind != "on":
            continue
        upper = [thing for thing in placed if thing.index == group.index]
        lower = [thing for thing in placed if thing.index == group.relation.targets[0]]
        others = [thing for thing in placed if thing.index != group.index]
        if not upper or not lower:
            continue
        base = min(lower, key=lambda thing: abs(thing.x - upper[0].x))
        drop = base.y - base.height / 2 - max(thing.y + thing.height / 2 for thing in upper)
        moved = [replace(thing, y=thing.y + drop, angle=0.0) for thing in upper]
        if drop > 0 and not any(_overlap(thing, other) for thing in moved for other in others):
            placed = others + moved
    return placed


def _overlap(one: Placed, other: Placed) -> bool:
    """Whether two things overlap by more than their edges."""
    across = (one.width + other.width) / 2 - abs(one.x - other.x)
    down = (one.height + other.height) / 2 - abs(one.y - other.y)
    return across > 1e-6 and down > 1e-6


def _nest(group: Group, placed: Sequence[Placed]) -> Placed:
    """Put a thing into the middle of its container."""
    target = group.relation.targets[0] if group.relation else 0
    container = next(thing for thing in placed if thing.index == target)
    left, top, right, bottom = PICTOGRAMS[group.kind].bounds
    room = 0.46 * min(container.width, container.height)
    unit = room / max(right - left, bottom - top)
    width, height = (right - left) * unit, (bottom - top) * unit
    return Placed(group.index, 0, group.kind, container.x, container.y, unit, width, height)


def _find_horizon(rows: list[_Row], placed: Sequence[Placed], height: int) -> float:
    """The height of the horizon: behind the lower part of standing things, above swimming ones."""
    standing = [t for t in placed if any(t.index == g.index for r in rows if r.level == 0 for g in r.groups)]
    swimming = [t for t in placed if PICTOGRAMS[t.kind].habitat == "water"]
    if swimming:
        return min(max(min(t.y - t.height / 2 for t in swimming) - 0.05 * height, 0.3 * height), 0.72 * height)
    if standing:
        feet = [t.y + t.height / 2 for t in standing]
        return min(max(min(feet) - 0.08 * height, 0.3 * height), max(feet) - 0.2 * height, 0.74 * height)
    return 0.66 * height
