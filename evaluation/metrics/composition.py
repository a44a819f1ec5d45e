"""Composition metrics: whether the objects of a prompt are in the image, in the right number, colour and position.

The rules are those of GenEval (Ghosh, Hajishirzi & Schmidt 2023, section 3 and ``evaluate_images.py``):

- A detection counts from a confidence of 0.3, or 0.9 if the prompt states a count. Counts must be exact.
- If there are more objects than needed, the most confident ones are checked.
- A colour is right if each of these objects has it; a relation, if each of them has it to each of the other objects.
- Relations compare centres: each component of c_A - c_B is shortened by 0.1 (size_A + size_B), then divided by
  |c_A - c_B|. A is left of B if the horizontal component is below -0.5, and so on.

There are two differences. The colour comes from the checker, not from CLIP on a crop. And several checks of one object
("a red ball and a blue ball") are counted together: two balls, one red and one blue.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from pydantic import Field

from evaluation.extractors.names import name_network
from evaluation.metrics.base import Declaration, Measurement, PromptInputs, SampleInputs, SampleMetric, UnscoredError

Check: TypeAlias = Mapping[str, Any]
Found: TypeAlias = Mapping[str, Any]  # an object in the record of a checker

MIN_OFFSET: Final = 0.1  # of the sum of both widths (or heights)
MIN_COMPONENT: Final = 0.5  # of the normalized offset
# Names in GenEval's prompts that differ from the labels of COCO, which most detectors use.
LABELS: Final = {"computer mouse": "mouse", "computer keyboard": "keyboard", "tv remote": "remote"}
DIRECTIONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "left of": lambda dx, dy: dx < -MIN_COMPONENT,
    "right of": lambda dx, dy: dx > MIN_COMPONENT,
    "above": lambda dx, dy: dy < -MIN_COMPONENT,
    "below": lambda dx, dy: dy > MIN_COMPONENT,
}
SOURCE: Final = "GenEval (Ghosh, Hajishirzi & Schmidt 2023), section 3; colours from the checker, not from CLIP"
Judge: TypeAlias = Callable[[Sequence[Check], "_Scene"], Iterator[str]]


@dataclass(frozen=True)
class _Scene:
    """Detections and required number of each object in the checks; the most confident detections first."""

    found: Mapping[str, Sequence[Found]]
    expected: Mapping[str, int]

    def choose(self, check: Check) -> list[Found]:
        """The detections that a check refers to: as many as required, of its colour if there are any."""
        chosen = list(self.found[check["object"]][: self.expected[check["object"]]])
        return [detection for detection in chosen if has_color(detection, check)] or chosen


class _CompositionMetric(SampleMetric):
    """``checker`` is "sketch-checker", or "detector/NAME" for an object detection network."""

    judges: ClassVar[tuple[Judge, ...]]
    part: ClassVar[str | None]  # the part of a check that is tested; None: all parts

    checker: Annotated[str, Field(pattern=r"^(sketch-checker|detector/.+)$")] = "sketch-checker"
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.3
    counting_confidence: Annotated[float, Field(ge=0, le=1)] = 0.9

    @property
    def network(self) -> str:
        return name_network(self.checker)

    @property
    def title(self) -> str:
        return f"{self.declaration.title}, seen by {self.network}"

    def image_extractors(self) -> tuple[str, ...]:
        return (self.checker,)

    def applies_to(self, prompt: PromptInputs) -> bool:
        return bool(self._pick(prompt))

    def _pick(self, prompt: PromptInputs) -> list[Check]:
        return [check for check in prompt.checks if self.part is None or check.get(self.part) is not None]

    def measure(self, sample: SampleInputs) -> Measurement:
        checks = self._pick(sample.prompt)
        if not checks:
            raise UnscoredError(f"the prompt has no {self.part or 'check'}")
        scene = self._read_scene(sample)
        failed = [note for judge in self.judges for note in judge(checks, scene)]
        return Measurement((float(not failed),), "; ".join(dict.fromkeys(failed)))

    def _read_scene(self, sample: SampleInputs) -> _Scene:
        checks, record = sample.prompt.checks, sample.look_up(self.checker)
        names = {name for check in checks for name in _name_objects(check)}
        if unknown := sorted(name for name in names if get_label(name) not in record["labels"]):
            raise UnscoredError(f"{self.checker} does not know {', '.join(map(repr, unknown))}")
        counted = any(check.get("count") is not None for check in checks)
        least = self.counting_confidence if counted else self.confidence
        detections = sorted(record["objects"], key=lambda detection: -detection["confidence"])
        found = {
            name: [d for d in detections if d["label"] == get_label(name) and d["confidence"] >= least]
            for name in names
        }
        return _Scene(found, {name: _count_expected(name, checks) for name in names})


def _find_missing(checks: Sequence[Check], scene: _Scene) -> Iterator[str]:
    for check in checks:
        if not scene.found[check["object"]]:
            yield f"expected {check['object']}, found none"


def _find_miscounted(checks: Sequence[Check], scene: _Scene) -> Iterator[str]:
    """Objects that are too few or, if a count is stated, too many."""
    counted = {check["object"] for check in checks if check.get("count") is not None}
    for name in dict.fromkeys(check["object"] for check in checks):
        expected, n = scene.expected[name], len(scene.found[name])
        if n < expected or (n > expected and name in counted):
            yield f"expected {expected} {name}{'' if expected == 1 else 's'}, found {n}"


def _find_miscolored(checks: Sequence[Check], scene: _Scene) -> Iterator[str]:
    for check in checks:
        if check.get("color") is None:
            continue
        name, expected = check["object"], check.get("count") or 1
        detections = scene.found[name][: scene.expected[name]]
        if sum(has_color(detection, check) for detection in detections) < expected:
            colors = ", ".join(str(detection["color"]) for detection in detections) or "none"
            yield f"expected {check['color']} {name}, found {colors}"


def _find_misplaced(checks: Sequence[Check], scene: _Scene) -> Iterator[str]:
    for check in checks:
        if check.get("position") is None:
            continue
        name, relation, other = check["object"], check["position"]["relation"], check["position"]["other"]
        detections = scene.choose(check)
        others = [detection for detection in scene.found[other][: scene.expected[other]] if detection not in detections]
        if not (detections and others):
            yield f"expected {name} {relation} {other}, found no {other if detections else name}"
        elif not all(is_placed(detection, relation, target) for detection in detections for target in others):
            yield f"expected {name} {relation} {other}, found another position"


def is_placed(detection: Found, relation: str, other: Found) -> bool:
    """Whether ``detection`` is left of, right of, above or below ``other``, by their boxes [x0, y0, x1, y1]."""
    offsets = []
    for low, high in ((0, 2), (1, 3)):
        a, b = (detection["box"][low], detection["box"][high]), (other["box"][low], other["box"][high])
        offset = (sum(a) - sum(b)) / 2.0
        offsets.append((offset, max(0.0, abs(offset) - MIN_OFFSET * (a[1] - a[0] + b[1] - b[0]))))
    distance = hypot(offsets[0][0], offsets[1][0])
    if all(shortened < 1e-3 for _, shortened in offsets):
        return False
    dx, dy = (shortened / distance * (1 if offset > 0 else -1) for offset, shortened in offsets)
    return DIRECTIONS[relation](dx, dy)


def has_color(detection: Found, check: Check) -> bool:
    """Whether a detection has the colour of the check, or the check has none."""
    color = check.get("color")
    return color is None or detection["color"] == {"grey": "gray"}.get(color, color)


def get_label(name: str) -> str:
    """The label that checkers use for the object ``name`` of a prompt."""
    return LABELS.get(name, name)


def _name_objects(check: Check) -> Iterator[str]:
    yield check["object"]
    if position := check.get("position"):
        if position["relation"] not in DIRECTIONS:
            raise UnscoredError(f"{position['relation']!r} is not a relation; known relations: {', '.join(DIRECTIONS)}")
        yield position["other"]


def _count_expected(name: str, checks: Sequence[Check]) -> int:
    """Required number of an object over all checks; 1 if it is only a reference of a position."""
    return max(1, sum(check.get("count") or 1 for check in checks if check["object"] == name))


def _declare(title: str) -> Declaration:
    return Declaration(title=title, unit="share", higher_is_better=True, min_samples=20, source=SOURCE)


class Composition(_CompositionMetric):
    """Share of images that pass all checks of the prompt."""

    declaration = _declare("Composition")
    judges: ClassVar[tuple[Judge, ...]] = (_find_miscounted, _find_miscolored, _find_misplaced)
    part: ClassVar[str | None] = None


class ObjectAccuracy(_CompositionMetric):
    """Share of images with at least one of each object."""

    declaration = _declare("Objects")
    judges: ClassVar[tuple[Judge, ...]] = (_find_missing,)
    part: ClassVar[str | None] = "object"


class CountAccuracy(_CompositionMetric):
    """Share of images with the exact number of each counted object."""

    declaration = _declare("Counts")
    judges: ClassVar[tuple[Judge, ...]] = (_find_miscounted,)
    part: ClassVar[str | None] = "count"


class ColorAccuracy(_CompositionMetric):
    """Share of images with enough objects of each stated colour."""

    declaration = _declare("Colours")
    judges: ClassVar[tuple[Judge, ...]] = (_find_miscolored,)
    part: ClassVar[str | None] = "color"


class PositionAccuracy(_CompositionMetric):
    """Share of images with all stated relations."""

    declaration = _declare("Positions")
    judges: ClassVar[tuple[Judge, ...]] = (_find_misplaced,)
    part: ClassVar[str | None] = "position"
