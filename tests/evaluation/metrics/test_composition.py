"""GenEval's rules on worked examples: objects, counts, colours and positions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evaluation.metrics.base import PromptInputs, SampleInputs, UnscoredError
from evaluation.metrics.composition import (
    ColorAccuracy,
    Composition,
    CountAccuracy,
    ObjectAccuracy,
    PositionAccuracy,
    is_placed,
)

LABELS = ["ball", "cat", "lamp", "mouse"]
RELATIONS = ("left of", "right of", "above", "below")


def detect(
    label: str, x: float = 50, y: float = 50, *, color: str = "red", sure: float = 0.95, size: float = 10
) -> dict:
    box = [x - size / 2, y - size / 2, x + size / 2, y + size / 2]
    return {"label": label, "color": color, "box": box, "confidence": sure}


def sample(checks: list[dict], *objects: dict, labels: list[str] = LABELS) -> SampleInputs:
    prompt = PromptInputs(key="p", text="", checks=tuple(checks))
    return SampleInputs(prompt=prompt, seed=0, extracted={"sketch-checker": {"objects": objects, "labels": labels}})


def note(metric: type, checks: list[dict], *objects: dict) -> str:
    measured = metric().measure(sample(checks, *objects))
    assert measured.values == (float(not measured.note),)
    return measured.note


def test_counts_must_be_exact() -> None:
    two = [{"object": "cat", "count": 2}]
    assert note(Composition, two, detect("cat"), detect("cat")) == ""
    assert note(Composition, two, detect("cat")) == "expected 2 cats, found 1"
    assert note(Composition, two, *[detect("cat")] * 3) == "expected 2 cats, found 3"
    assert note(CountAccuracy, two, detect("lamp")) == "expected 2 cats, found 0"


def test_without_a_count_one_or_more_is_right() -> None:
    some = [{"object": "cat"}]
    assert note(Composition, some, *[detect("cat")] * 3) == ""
    assert note(Composition, some, detect("lamp")) == "expected 1 cat, found 0"
    assert note(ObjectAccuracy, [*some, {"object": "lamp"}], detect("lamp")) == "expected cat, found none"


def test_counted_objects_need_a_higher_confidence() -> None:
    cats = [detect("cat", sure=0.95), detect("cat", sure=0.5), detect("cat", sure=0.2)]
    assert note(Composition, [{"object": "cat", "count": 1}], *cats) == ""
    assert note(Composition, [{"object": "cat"}], detect("cat", sure=0.5)) == ""
    assert note(Composition, [{"object": "cat"}], detect("cat", sure=0.2)) == "expected 1 cat, found 0"
    loose = Composition(counting_confidence=0.3).measure(sample([{"object": "cat", "count": 2}], *cats))
    assert loose.values == (1.0,)


def test_the_most_confident_objects_must_have_the_colour() -> None:
    blue = [{"object": "cat", "color": "blue"}]
    assert note(ColorAccuracy, blue, detect("cat", color="blue")) == ""
    assert (
        note(ColorAccuracy, blue, detect("cat", color="blue", sure=0.6), detect("cat"))
        == "expected blue cat, found red"
    )
    pair = [{"object": "cat", "color": "blue", "count": 2}]
    assert note(ColorAccuracy, pair, detect("cat", color="blue"), detect("cat")) == "expected blue cat, found blue, red"
    assert note(ColorAccuracy, [{"object": "cat", "color": "grey"}], detect("cat", color="gray")) == ""


def test_several_checks_of_one_object_are_counted_together() -> None:
    checks = [{"object": "ball", "count": 2, "color": "red"}, {"object": "ball", "count": 1, "color": "blue"}]
    red, blue = detect("ball"), detect("ball", color="blue")
    assert note(Composition, checks, red, red, blue) == ""
    assert note(Composition, checks, red, blue, blue) == "expected red ball, found red, blue, blue"
    assert note(Composition, checks, red, red) == "expected 3 balls, found 2; expected blue ball, found red, red"


def place(relation: str) -> list[dict]:
    return [{"object": "cat", "position": {"relation": relation, "other": "lamp"}}, {"object": "lamp"}]


def test_a_relation_needs_both_objects_in_position() -> None:
    assert note(PositionAccuracy, place("left of"), detect("cat", 20), detect("lamp", 80)) == ""
    assert (
        note(PositionAccuracy, place("above"), detect("cat", 20), detect("lamp", 80))
        == "expected cat above lamp, found another position"
    )
    assert note(PositionAccuracy, place("left of"), detect("cat", 20)) == "expected cat left of lamp, found no lamp"
    assert note(PositionAccuracy, place("left of"), detect("lamp")) == "expected cat left of lamp, found no cat"


def test_a_colour_selects_one_of_two_equal_objects() -> None:
    position = {"relation": "left of", "other": "ball"}
    checks = [{"object": "ball", "color": "red", "position": position}, {"object": "ball", "color": "blue"}]
    assert note(Composition, checks, detect("ball", 20), detect("ball", 80, color="blue")) == ""
    assert "another position" in note(Composition, checks, detect("ball", 80), detect("ball", 20, color="blue"))


def find_relations_as_published(a: dict, b: dict) -> set[str]:
    """GenEval's relative_position, as in the appendix of its paper and its code."""
    boxes = np.array([a["box"], b["box"]]).reshape(2, 2, 2)
    (center_a, center_b), (dim_a, dim_b) = boxes.mean(axis=-2), np.abs(np.diff(boxes, axis=-2))[:, 0, :]
    offset = center_a - center_b
    revised = np.maximum(np.abs(offset) - 0.1 * (dim_a + dim_b), 0) * np.sign(offset)
    if np.all(np.abs(revised) < 1e-3):
        return set()
    dx, dy = revised / np.linalg.norm(offset)
    tests = {"left of": dx < -0.5, "right of": dx > 0.5, "above": dy < -0.5, "below": dy > 0.5}
    return {name for name, holds in tests.items() if holds}


SPOT = st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(2, 60))


@given(one=SPOT, other=SPOT)
def test_positions_equal_the_published_rule(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    a, b = (detect("cat", x, y, size=size) for x, y, size in (one, other))
    assert {relation for relation in RELATIONS if is_placed(a, relation, b)} == find_relations_as_published(a, b)


@given(st.floats(0, 2 * math.pi))
def test_opposite_relations_are_symmetric(angle: float) -> None:
    a, b = detect("cat", 100 * math.cos(angle), 100 * math.sin(angle)), detect("lamp", 0, 0)
    assert is_placed(a, "left of", b) == is_placed(b, "right of", a)
    assert is_placed(a, "above", b) == is_placed(b, "below", a)


def test_objects_at_one_spot_have_no_relation() -> None:
    assert not any(is_placed(detect("cat"), relation, detect("lamp")) for relation in RELATIONS)


@pytest.mark.parametrize("metric", [CountAccuracy, ColorAccuracy, PositionAccuracy])
def test_metrics_apply_only_to_prompts_with_a_matching_check(metric: type) -> None:
    assert not metric().applies_to(sample([{"object": "cat"}], detect("cat")).prompt)
    assert Composition().applies_to(sample([{"object": "cat"}]).prompt)
    with pytest.raises(UnscoredError, match=r"the prompt has no (count|color|position)"):
        metric().measure(sample([{"object": "cat"}], detect("cat")))
    with pytest.raises(UnscoredError, match="the prompt has no check"):
        Composition().measure(sample([]))


def test_unknown_objects_and_relations_are_unscored() -> None:
    with pytest.raises(UnscoredError, match="sketch-checker does not know 'zebra'"):
        ObjectAccuracy().measure(sample([{"object": "zebra"}], detect("cat")))
    with pytest.raises(UnscoredError, match="'behind' is not a relation"):
        Composition().measure(sample(place("behind"), detect("cat"), detect("lamp")))


def test_geneval_names_are_mapped_to_coco_labels() -> None:
    assert note(Composition, [{"object": "computer mouse"}], detect("mouse")) == ""


def test_the_checker_is_a_parameter() -> None:
    metric = ObjectAccuracy(checker="detector/detr")
    assert metric.image_extractors() == ("detector/detr",)
    with pytest.raises(UnscoredError, match="there is no output of detector/detr"):
        metric.measure(sample([{"object": "cat"}], detect("cat")))
    assert metric.aggregate(np.array([[1.0], [0.0]])) == 0.5
    with pytest.raises(ValidationError, match="checker"):
        ObjectAccuracy(checker="clip-image/vit-b-32")
