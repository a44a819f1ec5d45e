"""Decoding of all image modes and formats to 8-bit RGB."""

import io

import numpy as np
import pytest
from PIL import Image

from evaluation.extractors.base import UnreadableInputError
from evaluation.extractors.images.decoding import decode_shown, decode_stored
from tests.evaluation.extractors.images.encoded_images import encode, make_noise

RAMP = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)


def test_an_rgb_png_is_decoded_exactly() -> None:
    pixels = make_noise(7, 5)
    decoded = decode_shown(encode(pixels))
    np.testing.assert_array_equal(decoded, pixels)
    assert decoded.flags.writeable


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_are_decoded(kind: str) -> None:
    pixels = np.full((40, 30, 3), (200, 100, 50), dtype=np.uint8)
    decoded = decode_shown(encode(pixels, kind, quality=95))
    assert decoded.shape == (40, 30, 3)
    assert np.abs(decoded.astype(int) - pixels).max() <= 4


def test_greyscale_and_bilevel_images_have_equal_channels() -> None:
    np.testing.assert_array_equal(decode_shown(encode(RAMP)), np.repeat(RAMP[:, :, None], 3, axis=2))
    black_and_white = decode_shown(encode(Image.fromarray(RAMP).convert("1", dither=Image.Dither.NONE)))
    np.testing.assert_array_equal(black_and_white[:, :, 0], np.where(RAMP >= 128, 255, 0))


def test_the_upper_8_of_16_bits_are_kept() -> None:
    deep = RAMP.astype(np.uint16) * 256 + 255
    np.testing.assert_array_equal(decode_shown(encode(deep))[:, :, 0], RAMP)


def test_palettes_are_resolved() -> None:
    image = Image.fromarray(RAMP % 4, mode=None).convert("L")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    assert decode_shown(encode(image))[0, 1].tolist() == [40, 50, 60]


def test_cmyk_is_converted() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    decoded = decode_shown(encode(image, "JPEG", quality=95))
    assert np.abs(decoded.astype(int) - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize(
    ("color", "seen"), [((9, 9, 9, 0), 128), ((9, 9, 9, 255), 9), ((200, 200, 200, 128), 164)], ids=str
)
def test_transparency_is_composited_on_grey(color: tuple[int, ...], seen: int) -> None:
    assert decode_shown(encode(Image.new("RGBA", (2, 2), color)))[0, 0].tolist() == [seen] * 3


def test_a_transparent_palette_colour_is_composited_on_grey() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 250, 0, 0])
    assert decode_shown(encode(image, transparency=1))[0, 0].tolist() == [128] * 3


def test_exif_rotation_is_ignored_for_features_alone() -> None:
    image = Image.fromarray(make_noise(6, 9))
    exif = image.getexif()
    exif[0x0112] = 6
    assert decode_shown(encode(image, exif=exif)).shape == (9, 6, 3)
    assert decode_stored(encode(image, exif=exif)).shape == (6, 9, 3)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no bytes at all"),
        (b"GIF89a" + b"\0" * 20, "GIF"),
        (b"<html>502</html>", "an HTML page"),
        (encode(make_noise(64, 64))[:3000], "cut off"),
        (encode(make_noise(64, 64), "JPEG")[:900], "cut off"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "cannot be read"),
    ],
    ids=["empty", "gif", "page", "half a png", "half a jpeg", "damaged header"],
)
def test_incomplete_images_are_rejected_with_a_reason(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableInputError, match=said):
        decode_shown(data)


def test_animated_images_are_rejected() -> None:
    stream = io.BytesIO()
    frames = [Image.fromarray(make_noise(8, 8, seed)) for seed in range(2)]
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    with pytest.raises(UnreadableInputError, match="2 frames"):
        decode_shown(stream.getvalue())
