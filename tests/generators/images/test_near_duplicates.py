"""Near-duplicates: which images are near, the rates of a model, and the command that prints them."""

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generators.adapters.base import GenerationRequest
from generators.adapters.registry import load_generator
from generators.generations import request_generations
from generators.images import near_duplicates, originals
from generators.images.decoding import UnusableImageError
from generators.images.near_duplicates import (
    MAX_DISTANCE,
    NearPair,
    deja_vu_rate,
    hash_image,
    repetition_rates,
)
from generators.models import Generation, ImageModel
from generators.workers.drawing import produce
from tests import builders
from tests.generators.images.test_decoding import animate, encode

PROMPTS = (
    "a red circle left of a blue square",
    "three green stars",
    "a yellow triangle above a purple circle",
    'a sign that says "OPEN"',
    "five small white squares",
)


@cache
def sketch(prompt: str, seed: int = 0) -> bytes:
    return load_generator("sketch", {}).generate([GenerationRequest(prompt, seed, 512, 512)])[0].data


def hash_distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_copies_are_near_and_other_drawings_are_not(prompt: str) -> None:
    drawn = sketch(prompt)
    image = Image.open(io.BytesIO(drawn)).convert("RGB")
    copies = {
        "another encoder": encode(image, "JPEG", quality=50),
        "yet another": encode(image, "WEBP", quality=40),
        "smaller": encode(image.resize((200, 200)), "PNG"),
        "larger, not in proportion": encode(image.resize((1024, 900)), "PNG"),
        "cropped": encode(image.crop((5, 5, 507, 507)), "PNG"),
        "16 bits": encode(image.convert("L").convert("I;16").point(lambda value: value * 256), "PNG"),
        "opaque": encode(image.convert("RGBA"), "PNG"),
    }
    for change, copy in copies.items():
        assert hash_distance(hash_image(drawn), hash_image(copy)) <= MAX_DISTANCE, change
    for other in set(PROMPTS) - {prompt}:
        assert hash_distance(hash_image(drawn), hash_image(sketch(other))) > 2 * MAX_DISTANCE


def test_a_hash_is_sixteen_hex_digits_and_always_the_same() -> None:
    digits = hash_image(sketch(PROMPTS[0]))
    assert len(digits) == 16
    assert int(digits, 16).bit_count() == 32
    assert hash_image(sketch(PROMPTS[0])) == digits


def test_pixels_under_full_transparency_do_not_count() -> None:
    """Otherwise two images that look the same could have different hashes."""
    drawn = Image.open(io.BytesIO(sketch(PROMPTS[0]))).convert("RGBA")
    hidden = Image.open(io.BytesIO(sketch(PROMPTS[1]))).convert("RGBA")
    hidden.putalpha(0)
    half = Image.new("L", drawn.size, 0)
    half.paste(255, (0, 0, 256, 512))
    hashes = {
        hash_image(encode(Image.composite(drawn, below, half), "PNG"))
        for below in (hidden, Image.new("RGBA", drawn.size))
    }
    assert len(hashes) == 1


@pytest.mark.parametrize("data", [b"", b"text", animate("WEBP", 3), sketch(PROMPTS[0])[:-500]])
def test_bytes_of_no_image_have_no_hash(data: bytes) -> None:
    with pytest.raises(UnusableImageError):
        hash_image(data)


@pytest.fixture(params=[(16, 2048), (2, 3)], ids=["large tiles", "small tiles"])
def _tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result does not depend on the size of the tiles."""
    monkeypatch.setattr(near_duplicates, "ROWS", request.param[0])
    monkeypatch.setattr(near_duplicates, "COLUMNS", request.param[1])


@st.composite
def clustered_hashes(draw: st.DrawFn, max_size: int = 12) -> list[str]:
    """Hashes, many of which differ in few bits."""
    centers = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3))
    flips = st.lists(st.integers(0, 63), max_size=8)
    numbers = []
    for center, bits in draw(st.lists(st.tuples(st.sampled_from(centers), flips), max_size=max_size)):
        for bit in bits:
            center ^= 1 << bit
        numbers.append(center)
    return [f"{number:016x}" for number in numbers]


distances = st.integers(0, 64)


def nearest(own: str, others: Iterator[tuple[int, str]], distance: int) -> tuple[int, int] | None:
    """Distance and index of the nearest, the first one of several."""
    found = [(hash_distance(own, other), place) for place, other in others]
    return min((near for near in found if near[0] <= distance), default=None)


@pytest.mark.usefixtures("_tiles")
@given(clustered_hashes(), clustered_hashes(), distances)
def test_the_rate_against_a_reference_is_the_share_of_near_ones(own: list[str], seen: list[str], distance: int) -> None:
    expected = {i: found for i, digits in enumerate(own) if (found := nearest(digits, enumerate(seen), distance))}
    found = deja_vu_rate(own, seen, max_distance=distance)
    assert {pair.index: (pair.distance, pair.seen) for pair in found.pairs} == expected
    assert (found.n_near, found.max_distance) == (len(expected), distance)
    if own and seen:
        assert (found.n, found.rate) == (len(own), len(expected) / len(own))
    else:
        assert (found.n, found.rate) == (0, None)
    assert list(found.pairs) == sorted(found.pairs, key=lambda pair: (pair.distance, pair.index))


@pytest.mark.usefixtures("_tiles")
@given(clustered_hashes(), st.data(), distances)
def test_repetition_is_separate_for_the_same_and_for_other_prompts(
    hashes: list[str], data: st.DataObject, distance: int
) -> None:
    prompts = data.draw(st.lists(st.sampled_from("abc"), min_size=len(hashes), max_size=len(hashes)))
    found = repetition_rates(hashes, prompts, max_distance=distance)
    for rate, same in ((found.same_prompt, True), (found.other_prompts, False)):
        expected, n = {}, 0
        for i, digits in enumerate(hashes):
            others = [(j, hashes[j]) for j in range(len(hashes)) if j != i and (prompts[j] == prompts[i]) is same]
            n += bool(others)
            if near := nearest(digits, iter(others), distance):
                expected[i] = near
        assert {pair.index: (pair.distance, pair.seen) for pair in rate.pairs} == expected
        assert (rate.n, rate.n_near) == (n, len(expected))
        assert rate.rate == (len(expected) / n if n else None)


def test_a_model_that_ignores_the_prompt_repeats_itself() -> None:
    found = repetition_rates(["00000000ffffffff"] * 6, ["a", "a", "b", "b", "c", "d"])
    assert (found.other_prompts.rate, found.other_prompts.n) == (1.0, 6)
    assert (found.same_prompt.rate, found.same_prompt.n) == (1.0, 4)
    assert found.same_prompt.pairs[0] == NearPair(index=0, seen=1, distance=0)


@pytest.mark.parametrize("digits", ["", "12", "G" * 16, "0" * 17, "0X" + "0" * 14, "-" + "0" * 15, "ABCDEF0123456789"])
def test_an_invalid_hash_is_refused(digits: str) -> None:
    with pytest.raises(ValueError, match="16 hex digits"):
        deja_vu_rate([digits], ["0" * 16])


@pytest.mark.parametrize("distance", [-1, 65])
def test_an_invalid_distance_is_refused(distance: int) -> None:
    with pytest.raises(ValueError, match="0 to 64"):
        deja_vu_rate(["0" * 16], ["0" * 16], max_distance=distance)


def draw_images(n_prompts: int = 2, n_seeds: int = 2) -> ImageModel:
    model, prompt_set = builders.make_model(), builders.make_prompt_set(n_prompts)
    for prompt, text in zip(prompt_set.prompts.all(), PROMPTS, strict=False):
        prompt.text = text
        prompt.save()
        wanted = [(model, prompt, seed) for seed in range(n_seeds)]
        for generation in request_generations(wanted, width=256, height=256):
            produce(generation.pk)
    return model


def run(model: ImageModel, **options: Any) -> tuple[list[str], list[str]]:
    out, err = io.StringIO(), io.StringIO()
    call_command("near_duplicates", model=model.slug, stdout=out, stderr=err, **options)
    return out.getvalue().splitlines(), err.getvalue().splitlines()


def test_the_command_compares_with_a_folder(db: None, tmp_path: Path) -> None:
    model, folder = draw_images(n_seeds=1), tmp_path / "known"
    copied, *_ = Generation.objects.filter(model=model).order_by("pk")
    image = Image.open(io.BytesIO(originals.read(copied.original)))
    (folder / "deeper").mkdir(parents=True)
    (folder / "deeper" / "copy.jpg").write_bytes(encode(image.convert("RGB").resize((300, 300)), "JPEG"))
    (folder / "other.png").write_bytes(sketch(PROMPTS[3]))
    (folder / "notes.txt").write_text("text")
    (folder / "page.jpg").write_text("<html>404</html>")
    out, err = run(model, reference=folder)
    assert out[0] == f"{model.name}: 2 images for 2 prompts. Near images differ in at most 6 of 64 bits."
    assert out[-2] == f"near one of the 2 images in {folder}: 50.0 % (1 of 2)"
    assert out[-1].startswith(f"  generation {copied.pk} (p0, seed 0)  deeper/copy.jpg  ")
    assert err == [
        "Left out as unreadable: 1 of 3 images (33.3 %)",
        "  'page.jpg': its content is an HTML page",
        "Left out as no images: 1",
        "  'notes.txt': its content is text",
    ]


def test_the_command_counts_repetition_and_lists_each_pair_once(db: None) -> None:
    model = draw_images()
    Generation.objects.filter(model=model).update(phash="00000000ffffffff")
    out, _ = run(model)
    assert "near another image of the model, other prompt: 100.0 % (4 of 4)" in out
    assert "near another image of the model, same prompt: 100.0 % (4 of 4)" in out
    pairs = [line for line in out if line.startswith("  ")]
    assert len({frozenset(line.strip().split("  ")[:2]) for line in pairs}) == len(pairs)


def test_the_command_says_if_there_is_nothing_to_compare(db: None) -> None:
    out, _ = run(draw_images(n_prompts=1, n_seeds=1))
    assert out[1:] == [
        "near another image of the model, other prompt: unknown, there is nothing to compare",
        "near another image of the model, same prompt: unknown, there is nothing to compare",
    ]


def test_the_command_computes_and_keeps_hashes_that_are_missing(db: None) -> None:
    model = draw_images()
    stored = dict(Generation.objects.values_list("pk", "phash"))
    Generation.objects.update(phash="")
    run(model)
    assert dict(Generation.objects.values_list("pk", "phash")) == stored
    assert all(stored.values())


def test_the_command_skips_images_that_are_gone_or_damaged(db: None) -> None:
    model = draw_images()
    gone, damaged, *_ = Generation.objects.filter(model=model).order_by("pk")
    originals.path(gone.original).unlink()
    originals.path(damaged.original).write_bytes(b"dust")
    Generation.objects.update(phash="")
    out, err = run(model)
    assert out[0].startswith(f"{model.name}: 2 images for 1 prompts.")
    assert [line.partition(": ")[2].partition(":")[0] for line in err] == [
        f"generation {gone.pk}",
        f"generation {damaged.pk}",
    ]


def test_the_command_stops_if_the_store_does_not_answer(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    model = draw_images(n_prompts=1, n_seeds=1)
    Generation.objects.update(phash="")

    def fail(digest: str) -> bytes:
        raise originals.StorageError("The bucket of originals cannot be used: timeout.")

    monkeypatch.setattr(originals, "read", fail)
    with pytest.raises(CommandError, match="cannot be read"):
        run(model)


def test_the_command_names_the_known_models(db: None) -> None:
    known = builders.make_model()
    with pytest.raises(CommandError, match=f"There is no model 'unknown'. Known: {known.slug}"):
        call_command("near_duplicates", model="unknown")
    with pytest.raises(CommandError, match="is neither a folder nor"):
        call_command("near_duplicates", "--model", known.slug, "--reference", "/no/such/folder")
