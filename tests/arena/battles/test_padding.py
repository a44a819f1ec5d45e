"""Padding: a battle serves its own bytes, all images of a battle have one length, and the pixels stay the same."""

import hashlib
import io
import uuid
from itertools import product

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from arena.battles import blinding, padding
from arena.battles.opening import create_battle
from arena.models import Battle, Board
from generators.images import originals
from generators.models import Generation
from tests import builders
from tests.arena.battles.test_edit_boards import addresses_of

NONCE = bytes(range(32))


def encode(sigma: float, side: int = 48) -> bytes:
    """A derivative; the file grows with ``sigma``, the standard deviation of its noise."""
    out = io.BytesIO()
    Image.effect_noise((side, side), sigma).save(out, "PNG")
    return blinding.blind(out.getvalue(), side, side)


def read_pixels(jpeg: bytes) -> bytes:
    with Image.open(io.BytesIO(jpeg)) as image:
        return image.tobytes()


JPEG = encode(20)


@given(st.integers(padding.SHORTEST_PADDING, 300_000))
def test_a_padded_image_has_the_wanted_length_and_the_same_pixels(missing: int) -> None:
    padded = padding.pad(JPEG, len(JPEG) + missing, NONCE)
    assert len(padded) == len(JPEG) + missing
    assert read_pixels(padded) == read_pixels(JPEG)
    assert NONCE in padded[:64]
    with Image.open(io.BytesIO(padded)) as image:
        assert "jfif" in image.info  # the JFIF header is still the first segment
        assert "comment" not in image.info


@pytest.mark.parametrize("extra", [-1, 0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("n_segments", [1, 2, 3])
def test_segments_are_never_longer_than_the_format_allows(n_segments: int, extra: int) -> None:
    length = len(JPEG) + n_segments * padding.LONGEST_SEGMENT + extra
    padded = padding.pad(JPEG, length, NONCE)
    assert len(padded) == length
    assert read_pixels(padded) == read_pixels(JPEG)


@pytest.mark.parametrize(
    ("sizes", "length"),
    [
        ([100], 10_000),
        ([9_964, 100], 10_000),
        ([9_965, 100], 20_000),
        ([100, 50, 39_964], 40_000),
        ([39_965], 80_000),
    ],
)
def test_the_length_is_a_byte_a_pixel_doubled_until_the_largest_image_fits(sizes: list[int], length: int) -> None:
    assert padding.find_length(sizes, 100, 100) == length


@pytest.fixture
def edits(db: None) -> Board:
    return builders.make_edit_board(n_prompts=1, drawn=True)


def make_battles(board: Board) -> list[Battle]:
    """Three battles about the same two images, both ways round."""
    drawn = list(Generation.objects.filter(model__in=board.image_models.order_by("pk")[:2]))
    return [create_battle(board, uuid.uuid4(), drawn) for _ in range(3)]


def fetch(battle: Battle) -> list[bytes]:
    client = builders.make_client(battle.owner)
    return [client.get(address).content for address in addresses_of(battle)]


def test_a_battle_serves_other_bytes_of_one_length_and_the_same_pixels(edits: Board) -> None:
    battles = [fetch(battle) for battle in make_battles(edits)]
    served = [image for images in battles for image in images]
    digests = {hashlib.sha256(image).hexdigest() for image in served}
    assert len(digests) == len(served) == 9
    assert {len(image) for image in served} == {96 * 96}
    pixels = [{read_pixels(image) for image in images} for images in battles]
    assert pixels[0] == pixels[1] == pixels[2]


def test_a_reload_serves_the_same_bytes(edits: Board) -> None:
    battle = make_battles(edits)[0]
    assert fetch(battle) == fetch(battle)


def test_the_images_of_a_battle_have_one_length_though_one_of_them_is_large(edits: Board) -> None:
    battle = make_battles(edits)[0]
    canvas = battle.board.canvas_width, battle.board.canvas_height
    out = io.BytesIO()
    Image.effect_noise(canvas, 150).save(out, "PNG")
    large = originals.store(out.getvalue())
    Generation.objects.filter(pk=battle.generation_b_id).update(original=large)
    largest = blinding.derive(large, *canvas).stat().st_size
    assert largest > 96 * 96
    assert {len(image) for image in fetch(battle)} == {2 * 96 * 96}


def test_a_table_of_digests_or_lengths_names_no_side(board: Board) -> None:
    """The attack: remember each file with the model that was named after the vote, and look it up in later battles."""
    drawn = list(Generation.objects.filter(prompt=board.prompt_sets.get().prompts.first()))
    by_digest: dict[str, int] = {}
    by_length: dict[int, set[int]] = {}
    for _, (a, b) in product(range(3), [(drawn[0], drawn[1]), (drawn[1], drawn[2]), (drawn[0], drawn[2])]):
        battle = create_battle(board, uuid.uuid4(), [a, b])
        for side, model in (("a", battle.model_a_id), ("b", battle.model_b_id)):
            data = builders.make_client(battle.owner).get(reverse("battle_image", args=[battle.token, side])).content
            assert hashlib.sha256(data).hexdigest() not in by_digest
            by_digest[hashlib.sha256(data).hexdigest()] = model
            by_length.setdefault(len(data), set()).add(model)
    assert len(by_length) == 1
    assert by_length.popitem()[1] == {generation.model_id for generation in drawn}


@pytest.mark.parametrize(
    "headers",
    [{"Range": "bytes=100-199"}, {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, {"If-None-Match": "*"}],
    ids=["range", "modified", "etag"],
)
def test_partial_and_conditional_requests_get_the_whole_image(edits: Board, headers: dict[str, str]) -> None:
    battle = make_battles(edits)[0]
    client = builders.make_client(battle.owner)
    for address in addresses_of(battle):
        whole, answer = client.get(address), client.get(address, headers=headers)
        assert (answer.status_code, dict(answer.headers), answer.content) == (200, dict(whole.headers), whole.content)
        assert answer["Content-Length"] == str(len(whole.content))
        assert client.head(address)["Content-Length"] == answer["Content-Length"]


def test_no_image_is_served_if_another_cannot_be_shown(edits: Board) -> None:
    """A length of its own would tell the remaining images apart."""
    battle = make_battles(edits)[0]
    Generation.objects.filter(pk=battle.generation_a_id).update(original=originals.store(b"broken"))
    client = builders.make_client(battle.owner)
    assert {client.get(address).status_code for address in addresses_of(battle)} == {404}
