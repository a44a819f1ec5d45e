"""Decoding: four formats are read, if the image is whole, still and within the size limits."""

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from arena.battles import blinding
from generators.images.decoding import MAX_PIXELS, MAX_SIDE, ImageInfo, UnusableImageError, read_image
from generators.images.near_duplicates import hash_image

FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "AVIF": "image/avif"}
HTML = b"<!DOCTYPE html><html><script>alert('StrangeAuthor')</script></html>"


def draw(mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> Image.Image:
    return Image.effect_noise(size, 60).convert(mode)


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def animate(format: str, n: int) -> bytes:
    return encode(draw(), format, save_all=True, append_images=[draw() for _ in range(n - 1)])


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bare_png(width: int, height: int, *, depth: int = 8, color: int = 0, lines: bytes = b"") -> bytes:
    """A hand-made PNG. Without ``lines`` its header announces pixels that are missing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(lines)) if lines else b""
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def webp_header(width: int, height: int) -> bytes:
    """A WebP whose header announces a canvas, without any pixels."""
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<II", 10, 0) + sides
    return b"RIFF" + struct.pack("<I", len(body)) + body


def zip_file() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("StrangeAuthor.txt", "StrangeAuthor")
    return out.getvalue()


def expect_usable(data: bytes) -> None:
    """Assert that the image can be shown and hashed."""
    assert blinding.blind(data, 48, 48)
    assert len(hash_image(data)) == 16


@pytest.mark.parametrize("format", FORMATS)
def test_the_four_formats_are_read(format: str) -> None:
    assert read_image(encode(draw(), format)) == ImageInfo(FORMATS[format], 24, 16)


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        ("JPEG", "CMYK"),
        ("JPEG", "L"),
        ("PNG", "1"),
        ("PNG", "L"),
        ("PNG", "LA"),
        ("PNG", "P"),
        ("PNG", "RGBA"),
        ("PNG", "I;16"),
        ("WEBP", "RGBA"),
        ("AVIF", "RGBA"),
    ],
)
def test_every_pixel_mode_is_read(format: str, mode: str) -> None:
    image = Image.new(mode, (24, 16), 40_000) if mode == "I;16" else draw(mode)
    data = encode(image, format)
    assert read_image(data) == ImageInfo(FORMATS[format], 24, 16)
    expect_usable(data)


def test_a_png_with_16_bits_per_channel_is_read() -> None:
    lines = (b"\0" + b"\x9c\x40\x10\x00\x00\xff" * 24) * 16
    data = bare_png(24, 16, depth=16, color=2, lines=lines)
    assert read_image(data) == ImageInfo("image/png", 24, 16)
    expect_usable(data)


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_image_is_refused(format: str) -> None:
    data = encode(draw(), format)
    for end in range(len(data)):
        with pytest.raises(UnusableImageError):
            read_image(data[:end])


@pytest.mark.parametrize("side", [(40_000, 1), (1, 40_000), (MAX_SIDE + 1, 1), (10_001, 10_000), (40_000, 40_000)])
def test_a_png_that_is_too_large_is_refused_by_its_header(side: tuple[int, int]) -> None:
    with pytest.raises(UnusableImageError, match="pixels; the limits are"):
        read_image(bare_png(*side))


def test_a_whole_png_of_40_000_pixels_per_side_is_refused() -> None:
    data = bare_png(40_000, 2_000, depth=1, lines=bytes(5_001 * 2_000))
    assert len(data) < 20_000
    with pytest.raises(UnusableImageError, match="40,000 × 2,000 pixels"):
        read_image(data)


def test_a_webp_that_is_too_large_is_refused_by_its_header() -> None:
    with pytest.raises(UnusableImageError):
        read_image(webp_header(1 << 24, 200))


def test_the_largest_images_are_read_without_a_warning() -> None:
    """Pillow's own Image.open() warns above 89 million pixels."""
    width, height = 10_000, MAX_PIXELS // 10_000
    data = bare_png(width, height, depth=1, lines=bytes(1_251 * height))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(data) == ImageInfo("image/png", width, height)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF"])
def test_animated_images_are_refused(format: str) -> None:
    with pytest.raises(UnusableImageError, match=r"10 frames; expected a still image"):
        read_image(animate(format, 10))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (animate("GIF", 10), "a GIF"),
        (encode(draw(), "GIF"), "a GIF"),
        (encode(draw(), "BMP"), "a BMP"),
        (encode(draw(), "TIFF"), "a TIFF"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG"),
        (HTML, "an HTML page"),
        (b'{"error": {"message": "no"}}', "JSON"),
        (b"%PDF-1.7", "a PDF"),
        (zip_file(), "a ZIP"),
        (b"Service unavailable", "text"),
        (b"", "no bytes at all"),
        (bytes(range(128, 256)), "an unknown format"),
    ],
)
def test_other_formats_are_refused_by_name(data: bytes, name: str) -> None:
    with pytest.raises(UnusableImageError, match=f"Wanted a PNG, JPEG, WebP or AVIF image, got {name}"):
        read_image(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("make_tail", [zip_file, lambda: HTML], ids=["zip", "html"])
def test_bytes_after_the_image_do_not_reach_raters(format: str, make_tail: Callable[[], bytes]) -> None:
    image, tail = encode(draw(), format), make_tail()
    assert read_image(image + tail) == ImageInfo(FORMATS[format], 24, 16)
    shown = blinding.blind(image + tail, 48, 48)
    assert shown == blinding.blind(image, 48, 48)
    assert tail not in shown
    assert b"StrangeAuthor" not in shown


@given(st.binary(max_size=200), st.sampled_from([b"", *(encode(draw(), format)[:40] for format in FORMATS)]))
def test_random_bytes_are_refused(data: bytes, start: bytes) -> None:
    with pytest.raises(UnusableImageError):
        read_image(start + data)


@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_an_image_with_changed_bytes_is_refused_or_usable(format: str, data: st.DataObject) -> None:
    changed = bytearray(encode(Image.new("RGB", (24, 16), "teal"), format))
    for place in data.draw(st.lists(st.integers(0, len(changed) - 1), max_size=8)):
        changed[place] = data.draw(st.integers(0, 255))
    try:
        facts = read_image(bytes(changed))
    except UnusableImageError:
        return
    assert facts.width * facts.height <= MAX_PIXELS
    expect_usable(bytes(changed))


@pytest.mark.parametrize("turn", range(9))
def test_the_exif_orientation_is_applied_as_pillow_applies_it(turn: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    data = encode(draw(), "PNG", exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
    assert blinding.blind(data, 48, 48) == blinding.blind(encode(upright, "PNG"), 48, 48)


def test_an_image_with_a_damaged_exif_is_shown_as_it_is_stored() -> None:
    image = draw()
    data = encode(image, "WEBP", exif=b"Exif\0\0no TIFF header", lossless=True)
    assert read_image(data) == ImageInfo("image/webp", 24, 16)
    assert blinding.blind(data, 48, 48) == blinding.blind(encode(image, "PNG"), 48, 48)
