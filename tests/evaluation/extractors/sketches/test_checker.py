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


def draw(prompt: str, style: str = "gouache", size: int = 320, **errors: Any) -> GeneratedImage:
    generator = SketchGenerator(SketchSettings(style=style, **errors), SecretStr(""))
    return generator.generate([GenerationRequest(prompt=prompt, seed=1, width=size, height=size)])[0]


def look(data: bytes) -> Any:
    (found,) = CHECKER.extract([CHECKER.prepare(data)])
    return found


def list_drawn(image: GeneratedImage) -> list[tuple[str, str, list[float], list[float]]]:
    """Kind, colour, centre and size (fractions of the picture) of the objects that the adapter drew."""
    asked = image.reported["scene"]["objects"]
    return [(item["kind"], one["color"], one["center"], one["size"]) for item in asked for one in item["drawn"]]


@pytest.mark.parametrize("style", STYLES)
def test_labels_and_colours_are_right_in_every_style(style: str) -> None:
    expected, labels, colors, found = 0, 0, 0, 0
    for prompt in CROWDS:
        image = draw(prompt, style)
        record = look(image.data)
        drawn = [item for item in list_drawn(image) if item[0] in record["labels"]]
        objects = [item for item in record["objects"] if item["label"] in record["labels"]]
        expected, found = expected + len(drawn), found + len(objects)
        labels += (Counter(kind for kind, *_ in drawn) & Counter(item["label"] for item in objects)).total()
        pairs = Counter((item["label"], item["color"]) for item in objects)
        colors += (Counter((kind, color) for kind, color, *_ in drawn) & pairs).total()
    assert labels >= LEAST * expected, f"{labels} of {expected} labels"
    assert colors >= LEAST * expected, f"{colors} of {expected} colours"
    assert found * LEAST <= expected, f"{found} objects found of {expected}"


def test_boxes_are_where_objects_were_drawn() -> None:
    image = draw("a red ball left of a blue cube", size=640)
    by_label = {item["label"]: item["box"] for item in look(image.data)["objects"]}
    for kind, _, (x, y), (width, height) in list_drawn(image):
        expected = [640 * side for side in (x - width / 2, y - height / 2, x + width / 2, y + height / 2)]
        assert by_label[kind] == pytest.approx(expected, abs=8)


ERRORS = {
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
    for metric in (*ERRORS.values(), CountAccuracy, Composition):
        assert measure(metric, good, relation) == 1.0
    for error, metric in ERRORS.items():
        bad = draw(relation[0], size=256, **{error: 1.0})
        assert measure(metric, bad, relation) == 0.0, error
        assert measure(Composition, bad, relation) == 0.0


def test_it_uses_only_pixels_and_no_metadata() -> None:
    image = draw("two purple cats and a red apple")
    buffer = BytesIO()
    Image.open(BytesIO(image.data)).convert("RGB").save(buffer, "JPEG", quality=88)
    named = [
        [(item["label"], item["color"]) for item in look(data)["objects"]] for data in (image.data, buffer.getvalue())
    ]
    assert Counter(named[0]) == Counter(named[1]) == {("cat", "purple"): 2, ("apple", "red"): 1}


def test_it_tolerates_noise_and_blur() -> None:
    image = draw("a blue house", noise=0.2, blur=0.2)
    assert [(item["label"], item["color"]) for item in look(image.data)["objects"]] == [("house", "blue")]


def test_pictograms_that_look_alike_are_not_among_the_labels() -> None:
    labels, neon_labels = (set(look(draw("a red ball", style).data)["labels"]) for style in ("gouache", "neon"))
    assert labels - neon_labels == {"ball", "circle"}


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
    assert all(0.9 <= item["confidence"] <= 1.0 for item in found)


def test_there_are_no_variants() -> None:
    with pytest.raises(ValueError, match="no variants"):
        SketchChecker("fine", Path("nowhere"))
    assert CHECKER.identity == SketchChecker("", Path("elsewhere")).identity
