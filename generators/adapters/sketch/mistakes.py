"""The plan of a drawing: a scene with its gaps filled in and with the errors that the settings add on purpose."""

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from generators.adapters.sketch.lettering import Lettering, find_drawable, misspell
from generators.adapters.sketch.pictograms import PICTOGRAMS
from generators.adapters.sketch.scene import Relation, Scene, SceneObject
from generators.adapters.sketch.settings import SketchSettings
from generators.adapters.sketch.styles import COLOR_NAMES

# Things without a natural colour: a group of them is drawn in several colours.
MANY_COLORED = frozenset({"balloon", "flower", "book", "cup", "butterfly", "car", "umbrella", "fish", "bird"})
PALETTE = ("red", "teal", "yellow", "blue", "orange", "pink", "green")

OPPOSITE_REGIONS = {
    "left": "right",
    "right": "left",
    "top": "bottom",
    "bottom": "top",
    "top-left": "bottom-right",
    "top-right": "bottom-left",
    "bottom-left": "top-right",
    "bottom-right": "top-left",
    "center": "top-right",
}
OPPOSITE_RELATIONS = {
    "left_of": "right_of",
    "right_of": "left_of",
    "above": "below",
    "below": "above",
    "on": "below",
    "between": "left_of",
    "beside": "above",
    "inside": "beside",
}


@dataclass(frozen=True)
class Thing:
    """One instance to draw."""

    color: str
    lettering: tuple[Lettering, ...] = ()


@dataclass(frozen=True)
class PlannedObject:
    """An object of the scene as it will be drawn."""

    asked: SceneObject
    things: tuple[Thing, ...]
    position: str | None
    relation: Relation | None


@dataclass(frozen=True)
class Plan:
    """The plan of a drawing, with every error added to it, as in the report."""

    objects: tuple[PlannedObject, ...]
    mistakes: tuple[dict[str, Any], ...]


def plan_drawing(scene: Scene, settings: SketchSettings, rng: Random) -> Plan:
    """Plan the drawing of a scene by a model with these settings."""
    mistakes: list[dict[str, Any]] = []
    objects = tuple(_plan_object(i, thing, settings, rng, mistakes) for i, thing in enumerate(scene.objects))
    return Plan(objects, tuple(mistakes))


def plan_tone(tone: str | None, settings: SketchSettings, rng: Random) -> tuple[str | None, list[dict[str, Any]]]:
    """The tone that a model with these settings gives to a picture, and the errors added."""
    if tone is None or rng.random() >= settings.color_errors:
        return tone, []
    drawn = rng.choice([name for name in COLOR_NAMES if name != tone])
    return drawn, [{"mistake": "wrong_tone", "right": tone, "drawn": drawn}]


def _plan_object(
    index: int, asked: SceneObject, settings: SketchSettings, rng: Random, mistakes: list[dict[str, Any]]
) -> PlannedObject:
    things = []
    colors = _choose_colors(asked, rng)
    for instance, color in enumerate(colors):
        if rng.random() < settings.missing_objects:
            mistakes.append({"mistake": "missing_object", "object": index, "instance": instance})
            continue
        drawn = color
        if rng.random() < settings.color_errors:
            drawn = rng.choice([name for name in COLOR_NAMES if name != color])
            mistakes.append(
                {"mistake": "wrong_color", "object": index, "instance": instance, "right": color, "drawn": drawn}
            )
        things.append(Thing(drawn, _letter(index, instance, asked, settings, rng, mistakes)))
    moved = replace(asked)
    if (asked.position or asked.relation) and rng.random() < settings.position_errors:
        moved = _misplace(asked)
        mistakes.append({"mistake": "wrong_position", "object": index, "drawn": describe_place(moved)})
    return PlannedObject(asked, tuple(things), moved.position, moved.relation)


def _choose_colors(asked: SceneObject, rng: Random) -> list[str]:
    if asked.colors:
        return [asked.colors[i % len(asked.colors)] for i in range(asked.count)]
    if asked.count > 1 and asked.kind in MANY_COLORED:
        start = rng.randrange(len(PALETTE))
        return [PALETTE[(start + i) % len(PALETTE)] for i in range(asked.count)]
    return [PICTOGRAMS[asked.kind].color] * asked.count


def _letter(
    index: int,
    instance: int,
    asked: SceneObject,
    settings: SketchSettings,
    rng: Random,
    mistakes: list[dict[str, Any]],
) -> tuple[Lettering, ...]:
    # "two signs reading IN and OUT": one text each.
    texts = asked.texts[instance : instance + 1] if len(asked.texts) == asked.count else asked.texts
    warp = 1.0 - settings.legibility
    lettering = []
    for text in texts:
        drawn = drawable = find_drawable(text)
        if drawable != text:
            mistakes.append({"mistake": "no_glyphs", "object": index, "asked": text, "drawn": drawable})
        if warp:
            drawn = misspell(drawable, warp, rng)
            mistakes.append({"mistake": "illegible_text", "object": index, "asked": text, "drawn": drawn, "warp": warp})
        lettering.append(Lettering(drawn, warp))
    return tuple(lettering)


def _misplace(asked: SceneObject) -> SceneObject:
    position = OPPOSITE_REGIONS[asked.position] if asked.position else None
    relation = asked.relation
    if relation:
        relation = Relation(OPPOSITE_RELATIONS[relation.kind], relation.targets)
    return replace(asked, position=position, relation=relation)


def describe_place(thing: SceneObject) -> dict[str, Any]:
    """The place of an object as the prompt states it, for the report."""
    place: dict[str, Any] = {}
    if thing.position:
        place["position"] = thing.position
    if thing.relation:
        place["relation"] = {"kind": thing.relation.kind, "to": list(thing.relation.targets)}
    return place
