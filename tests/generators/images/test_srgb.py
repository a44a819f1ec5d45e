"""sRGB pixels: a colour profile counts in every pixel mode and format, at every place that looks at pixels."""

import base64
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from arena.battles import blinding
from evaluation.extractors.images import decoding as for_extractors
from evaluation.reports.thumbnail_set import Picture, ThumbnailSet
from generators.images.decoding import FOLDER_FORMATS, read_image
from generators.images.near_duplicates import hash_image
from generators.images.srgb import GROUND, decode_mask, decode_shown, decode_stored
from tests.generators.images.color_profiles import (
    SRGB,
    make_cmyk_profile,
    make_grey_profile,
    make_rgb_profile,
)
from tests.generators.images.test_decoding import chunk, encode

PROFILES = {
    "Display P3": make_rgb_profile("Display P3"),
    "Adobe RGB": make_rgb_profile("Adobe RGB", 2.2),
    "ProPhoto RGB": make_rgb_profile("ProPhoto RGB", 1.8),
    "red and green exchanged": make_rgb_profile("red and green exchanged"),
}
# Sixteen colours, so that palettes hold them all.
COLORS = np.random.default_rng(3).integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
ALPHA = np.full((32, 32), 255, dtype=np.uint8)
ALPHA[:8] = 0
ALPHA[8:16] = 100
# The modes that are written without loss.
MODES = {
    "PNG": ("RGB", "RGBA", "P", "P with alpha", "L", "LA", "1", "I;16"),
    "WEBP": ("RGB", "RGBA", "P", "L"),
    "TIFF": ("RGB", "RGBA", "P", "PA", "L", "LA", "1", "I;16"),
}


def shown(data: bytes) -> NDArray[np.int64]:
    return np.asarray(decode_shown(data, FOLDER_FORMATS)).astype(np.int64)


def make_mode(mode: str) -> tuple[Image.Image, Image.Image, NDArray[np.uint8] | None]:
    """A picture in this mode, the same in RGB, and the alpha channel of the first."""
    rgb = Image.fromarray(COLORS)
    alpha = ALPHA if mode in {"RGBA", "PA", "LA", "P with alpha"} else None
    if mode == "I;16":
        grey = np.asarray(rgb.convert("L"))
        return Image.fromarray(grey.astype(np.uint16) * 257), Image.fromarray(grey).convert("RGB"), None
    if mode in {"P", "P with alpha", "PA"}:
        image = rgb.quantize(16)
        rgb = image.convert("RGB")
        if mode == "PA":
            image = image.convert("PA")
            image.putalpha(Image.fromarray(ALPHA))
        if mode == "P with alpha":
            alpha = np.asarray(image) * np.uint8(16)
        return image, rgb, alpha
    image = rgb.convert(mode)
    rgb = image.convert("RGB")
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    return image, rgb, alpha


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("format", "mode"), [(format, mode) for format in MODES for mode in MODES[format]])
def test_a_profile_counts_in_every_mode_as_in_rgb(mode: str, format: str, profile: str) -> None:
    image, rgb, alpha = make_mode(mode)
    options: dict[str, Any] = {"lossless": True, "exact": True} if format == "WEBP" else {}
    if mode == "P with alpha":
        options["transparency"] = bytes(range(0, 256, 16))
    data = encode(image, format, icc_profile=PROFILES[profile], **options)
    wanted = shown(encode(rgb, "PNG", icc_profile=PROFILES[profile])).astype(float)
    if alpha is not None:
        share = alpha[..., None] / 255
        wanted = share * wanted + (1 - share) * GROUND
    assert np.abs(shown(data) - wanted).max() <= 1
    if mode in {"RGB", "P"}:
        assert np.abs(wanted - np.asarray(rgb)).max() > 10


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_lossy_formats_are_as_their_own_pixels_with_the_profile(mode: str, format: str, profile: str) -> None:
    image = make_mode("RGB" if (mode, format) == ("RGBA", "JPEG") else mode)[0]
    data = encode(image, format, icc_profile=PROFILES[profile], quality=90)
    stored = Image.open(io.BytesIO(encode(image, format, quality=90)))
    wanted = shown(encode(stored, "PNG", icc_profile=PROFILES[profile]))
    assert np.abs(shown(data) - wanted).max() <= 1


def test_red_and_green_are_exchanged_by_a_profile_that_says_so() -> None:
    for mode in ("RGB", "RGBA", "P"):
        data = encode(Image.fromarray(COLORS).convert(mode), "PNG", icc_profile=PROFILES["red and green exchanged"])
        plain = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        assert np.abs(shown(data) - plain[..., [1, 0, 2]]).max() <= 2


def test_a_color_of_srgb_comes_back_from_display_p3() -> None:
    """(234, 51, 35) is the red of sRGB in Display P3, as colour tables on the web give it."""
    image = Image.new("RGBA", (8, 8), (234, 51, 35, 255))
    assert shown(encode(image, "PNG", icc_profile=PROFILES["Display P3"]))[0, 0] == pytest.approx([255, 0, 0], abs=2)


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_a_profile_of_grey_counts(mode: str) -> None:
    """In linear light, 55 of 255 is the middle grey of sRGB, 128."""
    image = Image.new("L", (8, 8), 55)
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 8), 55 * 257, dtype=np.uint16))
    data = encode(image if mode == "I;16" else image.convert(mode), "PNG", icc_profile=make_grey_profile(1.0))
    assert shown(data)[0, 0] == pytest.approx([128] * 3, abs=2)


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_a_profile_of_cmyk_counts(format: str) -> None:
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    plain, profiled = encode(image, format), encode(image, format, icc_profile=make_cmyk_profile())
    assert shown(plain)[0, 0] == pytest.approx([0, 255, 255], abs=4)
    assert shown(profiled)[0, 0] == pytest.approx([255, 0, 0], abs=8)


def test_lab_is_shown_in_srgb() -> None:
    image = Image.new("LAB", (8, 8), (138, 81 + 128, 70 + 128))
    assert shown(encode(image, "TIFF"))[0, 0] == pytest.approx([255, 0, 0], abs=8)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "P with alpha", "L", "LA", "1", "I;16"])
@pytest.mark.parametrize("profile", [SRGB, make_rgb_profile("sRGB"), None], ids=["sRGB", "another sRGB", "none"])
def test_with_srgb_or_no_profile_the_pixels_are_those_stored(mode: str, profile: bytes | None) -> None:
    image = make_mode(mode)[0]
    data = encode(image, "PNG", **({"icc_profile": profile} if profile else {}))
    np.testing.assert_array_equal(shown(data), np.asarray(decode_stored(data)))


P3 = PROFILES["Display P3"]
# The same length in the header, but no primaries.
WITHOUT_PRIMARIES = P3.replace(b"rXYZ", b"none")


@pytest.mark.parametrize(
    "profile",
    [
        *(P3[:length] for length in (1, 100, 128, 200, len(P3) - 1)),
        *(b"no profile", P3[:128], bytes(600), WITHOUT_PRIMARIES, make_cmyk_profile(), make_grey_profile(1.0)),
        P3[:16] + b"Luv " + P3[20:],
    ],
)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
def test_a_profile_that_is_broken_or_of_other_channels_is_ignored(format: str, profile: bytes) -> None:
    image = Image.fromarray(COLORS)
    np.testing.assert_array_equal(shown(encode(image, format, icc_profile=profile)), shown(encode(image, format)))


@pytest.mark.parametrize(
    "body",
    [
        b"icc\0\0" + zlib.compress(P3)[:40],
        b"icc\0\0not deflated",
        b"icc\0\1" + zlib.compress(P3),
        b"no end of the name",
        b"",
        b"icc\0\0" + zlib.compress(bytes(3 << 20)),
    ],
    ids=["cut off", "not deflated", "unknown compression", "no name", "empty", "3 MiB"],
)
def test_a_png_with_a_damaged_profile_chunk_is_read(body: bytes) -> None:
    plain = encode(Image.fromarray(COLORS), "PNG")
    data = plain[:33] + chunk(b"iCCP", body) + plain[33:]
    assert read_image(data) == read_image(plain)
    assert shown(data).tolist() == COLORS.tolist()
    assert blinding.blind(data, 64, 64) == blinding.blind(plain, 64, 64)


def test_a_transparent_color_of_16_bits_is_transparent() -> None:
    deep = np.full((8, 8), 40_000, dtype=np.uint16)
    deep[:4] = 40_001
    plain = encode(Image.fromarray(deep), "PNG")
    data = plain[:33] + chunk(b"tRNS", struct.pack(">H", 40_000)) + plain[33:]
    assert shown(data)[0, 0].tolist() == [156] * 3
    assert shown(data)[7, 7].tolist() == list(GROUND)


def test_an_image_of_many_strips_is_converted_as_a_whole() -> None:
    image = Image.radial_gradient("L").resize((1500, 2000)).convert("P")
    data = encode(image, "PNG", icc_profile=P3)
    wanted = shown(encode(image.convert("RGB"), "PNG", icc_profile=P3))
    np.testing.assert_array_equal(shown(data), wanted)


# At each place that looks at pixels

TURNED = Image.Exif()
TURNED[ExifTags.Base.Orientation] = 6


def look_as_a_rater(data: bytes) -> NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(blinding.blind(data, 32, 48))))


def look_as_a_report(data: bytes) -> NDArray[Any]:
    picture = ThumbnailSet(lambda digest: data).add("digest", 256)
    assert isinstance(picture, Picture)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2]))).convert("RGB"))


def look_as_an_extractor(data: bytes) -> NDArray[Any]:
    return for_extractors.decode_shown(data)


@pytest.mark.parametrize("look", [look_as_a_rater, look_as_a_report, look_as_an_extractor])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_each_place_shows_the_same_colors_upright(look: Callable[[bytes], NDArray[Any]], mode: str) -> None:
    image = Image.fromarray(COLORS[:, :24]).transpose(Image.Transpose.ROTATE_90).convert("RGB")
    image = image.quantize(16) if mode == "P" else image.convert(mode)
    data = encode(image, "PNG", icc_profile=P3, exif=TURNED)
    upright = Image.fromarray(shown(encode(image.convert("RGB"), "PNG", icc_profile=P3)).astype(np.uint8))
    upright = upright.transpose(Image.Transpose.ROTATE_270)
    found, wanted = look(data), look(encode(upright, "PNG"))
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 4


def test_the_perceptual_hash_is_that_of_the_image_as_shown() -> None:
    noise = Image.effect_noise((64, 48), 90).resize((320, 240))
    image = Image.merge("RGB", (noise, ImageOps.mirror(noise), ImageOps.flip(noise)))
    data = encode(image.convert("RGBA"), "PNG", icc_profile=PROFILES["red and green exchanged"], exif=TURNED)
    wanted = Image.merge("RGB", [image.getchannel(n) for n in (1, 0, 2)]).transpose(Image.Transpose.ROTATE_270)
    assert imagehash.hex_to_hash(hash_image(data)) - imagehash.phash(wanted) <= 2
    assert imagehash.hex_to_hash(hash_image(data)) - imagehash.phash(image) > 10


def test_features_are_of_pixels_as_stored() -> None:
    """Those of clean-fid and others, which take what Pillow's convert("RGB") gives."""
    image = Image.fromarray(COLORS[:, :24])
    data = encode(image, "PNG", icc_profile=P3, exif=TURNED)
    assert for_extractors.decode_stored(data).tolist() == np.asarray(image).tolist()


def test_the_size_of_an_image_is_that_of_the_image_as_shown() -> None:
    info = read_image(encode(Image.new("RGB", (24, 16)), "PNG", exif=TURNED))
    assert (info.width, info.height) == (16, 24)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
def test_a_mask_keeps_its_levels(mode: str) -> None:
    levels = np.repeat(np.arange(0, 256, 17, dtype=np.uint8)[None], 4, axis=0)
    image = Image.fromarray(levels.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(levels).convert(mode)
    if mode == "RGBA":
        image.putalpha(0)
    mask = decode_mask(encode(image, "PNG", icc_profile=PROFILES["ProPhoto RGB"], exif=TURNED))
    assert np.asarray(mask.transpose(Image.Transpose.ROTATE_90)).tolist() == levels.tolist()
