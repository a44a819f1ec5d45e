"""Edits by the adapter "sketch"."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import ExifTags, Image, ImageChops, ImageDraw, ImageStat

from generators.adapters.base import AdapterError, GeneratedImage, GenerationRequest, Outcome
from generators.adapters.registry import find_capabilities, load_generator
from generators.adapters.sketch.edits import read_edit
from generators.adapters.sketch.styles import STYLES
from tests.generators.images.color_profiles import make_rgb_profile
from tests.strategies import PROMPTS

SIDE = 192
GREY = (120, 120, 120)


def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


PLAIN = encode(Image.new("RGB", (SIDE, SIDE), GREY))


def white_box(box: tuple[int, int, int, int], size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rectangle(box, fill=255)
    return encode(mask)


def edit(prompt: str, source: bytes = PLAIN, *, mask: bytes | None = None, seed: int = 1, **options: Any) -> Any:
    request = GenerationRequest(prompt, seed, SIDE, SIDE, (source,), mask)
    (image,) = load_generator("sketch", options).generate([request])
    return image


def decode(generated: GeneratedImage) -> Image.Image:
    return Image.open(BytesIO(generated.data)).convert("RGB")


def changed(generated: GeneratedImage, source: bytes = PLAIN) -> tuple[int, int, int, int] | None:
    """The smallest box around all pixels that differ from the source."""
    return ImageChops.difference(decode(generated), Image.open(BytesIO(source)).convert("RGB")).getbbox()


def report(generated: GeneratedImage) -> dict[str, Any]:
    scene = generated.reported["scene"]
    assert isinstance(scene, dict)
    return scene


def test_the_adapter_edits_one_image_with_a_mask() -> None:
    capable = find_capabilities("sketch", {})
    assert (capable.max_sources, capable.masks) == (1, True)


@pytest.mark.parametrize(
    ("region", "box"),
    [
        ("in the top left corner", (0, 0, 96, 96)),
        ("in the bottom right corner", (96, 96, 192, 192)),
        ("at the top", (30, 0, 162, 96)),
        ("on the left", (0, 30, 96, 162)),
        ("in the center", (40, 30, 152, 162)),
    ],
)
def test_a_thing_is_added_at_the_requested_place_and_the_rest_stays(region: str, box: tuple[int, ...]) -> None:
    touched = changed(edit(f"Add a red ball {region}"))
    assert touched
    assert touched[0] >= box[0]
    assert touched[1] >= box[1]
    assert touched[2] <= box[2]
    assert touched[3] <= box[3]


@pytest.mark.parametrize("style", sorted(STYLES))
def test_every_style_adds_the_requested_color_and_keeps_the_source(style: str) -> None:
    image = edit("Add a large red circle in the center", style=style)
    (thing,) = report(image)["objects"][0]["drawn"]
    x, y = (round(place * SIDE) for place in thing["center"])
    red, green, blue = ImageStat.Stat(decode(image).crop((x - 8, y - 8, x + 8, y + 8))).mean
    assert red > green + 40
    assert red > blue + 40
    assert decode(image).getpixel((4, 4)) == GREY


def test_a_thing_already_in_the_picture_is_not_drawn_again() -> None:
    """A bird above the house goes to the top; "the house" is somewhere in the source."""
    scene = report(edit("Add a bird above the house"))
    assert [(thing["kind"], thing["position"]) for thing in scene["objects"]] == [("bird", "top")]
    assert scene["objects"][0]["drawn"][0]["center"][1] < 0.5


def test_things_named_by_each_other_keep_their_places() -> None:
    cat, car = report(edit("Add a cat to the left of a car"))["objects"]
    assert cat["drawn"][0]["center"][0] < car["drawn"][0]["center"][0]


def test_only_the_white_part_of_the_mask_changes() -> None:
    box = (100, 20, 170, 90)
    touched = changed(edit("Add three blue stars", mask=white_box(box), noise=0.5, blur=0.5))
    assert touched
    assert touched[0] >= 100
    assert touched[1] >= 20
    assert touched[2] <= 171
    assert touched[3] <= 91


def test_a_source_is_edited_as_it_is_shown() -> None:
    """Turned upright and in sRGB, with a mask that was made on what is shown."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    shown = Image.new("RGB", (SIDE, SIDE // 2), (20, 200, 90))
    shown.paste((20, 90, 200), (0, 0, SIDE // 2, SIDE // 2))
    stored = Image.merge("RGB", [shown.getchannel(n) for n in (1, 0, 2)]).transpose(Image.Transpose.ROTATE_90)
    source = encode(stored, exif=exif, icc_profile=make_rgb_profile("red and green exchanged"))
    request = GenerationRequest("Add a star", 1, SIDE, SIDE // 2, (source,), encode(Image.new("L", shown.size, 0)))
    (image,) = load_generator("sketch", {}).generate([request])
    found = np.asarray(decode(image)).astype(int)
    assert np.abs(found - np.asarray(shown)).max() <= 2


def test_with_a_black_mask_nothing_changes() -> None:
    black = encode(Image.new("L", (SIDE, SIDE), 0))
    for prompt in ("Add a red ball", "Make it blue", "Remove the tree"):
        assert changed(edit(prompt, mask=black, noise=0.5)) is None


def test_the_white_part_of_the_mask_is_removed() -> None:
    """A red box on a grey ground is filled with grey, up to its edges."""
    picture = Image.new("RGB", (SIDE, SIDE), GREY)
    ImageDraw.Draw(picture).rectangle((60, 60, 120, 120), fill=(220, 20, 20))
    image = edit("Remove the red box", encode(picture), mask=white_box((58, 58, 122, 122)))
    assert max(high for _, high in decode(image).getextrema()) <= 122
    assert report(image)["removes"]


def test_without_a_mask_nothing_is_removed_and_the_report_says_so() -> None:
    image = edit("Remove the house")
    assert changed(image) is None
    assert report(image)["objects"] == []
    assert report(image)["degradations"] == [{"mistake": "nothing_to_remove_without_a_mask"}]


def test_a_tone_changes_the_whole_picture() -> None:
    colored = encode(Image.new("RGB", (SIDE, SIDE), (200, 120, 60)))
    red, _, blue = decode(edit("Make it blue", colored)).getpixel((9, 9))
    assert blue > red
    grey = decode(edit("Turn the picture black and white", colored)).getpixel((9, 9))
    assert len(set(grey)) == 1
    night = decode(edit("Make it night", colored)).getpixel((9, 9))
    assert sum(night) < (200 + 120 + 60) / 2


@pytest.mark.parametrize(
    ("prompt", "tone", "removes", "kinds"),
    [
        ("Make it night and add two stars", "night", False, ["star"]),
        ("Add a boat, then turn the whole picture into sepia.", "brown", False, ["boat"]),
        ("Remove the tree and put a cat there", None, True, ["cat"]),
        ("make everything look purple", "purple", False, []),
        ("Make it a picture with a red ball", None, False, ["ball"]),
        ("Make it better", None, False, []),
        ('Add a sign that says "make it blue and remove the tree"', None, False, ["sign"]),
        ("", None, False, []),
    ],
)
def test_instructions_are_parsed(prompt: str, tone: str | None, removes: bool, kinds: list[str]) -> None:
    found = read_edit(prompt)
    assert (found.tone, found.removes) == (tone, removes)
    assert [thing.kind for thing in found.additions.objects] == kinds


def test_quoted_text_is_drawn_verbatim() -> None:
    assert read_edit('Add a sign that says "STOP. Add NOTHING"').additions.texts == ("STOP. Add NOTHING",)


def test_an_unknown_instruction_leaves_the_source_unchanged_and_is_reported() -> None:
    image = edit("Improve the composition")
    assert changed(image) is None
    assert report(image)["understood"] is False


def test_the_same_request_gives_the_same_bytes_and_another_seed_or_source_others() -> None:
    prompt, options = "Add three balloons and make it dusk", {"style": "crayon", "noise": 0.1}
    assert edit(prompt, **options) == edit(prompt, **options)
    assert edit(prompt, **options).data != edit(prompt, seed=2, **options).data
    other = encode(Image.new("RGB", (SIDE, SIDE), "teal"))
    assert edit(prompt, **options).data != edit(prompt, other, **options).data


@pytest.mark.parametrize(
    ("options", "prompt", "mistake"),
    [
        ({"missing_objects": 1}, "Add a red ball", "missing_object"),
        ({"color_errors": 1}, "Add a red ball", "wrong_color"),
        ({"color_errors": 1}, "Make it blue", "wrong_tone"),
        ({"position_errors": 1}, "Add a red ball at the top", "wrong_position"),
        ({"legibility": 0.2}, 'Add a sign that says "HELLO"', "illegible_text"),
        ({"noise": 0.3}, "Add a red ball", "noise"),
        ({"blur": 0.3}, "Add a red ball", "blur"),
    ],
)
def test_the_settings_add_the_same_errors_as_to_a_drawing(options: dict[str, float], prompt: str, mistake: str) -> None:
    image = edit(prompt, **options)
    assert mistake in [entry["mistake"] for entry in report(image)["degradations"]]
    assert image.data != edit(prompt).data


def test_a_source_of_another_aspect_ratio_is_cropped_at_the_centre() -> None:
    wide = Image.new("RGB", (400, 100), "white")
    wide.paste((0, 0, 255), (150, 0, 250, 100))
    image = decode(edit("Improve it", encode(wide)))
    assert image.size == (SIDE, SIDE)
    assert ImageStat.Stat(image).mean[2] - ImageStat.Stat(image).mean[0] > 250


def test_a_source_is_rotated_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter to the right
    image = Image.new("RGB", (SIDE, SIDE), "white")
    image.paste((255, 0, 0), (0, 0, SIDE // 2, SIDE))
    upright = decode(edit("Improve it", encode(image, "JPEG", quality=95, exif=exif)))
    assert upright.getpixel((SIDE // 2, 20))[1] < 60
    assert upright.getpixel((SIDE // 2, SIDE - 20))[1] > 200


@pytest.mark.parametrize(
    ("sources", "mask", "code"),
    [
        ((b"no image",), None, "source"),
        ((PLAIN[:200],), None, "source"),
        ((PLAIN, PLAIN), None, "source"),
        ((PLAIN,), b"no image", "mask"),
        ((), white_box((0, 0, 9, 9)), "mask"),
        ((PLAIN,), white_box((0, 0, 9, 9), (64, 64)), "mask"),
    ],
)
def test_an_unusable_source_is_invalid(sources: tuple[bytes, ...], mask: bytes | None, code: str) -> None:
    with pytest.raises(AdapterError) as caught:
        load_generator("sketch", {}).generate([GenerationRequest("Add a ball", 1, SIDE, SIDE, sources, mask)])
    assert (caught.value.outcome, caught.value.code) == (Outcome.INVALID, code)


@settings(max_examples=30)
@given(prompt=PROMPTS)
def test_every_instruction_gives_an_image(prompt: str) -> None:
    request = GenerationRequest(prompt, 1, 64, 64, (PLAIN,), white_box((5, 5, 11, 8)))
    (image,) = load_generator("sketch", {"legibility": 0.5}).generate([request])
    assert decode(image).size == (64, 64)
