"""Blindness: nothing that reaches a rater before the vote reveals which models drew the images."""

import io
import re
import struct
import uuid
import zlib
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image, PngImagePlugin

from arena.battles import blinding
from arena.models import Battle, Board
from generators.images import originals
from generators.images.srgb import GROUND
from generators.models import Generation, ImageModel
from tests import builders
from tests.generators.images.color_profiles import make_rgb_profile

ORIGINAL_SIZE = (1021, 509)
# In the metadata of the source images of edits.
PHOTOGRAPHER = "Nadar of Paris"


def secrets_of(model: ImageModel) -> list[str]:
    return [model.slug, model.name, model.organization, model.family, model.revision, "leakyadapter"]


def plant_png(text: str) -> bytes:
    """A PNG with the text in its text chunks, EXIF, XMP, and a C2PA-like chunk."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", text)
    info.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta>{text}</x:xmpmeta>")
    exif = Image.Exif()
    exif[0x010F] = exif[0x0131] = exif[0x010E] = text
    out = io.BytesIO()
    Image.effect_noise(ORIGINAL_SIZE, 60).convert("RGB").save(out, "PNG", pnginfo=info, exif=exif)
    data = out.getvalue()
    c2pa = b"caBX" + b"\x00\x00\x00\x20jumb" + text.encode()
    chunk = struct.pack(">I", len(c2pa) - 4) + c2pa + struct.pack(">I", zlib.crc32(c2pa))
    return data[:-12] + chunk + data[-12:]


def plant_jpeg(text: str) -> bytes:
    """A JPEG with the text in its EXIF, a comment, and a C2PA-like APP11 segment."""
    exif = Image.Exif()
    exif[0x010F] = exif[0x0131] = text
    out = io.BytesIO()
    image = Image.effect_noise(ORIGINAL_SIZE, 60).convert("RGB")
    image.save(out, "JPEG", quality=80, exif=exif, comment=text.encode())
    data = out.getvalue()
    body = b"JP\x00\x01\x00\x00\x00\x01jumbc2pa" + text.encode()
    return data[:2] + b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body + data[2:]


def finish(generation: Generation, data: bytes, media_type: str) -> None:
    Generation.objects.filter(pk=generation.pk).update(
        status=Generation.Status.OK,
        original=originals.store(data),
        media_type=media_type,
        reported={"by": generation.model.name},
        finished_at=timezone.now(),
    )


@pytest.fixture
def leaky_board(db: None) -> Board:
    board = builders.make_board(n_models=2, n_prompts=3)
    board.image_models.update(adapter="leakyadapter")
    return board


@pytest.fixture
def battle(leaky_board: Board, client: Client) -> Battle:
    """A battle that ``client`` opened, its images not drawn yet."""
    client.get(reverse("open_battle", args=[leaky_board.slug]), follow=True)
    return Battle.objects.get()


def draw_leaky(battle: Battle) -> None:
    for generation, plant, media_type in (
        (battle.generation_a, plant_png, "image/png"),
        (battle.generation_b, plant_jpeg, "image/jpeg"),
    ):
        finish(generation, plant(" ".join(secrets_of(generation.model))), media_type)


def battle_responses(client: Client, battle: Battle) -> Iterator[tuple[str, object]]:
    """Every response about a battle that a browser can get without voting on it."""
    htmx = {"HX-Request": "true"}
    page = battle.get_absolute_url()
    vote, report = reverse("vote", args=[battle.token]), reverse("report_problem", args=[battle.token])
    opened = reverse("open_battle", args=[battle.board.slug])
    own = reverse("rater_prompt", args=[battle.board.slug])
    yield "open", client.get(opened)
    yield "open, fragment", client.get(opened, headers=htmx)
    yield "page", client.get(page)
    yield "fragment", client.get(page, headers=htmx)
    yield "head", client.head(page)
    yield "wrong method", client.put(page)
    yield "unknown answer", client.post(vote, {"winner": "me"})
    yield "no answer, fragment", client.post(vote, headers=htmx)
    yield "vote by GET", client.get(vote)
    yield "unknown reason", client.post(report, {"reason": "dull"})
    yield "no cookie", Client().post(vote, {"winner": "tie"})
    yield "no csrf token", Client(enforce_csrf_checks=True).post(vote, {"winner": "tie"})
    yield "no csrf token, fragment", Client(enforce_csrf_checks=True).post(vote, {"winner": "tie"}, headers=htmx)
    yield "own prompt", client.get(own)
    yield "own prompt, fragment", client.get(own, headers=htmx)
    yield "empty prompt", client.post(own, {"prompt": " "})
    for side in "ab":
        yield f"image {side}", client.get(reverse("battle_image", args=[battle.token, side]))
        yield f"image {side}, head", client.head(reverse("battle_image", args=[battle.token, side]))
        yield (
            f"image {side}, range",
            client.get(reverse("battle_image", args=[battle.token, side]), headers={"Range": "bytes=0-99"}),
        )
    for name in ("source", "source-1", "source-2", "source-3"):
        yield f"image {name}", client.get(f"/battles/{battle.token}/{name}.jpg")
        yield f"image {name}, head", client.head(f"/battles/{battle.token}/{name}.jpg")
    yield "third image", client.get(f"/battles/{battle.token}/c.jpg")
    yield "image as png", client.get(f"/battles/{battle.token}/a.png")
    yield "no slash", client.get(page.rstrip("/"))
    stranger = builders.make_client(uuid.uuid4())
    yield "stranger's page", stranger.get(page)
    yield "stranger's fragment", stranger.get(page, headers=htmx)
    yield "stranger's vote", stranger.post(vote, {"winner": "tie"})
    yield "stranger's report", stranger.post(report, {"reason": "unsafe"})
    for side in "ab":
        yield f"stranger's {side}", stranger.get(reverse("battle_image", args=[battle.token, side]))
    yield "another token", client.get(reverse("battle", args=["x" * 22]))
    yield "hostile cookie", Client(headers={"Cookie": "paragone_rater=forged:signature"}).get(page)
    for address in ("/", "/robots.txt", "/sitemap.xml", "/healthz", "/readyz", "/favicon.ico", "/api/", "/media/"):
        yield address, client.get(address)


def everything_in(response) -> bytes:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    cookies = str(response.cookies)
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
    return headers.encode() + b"\n" + cookies.encode() + b"\n" + body


def expect_blind(client: Client, battle: Battle) -> None:
    secrets = [s for model in (battle.model_a, battle.model_b) for s in secrets_of(model)]
    secrets += [PHOTOGRAPHER, *battle.prompt.sources]
    generations = [battle.generation_a, battle.generation_b]
    for generation in generations:
        generation.refresh_from_db()
        if generation.original:
            secrets += [generation.original, generation.original[:16]]
    for what, response in battle_responses(client, battle):
        seen = everything_in(response)
        for secret in secrets:
            assert secret.lower().encode() not in seen.lower(), f"{what}: reveals {secret!r}"
        if "image" not in what:
            # As a separate number: random tokens may contain the same digits.
            sizes = rb"(?<![\w-])(%d|%d)(?![\w-])" % ORIGINAL_SIZE
            assert not re.search(sizes, seen), f"{what}: reveals the original's size"


def test_a_battle_being_drawn_reveals_nothing(client: Client, battle: Battle) -> None:
    assert b'data-stage="drawing"' in client.get(battle.get_absolute_url()).content
    expect_blind(client, battle)


def test_a_battle_does_not_reveal_which_image_is_late(client: Client, battle: Battle) -> None:
    before = client.get(battle.get_absolute_url(), headers={"HX-Request": "true"}).content
    finish(battle.generation_a, plant_png(battle.model_a.name), "image/png")
    assert client.get(battle.get_absolute_url(), headers={"HX-Request": "true"}).content == before
    assert [client.get(reverse("battle_image", args=[battle.token, side])).status_code for side in "ab"] == [404, 404]
    expect_blind(client, battle)


@pytest.fixture
def typed(leaky_board: Board, client: Client) -> Battle:
    """A battle on a prompt that ``client`` typed, its images not drawn yet."""
    leaky_board.rater_prompts = "not_counted"
    leaky_board.save()
    address = reverse("rater_prompt", args=[leaky_board.slug])
    client.get(address)
    client.post(address, {"prompt": "a heron in the fog"})
    return Battle.objects.get()


def test_a_typed_prompt_reveals_nothing_at_any_stage(client: Client, typed: Battle) -> None:
    expect_blind(client, typed)
    finish(typed.generation_a, plant_png(" ".join(secrets_of(typed.model_a))), "image/png")
    assert b"1 of 2" in client.get(typed.get_absolute_url()).content
    expect_blind(client, typed)
    draw_leaky(typed)
    assert b'data-stage="ready"' in client.get(typed.get_absolute_url()).content
    expect_blind(client, typed)


def test_the_number_of_drawn_images_does_not_reveal_which_is_late(client: Client, typed: Battle) -> None:
    """Whichever is drawn first, the pages have the same bytes, except for the seconds."""
    pages = []
    for first in (typed.generation_a, typed.generation_b):
        Generation.objects.update(status="pending", original="", media_type="", finished_at=None)
        finish(first, plant_png(first.model.name), "image/png")
        page = client.get(typed.get_absolute_url(), headers={"HX-Request": "true"}).content
        pages.append(re.sub(rb"\d+ s</span>", b"", page))
        assert b"1 of 2" in page
        images = [client.get(reverse("battle_image", args=[typed.token, side])).status_code for side in "ab"]
        assert images == [404, 404]
    assert pages[0] == pages[1]


def test_a_failed_typed_prompt_reveals_nothing(client: Client, typed: Battle) -> None:
    Generation.objects.filter(pk=typed.generation_b_id).update(
        status=Generation.Status.REFUSED, reason="refused", stage="prompt", message=f"{typed.model_b.name} said no"
    )
    page = client.get(typed.get_absolute_url())
    assert b'data-stage="failed"' in page.content
    for secret in secrets_of(typed.model_b):
        assert secret.encode() not in page.content


def test_an_edit_reveals_nothing_and_its_sources_lose_their_metadata(
    client: Client, leaky_board: Board, battle: Battle
) -> None:
    leaky_board.task = Board.Task.IMAGE_EDIT
    leaky_board.save()
    battle.prompt.sources = [originals.store(plant(PHOTOGRAPHER)) for plant in (plant_png, plant_jpeg)]
    battle.prompt.save()
    assert client.get(battle.get_absolute_url()).content.count(b"<img") == 2
    expect_blind(client, battle)
    finish(battle.generation_b, plant_png(battle.model_b.name), "image/png")
    expect_blind(client, battle)
    draw_leaky(battle)
    assert client.get(battle.get_absolute_url()).content.count(b"<img") == 4
    expect_blind(client, battle)
    source = client.get(reverse("battle_source", args=[battle.token]))
    image = Image.open(io.BytesIO(source.content))
    assert (image.format, image.size) == ("JPEG", (96, 96))
    assert not image.getexif()


def test_a_ready_battle_reveals_nothing(client: Client, battle: Battle) -> None:
    draw_leaky(battle)
    assert b'data-stage="ready"' in client.get(battle.get_absolute_url()).content
    expect_blind(client, battle)


def test_a_failed_battle_reveals_nothing(client: Client, battle: Battle) -> None:
    Generation.objects.filter(pk=battle.generation_b_id).update(
        status=Generation.Status.FAILED, reason="invalid", message=f"{battle.model_b.name} said no"
    )
    page = client.get(battle.get_absolute_url())
    assert b'data-stage="failed"' in page.content
    for secret in secrets_of(battle.model_b):
        assert secret.encode() not in page.content


def test_a_reported_battle_reveals_nothing(client: Client, battle: Battle) -> None:
    draw_leaky(battle)
    client.post(reverse("report_problem", args=[battle.token]), {"reason": "revealing"})
    page = client.get(battle.get_absolute_url())
    assert b'data-stage="ended"' in page.content
    for secret in [*secrets_of(battle.model_a), *secrets_of(battle.model_b)]:
        assert secret.encode() not in page.content


def test_expect_blind_finds_a_leak(client: Client, battle: Battle) -> None:
    """With a prompt that names a model."""
    battle.prompt.text = f"in the manner of {battle.model_a.name}"
    battle.prompt.save()
    with pytest.raises(AssertionError, match="reveals"):
        expect_blind(client, battle)


def test_the_vote_reveals_the_names(client: Client, battle: Battle) -> None:
    draw_leaky(battle)
    revealed = client.post(reverse("vote", args=[battle.token]), {"winner": "tie"}, follow=True)
    for model in (battle.model_a, battle.model_b):
        assert model.name.encode() in revealed.content


def test_both_images_have_the_same_headers_size_and_format(client: Client, battle: Battle) -> None:
    draw_leaky(battle)
    responses = [client.get(reverse("battle_image", args=[battle.token, side])) for side in "ab"]
    headers = [response.headers.items() for response in responses]
    assert list(headers[0]) == list(headers[1])
    assert not {"ETag", "Last-Modified", "Accept-Ranges"} & dict(headers[0]).keys()
    for response in responses:
        image = Image.open(io.BytesIO(response.content))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (96, 96))
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert not image.getexif()


def test_battles_with_the_same_images_have_different_tokens(client: Client, battle: Battle) -> None:
    draw_leaky(battle)
    second = Battle.objects.create(
        board=battle.board,
        prompt=battle.prompt,
        model_a=battle.model_b,
        model_b=battle.model_a,
        generation_a=battle.generation_b,
        generation_b=battle.generation_a,
        owner=uuid.uuid4(),
    )
    assert second.token != battle.token
    assert len(second.token) >= 20


def jpeg(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def test_an_image_is_turned_upright_before_its_exif_is_dropped() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown rotated by 90 degrees clockwise
    image = Image.new("RGB", (80, 40), "white")
    image.paste("red", (0, 0, 40, 40))
    shown = Image.open(io.BytesIO(blinding.blind(jpeg(image, exif=exif), 80, 80)))
    red, white = shown.getpixel((40, 20)), shown.getpixel((40, 60))
    assert red[1] < 60
    assert white[1] > 200


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb_on_the_canvas(mode: str) -> None:
    image = Image.new(mode, (60, 30), 40_000 if mode == "I;16" else None)
    out = io.BytesIO()
    image.save(out, "JPEG" if mode == "CMYK" else "PNG")
    shown = Image.open(io.BytesIO(blinding.blind(out.getvalue(), 64, 64)))
    assert (shown.mode, shown.size) == ("RGB", (64, 64))
    assert shown.getpixel((2, 2)) == pytest.approx(GROUND, abs=3)
    if mode == "I;16":
        assert shown.getpixel((32, 32))[0] == pytest.approx(156, abs=4)


def test_transparent_pixels_show_the_mat() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(out, "PNG")
    shown = Image.open(io.BytesIO(blinding.blind(out.getvalue(), 64, 64)))
    assert shown.getpixel((32, 32)) == pytest.approx(GROUND, abs=2)


@pytest.mark.parametrize("profile", [make_rgb_profile("Display P3"), b"no profile"])
def test_a_color_profile_is_dropped(profile: bytes) -> None:
    shown = Image.open(
        io.BytesIO(blinding.blind(jpeg(Image.new("RGB", (64, 64), "grey"), icc_profile=profile), 64, 64))
    )
    assert "icc_profile" not in shown.info
    assert shown.getpixel((32, 32)) == pytest.approx((128, 128, 128), abs=4)


@pytest.mark.parametrize("data", [b"", b"not an image", plant_jpeg("x")[:2000], b"GIF89a" + bytes(20)])
def test_a_broken_original_is_unviewable(data: bytes) -> None:
    with pytest.raises(blinding.UnviewableImageError):
        blinding.blind(data, 64, 64)


def test_an_original_with_too_many_pixels_is_never_decoded() -> None:
    header = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    header += struct.pack(">I", zlib.crc32(header[12:]))
    with pytest.raises(blinding.UnviewableImageError):
        blinding.blind(header, 64, 64)
