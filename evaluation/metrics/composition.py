"""Are the things of a prompt in its image: so many, of that colour, in that place?

The rules are those of GenEval (Ghosh, Hajishirzi & Schmidt 2023, section 3 and its ``evaluate_images.py``):

- a detection counts from a confidence of 0.3 on, and of 0.9 where the prompt states a count, which must be exact;
- of the things found, the most confident ones are looked at, as many as are wanted;
- a colour holds when each of these has it, a relation when each of them has it to each of the others;
- A is left of B when its centre is, by more than a tenth of their widths, and more across than down: offset by offset,
  o = c_A - c_B is shortened by 0.1 (size_A + size_B), divided by |c_A - c_B|, and must pass ±0.5.

Two things differ. The checker says what colour a thing has, where GenEval asks CLIP about a crop of it. And several
checks of one object, "a red ball and a blue ball", are counted together: two balls, one of them red, one of them blue.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from pydantic import Field

from evaluation.metrics.base import Declaration, Measurement, PromptInputs, SampleInputs, SampleMetric, UnscoredError

Check: TypeAlias = Mapping[str, Any]
Found: TypeAlias = Mapping[str, Any]  # one object of a checker's record

NEAR: Final = 0.1  # of the widths or heights of both: how far two centres must be apart to be anywhere
STEEP: Final = 0.5
# What GenEval's prompts call otherwise than the data set COCO, of which detectors have their labels.
LABELS: Final = {"computer mouse": "mouse", "computer keyboard": "keyboard", "tv remote": "remote"}
DIRECTIONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "left of": lambda dx, dy: dx < -STEEP,
    "right of": lambda dx, dy: dx > STEEP,
    "above": lambda dx, dy: dy < -STEEP,
    "below": lambda dx, dy: dy > STEEP,
}
SOURCE: Final = "GenEval (Ghosh, Hajishirzi & Schmidt 2023), section 3; colours by the checker, not by CLIP"
Judge: TypeAlias = Callable[[Sequence[Check], "_Scene"], Iterator[str]]


@dataclass(frozen=True)
class _Scene:
    """What was found of each object that the checks name: the most confident first."""

    found: Mapping[str, Sequence[Found]]
    wanted: Mapping[str, int]

    def choose(self, check: Check) -> list[Found]:
        """Those that the check can mean: as many as are wanted, and of its colour if there are such."""
        chosen = list(self.found[check["object"]][: self.wanted[check["object"]]])
        return [thing for thing in chosen if has_color(thing, check)] or chosen


class _CompositionMetric(SampleMetric):
    """``checker`` is "sketch-checker", or "detector/NAME" with the folder of a network that finds objects."""

    judges: ClassVar[tuple[Judge, ...]]
    part: ClassVar[str | None]  # the part of a check that is judged; None: all

    checker: Annotated[str, Field(pattern=r"^(sketch-checker|detector/.+)$")] = "sketch-checker"
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.3
    counting_confidence: Annotated[float, Field(ge=0, le=1)] = 0.9

    def image_extractors(self) -> tuple[str, ...]:
        return (self.checker,)

    def applies_to(self, prompt: PromptInputs) -> bool:
        return bool(self._pick(prompt))

    def _pick(self, prompt: PromptInputs) -> list[Check]:
        return [check for check in prompt.checks if self.part is None or check.get(self.part) is not None]

    def measure(self, sample: SampleInputs) -> Measurement:
        checks = self._pick(sample.prompt)
        if not checks:
            raise UnscoredError(f"the prompt states no {self.part or 'check'}")
        scene = self._look(sample)
        failed = [fault for judge in self.judges for fault in judge(checks, scene)]
        return Measurement((float(not failed),), "; ".join(dict.fromkeys(failed)))

    def _look(self, sample: SampleInputs) -> _Scene:
        checks, record = sample.prompt.checks, sample.look_up(self.checker)
        names = {name for check in checks for name in _name_objects(check)}
        if unknown := sorted(name for name in names if get_label(name) not in record["labels"]):
            raise UnscoredError(f"{self.checker} does not know {', '.join(map(repr, unknown))}")
        counted = any(check.get("count") is not None for check in checks)
        least = self.counting_confidence if counted else self.confidence
        things = sorted(record["objects"], key=lambda thing: -thing["confidence"])
        found = {
            name: [t for t in things if t["label"] == get_label(name) and t["confidence"] >= least] for name in names
        }
        return _Scene(found, {name: _count_wanted(name, checks) for name in names})


def _find_missing(checks: Sequence[Check], scene: _Scene) -> Iterator[str]:
    for check in checks:
        if not scene.found[check["object"]]:
            yield f"{check['object']} wanted, none found"


def _find_miscounted(checks: Sequence[Check], scene: _Scene) -> Iterator[str]:
    """Too few of what is wanted, or too many of what is counted."""
    counted = {check["object"] for check in checks if check.get("count") is not None}
    for name in dict.fromkeys(check["object"] for check in checks):
        wanted, n = scene.wanted[name], len(scene.found[name])
        if n < wanted or (n > wanted and name in counted):
            yield f"{wanted} {name}{'' if wanted == 1 else 's'} wanted, {n} found"


def _find_miscolored(checks: Sequence[Check], scene: _Scene) -> Iterator[str]:
    for check in checks:
        if check.get("color") is None:
            continue
        name, wanted = check["object"], check.get("count") or 1
        things = scene.found[name][: scene.wanted[name]]
        if sum(has_color(thing, check) for thing in things) < wanted:
            colors = ", ".join(str(thing["color"]) for thing in things) or "none found"
            yield f"{check['color']} {name} wanted, {colors}"


def _find_misplaced(checks: Sequence[Check], scene: _Scene) -> Iterator[str]:
    for check in checks:
        if check.get("position") is None:
            continue
        name, relation, other = check["object"], check["position"]["relation"], check["position"]["other"]
        things = scene.choose(check)
        others = [thing for thing in scene.found[other][: scene.wanted[other]] if thing not in things]
        if not (things and others):
            yield f"{name} {relation} {other} wanted, {'no ' + (other if things else name)} found"
        elif not all(is_placed(thing, relation, target) for thing in things for target in others):
            yield f"{name} {relation} {other} wanted, it is not"


def is_placed(thing: Found, relation: str, other: Found) -> bool:
    """Whether ``thing`` is left of, right of, above or below ``other``, by the boxes [x0, y0, x1, y1] of both."""
    offsets = []
    for low, high in ((0, 2), (1, 3)):
        a, b = (thing["box"][low], thing["box"][high]), (other["box"][low], other["box"][high])
        apart = (sum(a) - sum(b)) / 2.0
        offsets.append((apart, max(0.0, abs(apart) - NEAR * (a[1] - a[0] + b[1] - b[0]))))
    distance = hypot(offsets[0][0], offsets[1][0])
    if all(shortened < 1e-3 for _, shortened in offsets):
        return False
    dx, dy = (shortened / distance * (1 if apart > 0 else -1) for apart, shortened in offsets)
    return DIRECTIONS[relation](dx, dy)


def has_color(thing: Found, check: Check) -> bool:
    """Whether it has the colour that the check states, if it states one."""
    color = check.get("color")
    return color is None or thing["color"] == {"grey": "gray"}.get(color, color)


def get_label(name: str) -> str:
    """What a checker calls the things that a prompt calls ``name``."""
    return LABELS.get(name, name)


def _name_objects(check: Check) -> Iterator[str]:
    yield check["object"]
    if position := check.get("position"):
        if position["relation"] not in DIRECTIONS:
            raise UnscoredError(f"{position['relation']!r} is no relation; known: {', '.join(DIRECTIONS)}")
        yield position["other"]


def _count_wanted(name: str, checks: Sequence[Check]) -> int:
    """All the checks together; at least the one that others are placed by."""
    return max(1, sum(check.get("count") or 1 for check in checks if check["object"] == name))


def _declare(title: str) -> Declaration:
    return Declaration(title=title, unit="share", higher_is_better=True, min_samples=20, source=SOURCE)


class Composition(_CompositionMetric):
    """Share of images in which everything that the prompt's checks state is so."""

    declaration = _declare("Composition")
    judges: ClassVar[tuple[Judge, ...]] = (_find_miscounted, _find_miscolored, _find_misplaced)
    part: ClassVar[str | None] = None


class ObjectAccuracy(_CompositionMetric):
    """Share of images in which every object of the checks is found at least once."""

    declaration = _declare("Objects")
    judges: ClassVar[tuple[Judge, ...]] = (_find_missing,)
    part: ClassVar[str | None] = "object"


class CountAccuracy(_CompositionMetric):
    """Share of the images with a stated count in which each such count is exact."""

    declaration = _declare("Counts")
    judges: ClassVar[tuple[Judge, ...]] = (_find_miscounted,)
    part: ClassVar[str | None] = "count"


class ColorAccuracy(_CompositionMetric):
    """Share of the images with a stated colour in which as many things as are wanted have it."""

    declaration = _declare("Colours")
    judges: ClassVar[tuple[Judge, ...]] = (_find_miscolored,)
    part: ClassVar[str | None] = "color"


class PositionAccuracy(_CompositionMetric):
    """Share of the images with a stated relation in which it holds."""

    declaration = _declare("Positions")
    judges: ClassVar[tuple[Judge, ...]] = (_find_misplaced,)
    part: ClassVar[str | None] = "position"
