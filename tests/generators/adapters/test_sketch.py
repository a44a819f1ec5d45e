"""The adapter "sketch": drawings, and the effect of each setting."""

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from generators.adapters.base import AdapterError, GeneratedImage, GenerationRequest, Outcome
from generators.adapters.registry import load_generator, validate_settings
from generators.adapters.sketch.reader import read_scene
from generators.adapters.sketch.styles import STYLES
from tests.strategies import PROMPTS

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "fixtures" / "prompts" / "demo.toml"
STYLE_NAMES = sorted(STYLES)


def draw(prompt: str, *, seed: int = 1, width: int = 192, height: int = 192, **options: Any) -> GeneratedImage:
    generator = load_generator("sketch", options)
    (image,) = generator.generate([GenerationRequest(prompt, seed, width, height)])
    return image


def report(prompt: str, **options: Any) -> dict[str, Any]:
    scene = draw(prompt, width=64, height=64, **options).reported["scene"]
    assert isinstance(scene, dict)
    return scene


def open_image(generated: GeneratedImage) -> Image.Image:
    return Image.open(BytesIO(generated.data)).convert("RGB")


def difference(one: GeneratedImage, other: GeneratedImage) -> float:
    """Mean absolute difference of two pictures, in levels of 0..255."""
    return sum(ImageStat.Stat(ImageChops.difference(open_image(one), open_image(other))).mean) / 3


class TestDeterminism:
    PROMPT = "Three red mushrooms, a “HELLO” sign and a café “日本” in a forest"

    def test_same_input_same_bytes(self) -> None:
        options = {"style": "crayon", "legibility": 0.4, "color_errors": 0.5, "noise": 0.2}
        assert draw(self.PROMPT, **options) == draw(self.PROMPT, **options)

    def test_another_process_with_another_hash_seed_draws_the_same_bytes(self) -> None:
        program = (
            "import hashlib, sys\n"
            "from generators.adapters.base import GenerationRequest\n"
            "from generators.adapters.registry import load_generator\n"
            "(image,) = load_generator('sketch', {'legibility': 0.5}).generate(\n"
            "    [GenerationRequest(sys.stdin.buffer.read().decode(), 7, 160, 96)])\n"
            "print(hashlib.sha256(image.data).hexdigest())\n"
        )
        here = draw(self.PROMPT, seed=7, width=160, height=96, legibility=0.5)
        hashes = {hashlib.sha256(here.data).hexdigest()}
        for hash_seed in ("1", "2"):
            finished = subprocess.run(
                [sys.executable, "-c", program],
                input=self.PROMPT.encode(),
                capture_output=True,
                check=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
            )
            hashes.add(finished.stdout.decode().strip())
        assert len(hashes) == 1

    @pytest.mark.parametrize("change", [{"seed": 2}, {"style": "neon"}, {"blur": 0.1}])
    def test_seed_and_settings_matter(self, change: dict[str, Any]) -> None:
        assert draw(self.PROMPT).data != draw(self.PROMPT, **change).data

    def test_unknown_prompts_differ_from_each_other(self) -> None:
        assert difference(draw("glorp"), draw("zzyzx")) > 5


class TestDrawing:
    @pytest.mark.parametrize("style", STYLE_NAMES)
    def test_objects_have_the_requested_color(self, style: str) -> None:
        """The middle of a big red circle is much redder than it is green or blue; of a blue one, bluer."""
        for color, channel in (("red", 0), ("blue", 2)):
            image = open_image(draw(f"a {color} circle", style=style)).crop((76, 76, 116, 116))
            mean = ImageStat.Stat(image).mean
            assert mean[channel] == max(mean)
            assert mean[channel] - min(mean) > 40

    def test_styles_are_visibly_different(self) -> None:
        pictures = [draw("a tree and a car on a meadow", style=style) for style in STYLE_NAMES]
        assert min(difference(a, b) for i, a in enumerate(pictures) for b in pictures[i + 1 :]) > 8

    @pytest.mark.parametrize(
        ("prompt", "axis", "sign"),
        [
            ("a cat to the left of a car", 0, -1),
            ("a cat to the right of a car", 0, 1),
            ("a star above a house", 1, -1),
            ("a heart below a star", 1, 1),
            ("a cat on top of a book", 1, -1),
            ("a ball on the left and a cube on the right", 0, -1),
            ("a ball at the bottom and a cube at the top", 1, 1),
        ],
    )
    def test_relations_hold_in_the_drawing(self, prompt: str, axis: int, sign: int) -> None:
        first, second = (thing["drawn"][0]["center"][axis] for thing in report(prompt)["objects"])
        assert (first - second) * sign > 0.1

    def test_between_is_between(self) -> None:
        star, tree, house = (o["drawn"][0]["center"][0] for o in report("a star between a tree and a house")["objects"])
        assert tree < star < house

    @pytest.mark.parametrize(("width", "height"), [(64, 64), (320, 180), (180, 320)])
    def test_things_are_in_the_picture_and_do_not_overlap(self, width: int, height: int) -> None:
        prompt = "Eleven red apples and four cups on a table, two stars above a lamp, a cat and a “VERY LONG SIGN”"
        drawn = [
            thing
            for scene in (draw(prompt, width=width, height=height).reported["scene"],)
            for o in scene["objects"]
            for thing in o["drawn"]
        ]
        assert len(drawn) == 11 + 4 + 2 + 1 + 1 + 1
        boxes = [
            (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            for (x, y), (w, h) in ((thing["center"], thing["size"]) for thing in drawn)
        ]
        assert all(min(box) >= 0 and max(box) <= 1 for box in boxes)
        overlaps = [
            (min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1]))
            for i, a in enumerate(boxes)
            for b in boxes[i + 1 :]
        ]
        # Places in the report are rounded to a thousandth.
        assert not [overlap for overlap in overlaps if min(overlap) > 0.004]

    @pytest.mark.parametrize("style", STYLE_NAMES)
    def test_lettering_stands_out_from_its_face(self, style: str) -> None:
        """The middle of a blackboard has contrast with a text, and little without."""
        blank, lettered = (
            ImageStat.Stat(open_image(draw(prompt, style=style)).convert("L").crop((60, 60, 132, 100))).stddev[0]
            for prompt in ("a blackboard", "a blackboard that reads “MMM”")
        )
        assert lettered > blank + 20

    def test_missing_glyphs_are_reported(self) -> None:
        scene = report("a card with “CAFÉ 日本”")
        assert scene["objects"][0]["drawn"][0]["texts"] == ["CAFE □□"]
        assert scene["degradations"][0]["mistake"] == "no_glyphs"

    def test_dashes_are_drawn_as_hyphens(self) -> None:
        assert report("a card with “8–12”")["objects"][0]["drawn"][0]["texts"] == ["8-12"]


class TestSettings:
    PROMPT = "two red balls and a blue cube to the left of a sign that says “GOOD MORNING”"

    def test_defaults_add_no_errors(self) -> None:
        scene = report(self.PROMPT)
        assert scene["degradations"] == []
        assert [thing["color"] for thing in scene["objects"][0]["drawn"]] == ["red", "red"]
        assert scene["objects"][2]["drawn"][0]["texts"] == ["GOOD MORNING"]

    def test_color_errors_change_every_color(self) -> None:
        scene = report(self.PROMPT, color_errors=1)
        assert "red" not in [thing["color"] for thing in scene["objects"][0]["drawn"]]
        assert scene["objects"][1]["drawn"][0]["color"] != "blue"
        assert [mistake["mistake"] for mistake in scene["degradations"]] == ["wrong_color"] * 4
        red = ImageStat.Stat(open_image(draw("a red circle")).crop((76, 76, 116, 116))).mean
        wrong = ImageStat.Stat(open_image(draw("a red circle", color_errors=1)).crop((76, 76, 116, 116))).mean
        assert sum(abs(a - b) for a, b in zip(red, wrong, strict=True)) > 60

    def test_missing_objects_leave_everything_out(self) -> None:
        scene = report(self.PROMPT, missing_objects=1)
        assert all(thing["drawn"] == [] for thing in scene["objects"])
        assert difference(draw("a red circle"), draw("a red circle", missing_objects=1)) > 10

    def test_a_share_of_objects_is_missing(self) -> None:
        drawn = sum(
            len(report("ten stars", seed=seed, missing_objects=0.3)["objects"][0]["drawn"]) for seed in range(10)
        )
        assert 55 <= drawn <= 85

    def test_legibility_spoils_text_but_not_objects(self) -> None:
        scene = report(self.PROMPT, legibility=0)
        assert scene["objects"][2]["drawn"][0]["texts"] != ["GOOD MORNING"]
        assert len(scene["objects"][0]["drawn"]) == 2
        assert difference(draw("“GOOD MORNING”"), draw("“GOOD MORNING”", legibility=0)) > 1

    def test_lower_legibility_keeps_fewer_letters(self) -> None:
        def count_kept(legibility: float) -> int:
            text = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
            drawn = [
                report(f"“{text}”", seed=seed, legibility=legibility)["objects"][0]["drawn"][0]["texts"][0]
                for seed in range(5)
            ]
            return sum(a == b for letters in drawn for a, b in zip(text, letters, strict=False))

        assert count_kept(1.0) == 130
        assert count_kept(0.95) > count_kept(0.5)

    def test_position_errors_reverse_relations(self) -> None:
        for prompt, axis in (
            ("a cat to the left of a car", 0),
            ("a star above a house", 1),
            ("a heart below a ball", 1),
        ):
            right = [o["drawn"][0]["center"][axis] for o in report(prompt)["objects"]]
            wrong = [o["drawn"][0]["center"][axis] for o in report(prompt, position_errors=1)["objects"]]
            assert (right[0] < right[1]) != (wrong[0] < wrong[1])

    @pytest.mark.parametrize("mistake", ["noise", "blur"])
    def test_noise_and_blur_grow(self, mistake: str) -> None:
        prompt = "a tree and a car on a meadow"
        some, much = (_measure_detail(draw(prompt, **{mistake: amount})) for amount in (0.2, 1.0))
        none = _measure_detail(draw(prompt))
        assert none < some < much if mistake == "noise" else none > some > much
        assert {"mistake": mistake, "amount": 1.0} in report(prompt, **{mistake: 1})["degradations"]

    @pytest.mark.parametrize(
        "options",
        [{"sharpness": 1}, {"style": "oil"}, {"noise": 1.5}, {"legibility": -0.1}, {"blur": float("nan")}],
    )
    def test_wrong_settings_are_refused(self, options: dict[str, Any]) -> None:
        with pytest.raises(AdapterError) as caught:
            validate_settings("sketch", options)
        assert caught.value.outcome is Outcome.INVALID
        assert next(iter(options)) in caught.value.message


def _measure_detail(generated: GeneratedImage) -> float:
    """Mean difference of neighbouring pixels."""
    image = open_image(generated).convert("L")
    return float(ImageStat.Stat(ImageChops.difference(image, ImageChops.offset(image, 1, 0))).mean[0])


class TestRequests:
    @pytest.mark.parametrize(("width", "height"), [(63, 100), (100, 63), (2049, 100), (100, 2049), (0, 0)])
    def test_sizes_out_of_range_are_refused(self, width: int, height: int) -> None:
        with pytest.raises(AdapterError, match="64 to 2048") as caught:
            draw("a cat", width=width, height=height)
        assert caught.value.outcome is Outcome.INVALID

    @pytest.mark.parametrize(("width", "height"), [(64, 64), (65, 301), (2048, 64), (64, 700)])
    @pytest.mark.parametrize("prompt", ["", "a cat and a “LONG LONG SIGN” on a meadow"])
    def test_sizes_are_honoured(self, prompt: str, width: int, height: int) -> None:
        assert open_image(draw(prompt, width=width, height=height)).size == (width, height)

    def test_the_image_is_a_plain_png_with_a_report(self) -> None:
        generated = draw("a cat")
        image = Image.open(BytesIO(generated.data))
        assert (generated.media_type, image.format, image.mode, image.info) == ("image/png", "PNG", "RGB", {})
        assert generated.reported["drawn_by"] == "procedural drawing, no neural network"

    @pytest.mark.parametrize(
        "prompt",
        [
            "",
            "\x00\x01\x1f\x7f",
            "red cat " * 1250,
            "'" * 10_000,
            '"a ' * 3_333,
            "“" + "W" * 10_000 + "”",
            "a sign saying “" + "long words " * 25 + "”",
            "שלום “עולם” مرحبا",
            "👩‍👩‍👧 “👍🏽” \ud800",
            "“\u0301\u200d\ufffe”",
            "0 cats, 00 dogs and ² stars",
        ],
    )
    def test_odd_prompts_are_drawn(self, prompt: str) -> None:
        generated = draw(prompt, width=64, height=64)
        assert open_image(generated).size == (64, 64)
        json.dumps(generated.reported).encode()

    @settings(max_examples=60)
    @given(
        prompt=PROMPTS,
        seed=st.integers(0, 2**63),
        style=st.sampled_from(STYLE_NAMES),
        mistake=st.sampled_from([0.0, 0.5, 1.0]),
    )
    def test_any_prompt_gives_a_picture_of_the_right_size(
        self, prompt: str, seed: int, style: str, mistake: float
    ) -> None:
        options = {"missing_objects": mistake / 2, "position_errors": mistake, "legibility": 1 - mistake}
        generated = draw(prompt, seed=seed, width=64, height=72, style=style, **options)
        assert open_image(generated).size == (64, 72)
        json.dumps(generated.reported, allow_nan=False).encode()
        for thing in generated.reported["scene"].get("objects", []):
            for drawn in thing["drawn"]:
                for center, size in zip(drawn["center"], drawn["size"], strict=True):
                    assert size > 0
                    assert size / 2 - 0.01 <= center <= 1.01 - size / 2


class TestDemoPrompts:
    def test_each_is_understood(self) -> None:
        pack = tomllib.loads(DEMO.read_text(encoding="utf-8"))
        prompts = pack["prompts"]
        assert len({prompt["key"] for prompt in prompts}) == len(prompts) == 24
        assert {prompt["category"] for prompt in prompts} == {"counting", "color", "position", "text", "scene"}
        for prompt in prompts:
            scene = read_scene(prompt["text"])
            assert scene.objects
            assert list(scene.texts) == prompt["targets"]
