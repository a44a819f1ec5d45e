"""Sketch checker, compared with what the sketch adapter drew."""

from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr

from evaluation.extractors.base import ExtractionError, UnreadableInputError
from evaluation.extractors.sketches.checker import SketchChecker, read_drawing
from evaluation.metrics.base import PromptInputs, SampleInputs
from evaluation.metrics.composition import ColorAccuracy, Composition, CountAccuracy, ObjectAccuracy, PositionAccuracy
from generators.adapters.base import GeneratedImage, GenerationRequest
from generators.adapters.sketch.generator import SketchGenerator
from generators.adapters.sketch.settings import SketchSettings
from generators.adapters.sketch.styles import STYLES

CHECKER = SketchChecker("", Path("nowhere"))

# Kinds and colours that prompts of a composition suite name: they are distinct from plain backgrounds.
CROWDS = (
    "two red balls left of three blue cubes",
    "a green tree right of an orange cat",
    "three purple umbrellas above two red cars",
    "a yellow star above a blue house",
    "a red heart, a teal triangle and a purple diamond",
)
# Share of these with the right label and colour. For all kinds and colours see the docstring of the checker.
LEAST = 0.95

RELATIONS = (
    ("a red ball left of a blue cube", "ball", "red", "left of", "cube"),
    ("a green heart right of a purple umbrella", "heart", "green", "right of", "umbrella"),
    ("an orange star above a blue house", "star", "orange", "above", "house"),
    ("a purple car below a yellow lamp", "car", "purple", "below", "lamp"),
)


def draw(prompt: str, style: str = "gouache", size: int = 320, **faults: Any) -> GeneratedImage:
    generator = SketchGenerator(SketchSettings(style=style, **faults), SecretStr(""))
    return generator.generate([GenerationRequest(prompt=prompt, seed=1, width=size, height=size)])[0]


def look(data: bytes) -> Any:
    (found,) = CHECKER.extract([CHECKER.prepare(data)])
    return found


def list_drawn(image: GeneratedImage) -> list[tuple[str, str, list[float], list[float]]]:
    """Kind, colour, centre and size (fractions of the picture) of the objects that the adapter drew."""
    asked = image.reported["scene"]["objects"]
    return [(thing["kind"], one["color"], one["center"], one["size"]) for thing in asked for one in thing["drawn"]]


@pytest.mark.parametrize("style", STYLES)
def test_labels_and_colours_are_right_in_every_style(style: str) -> None:
    wanted, labels, colors, found = 0, 0, 0, 0
    for prompt in CROWDS:
        image = draw(prompt, style)
        record = look(image.data)
        drawn = [thing for thing in list_drawn(image) if thing[0] in record["labels"]]
        objects = [thing for thing in record["objects"] if thing["label"] in record["labels"]]
        wanted, found = wanted + len(drawn), found + len(objects)
        labels += (Counter(kind for kind, *_ in drawn) & Counter(thing["label"] for thing in objects)).total()
        pairs = Counter((thing["label"], thing["color"]) for thing in objects)
        colors += (Counter((kind, color) for kind, color, *_ in drawn) & pairs).total()
    assert labels >= LEAST * wanted, f"{labels} of {wanted} labels"
    assert colors >= LEAST * wanted, f"{colors} of {wanted} colours"
    assert found * LEAST <= wanted, f"{found} things found of {wanted}"


def test_boxes_are_where_objects_were_drawn() -> None:
    image = draw("a red ball left of a blue cube", size=640)
    by_label = {thing["label"]: thing["box"] for thing in look(image.data)["objects"]}
    for kind, _, (x, y), (width, height) in list_drawn(image):
        expected = [640 * side for side in (x - width / 2, y - height / 2, x + width / 2, y + height / 2)]
        assert by_label[kind] == pytest.approx(expected, abs=8)


FAULTS = {
    "color_errors": ColorAccuracy,
    "missing_objects": ObjectAccuracy,
    "position_errors": PositionAccuracy,
}


def measure(metric: type, image: GeneratedImage, relation: tuple[str, ...]) -> float:
    prompt, kind, color, where, other = relation
    position = {"relation": where, "other": other}
    checks = ({"object": kind, "count": 1, "color": color, "position": position}, {"object": other, "count": 1})
    inputs = PromptInputs(key="p", text=prompt, checks=checks)
    found = {"sketch-checker": look(image.data)}
    value: float = metric().measure(SampleInputs(prompt=inputs, seed=0, extracted=found)).values[0]
    return value


@pytest.mark.parametrize("relation", RELATIONS)
def test_it_distinguishes_models_by_their_errors(relation: tuple[str, ...]) -> None:
    good = draw(relation[0], size=256)
    for metric in (*FAULTS.values(), CountAccuracy, Composition):
        assert measure(metric, good, relation) == 1.0
    for fault, metric in FAULTS.items():
        bad = draw(relation[0], size=256, **{fault: 1.0})
        assert measure(metric, bad, relation) == 0.0, fault
        assert measure(Composition, bad, relation) == 0.0


def test_it_uses_only_pixels_and_no_metadata() -> None:
    image = draw("two purple cats and a red apple")
    buffer = BytesIO()
    Image.open(BytesIO(image.data)).convert("RGB").save(buffer, "JPEG", quality=88)
    named = [
        [(thing["label"], thing["color"]) for thing in look(data)["objects"]]
        for data in (image.data, buffer.getvalue())
    ]
    assert Counter(named[0]) == Counter(named[1]) == {("cat", "purple"): 2, ("apple", "red"): 1}


def test_it_tolerates_noise_and_blur() -> None:
    image = draw("a blue house", noise=0.2, blur=0.2)
    assert [(thing["label"], thing["color"]) for thing in look(image.data)["objects"]] == [("house", "blue")]


def test_pictograms_that_look_alike_are_not_among_the_labels() -> None:
    told, alike = (set(look(draw("a red ball", style).data)["labels"]) for style in ("gouache", "neon"))
    assert told - alike == {"ball", "circle"}


def test_an_empty_background_has_no_objects() -> None:
    found = look(draw("a red ball", missing_objects=1.0).data)
    assert found["objects"] == []
    assert {"ball", "cube", "cat", "umbrella", "lighthouse"} <= set(found["labels"])


def test_pictures_it_cannot_interpret_are_errors() -> None:
    assert isinstance(look(draw("a red ball in a meadow").data), ExtractionError)
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    with pytest.raises(ExtractionError, match="not by the sketch adapter"):
        read_drawing(noise)
    for shape in ((1, 1, 3), (2, 400, 3), (90, 7, 3)):
        assert isinstance(CHECKER.extract([np.full(shape, 17, dtype=np.uint8)])[0], dict | ExtractionError)
    with pytest.raises(UnreadableInputError):
        CHECKER.prepare(b"")


def test_confidences_are_above_the_counting_threshold() -> None:
    found = look(draw("five green stars").data)["objects"]
    assert len(found) == 5
    assert all(0.9 <= thing["confidence"] <= 1.0 for thing in found)


def test_there_are_no_variants() -> None:
    with pytest.raises(ValueError, match="no variants"):
        SketchChecker("fine", Path("nowhere"))
    assert CHECKER.identity == SketchChecker("", Path("elsewhere")).identity
