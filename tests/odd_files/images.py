"""Odd images, imported one by one with a manifest."""

import io
import struct
import zlib
from typing import Any, Final

from PIL import ExifTags, Image

from tests.generators.images.color_profiles import make_rgb_profile
from tests.odd_files.odd_file import OddFile


def draw(mode: str = "RGB", size: tuple[int, int] = (24, 16), color: Any = "red") -> Image.Image:
    return Image.new("RGB", size, color).convert(mode)


def encode_image(image: Image.Image, file_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def animate(file_format: str) -> bytes:
    return encode_image(draw(), file_format, save_all=True, append_images=[draw(color="blue")])


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def announce_png(width: int, height: int) -> bytes:
    """A PNG whose header announces more pixels than it has."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


RED: Final = [254, 0, 0]
GREEN: Final = [0, 255, 1]
EXCHANGED: Final = make_rgb_profile("red and green exchanged")
TURNED: Final = Image.Exif()
TURNED[ExifTags.Base.Orientation] = 6
WANTED: Final = "Wanted a PNG, JPEG, WebP or AVIF image, got"


def expect(media_type: str, color: list[int] = RED, **row: Any) -> tuple[dict[str, Any], ...]:
    return ({"media_type": media_type, "color": color, **row},)


FILES: Final = (
    OddFile("plain.png", encode_image(draw(), "PNG"), rows=expect("image/png")),
    OddFile("palette.png", encode_image(draw("P"), "PNG"), rows=expect("image/png")),
    OddFile("grey.png", encode_image(draw("L", color="white"), "PNG"), rows=expect("image/png", [255, 255, 255])),
    OddFile("one bit.png", encode_image(draw("1", color="white"), "PNG"), rows=expect("image/png", [255, 255, 255])),
    OddFile("CMYK.jpg", encode_image(draw("CMYK"), "JPEG"), rows=expect("image/jpeg")),
    OddFile("JPEG named PNG.png", encode_image(draw(), "JPEG", quality=95), rows=expect("image/jpeg")),
    OddFile("JPEG.jfif", encode_image(draw(), "JPEG", quality=95), rows=expect("image/jpeg")),
    OddFile("no suffix", encode_image(draw(), "WEBP", lossless=True), rows=expect("image/webp")),
    OddFile("text after the end.png", encode_image(draw(), "PNG") + b"<script>", rows=expect("image/png")),
    OddFile(
        "red and green exchanged by the profile.png",
        encode_image(draw(), "PNG", icc_profile=EXCHANGED),
        rows=expect("image/png", GREEN),
    ),
    OddFile(
        "profile and alpha.png",
        encode_image(draw("RGBA"), "PNG", icc_profile=EXCHANGED),
        rows=expect("image/png", GREEN),
    ),
    OddFile(
        "profile and palette.webp",
        encode_image(draw("P"), "WEBP", lossless=True, icc_profile=EXCHANGED),
        rows=expect("image/webp", GREEN),
    ),
    OddFile(
        "half a profile.jpg",
        encode_image(draw(), "JPEG", quality=95, icc_profile=EXCHANGED[:200]),
        rows=expect("image/jpeg"),
    ),
    OddFile(
        "turned.jpg",
        encode_image(draw(size=(24, 16)), "JPEG", quality=95, exif=TURNED),
        rows=expect("image/jpeg", width=16, height=24),
    ),
    OddFile("GIF.gif", encode_image(draw(), "GIF"), refused=f"{WANTED} a GIF"),
    OddFile("GIF named PNG.png", encode_image(draw(), "GIF"), refused=f"{WANTED} a GIF"),
    OddFile("BMP.bmp", encode_image(draw(), "BMP"), refused=f"{WANTED} a BMP"),
    OddFile("TIFF.tif", encode_image(draw(), "TIFF"), refused=f"{WANTED} a TIFF"),
    OddFile("animated.png", animate("PNG"), refused="has 2 frames; expected a still image"),
    OddFile("animated.webp", animate("WEBP"), refused="has 2 frames; expected a still image"),
    OddFile("text.png", b"no image at all", refused=f"{WANTED} text"),
    OddFile("HTML page.jpg", b"<!DOCTYPE html><html>404</html>", refused=f"{WANTED} an HTML page"),
    OddFile("nothing.png", b"", refused=f"{WANTED} no bytes at all"),
    OddFile("cut off.png", encode_image(draw(), "PNG")[:-20], refused="The PNG image is"),
    OddFile(
        "cut off.jpg",
        encode_image(Image.radial_gradient("L"), "JPEG")[:-900],
        refused="The JPEG image is broken or cut off",
    ),
    OddFile("bomb.png", announce_png(40_000, 40_000), refused="The image has 40,000 × 40,000 pixels"),
    OddFile(
        "deep grey.png", encode_image(Image.new("I;16", (24, 16), 65535), "PNG"), rows=expect("image/png", [255] * 3)
    ),
    OddFile(
        "transparent.png",
        encode_image(Image.new("RGBA", (24, 16), (255, 0, 0, 0)), "PNG"),
        rows=expect("image/png", [128] * 3),
    ),
    OddFile(
        "transparent grey.png",
        encode_image(Image.new("LA", (24, 16), (255, 0)), "PNG"),
        rows=expect("image/png", [128] * 3),
    ),
    OddFile(
        "transparent palette.png",
        encode_image(Image.new("P", (24, 16)), "PNG", transparency=0),
        rows=expect("image/png", [128] * 3),
    ),
    OddFile("interlaced.png", encode_image(draw(), "PNG", interlace=1), rows=expect("image/png")),
    OddFile("progressive.jpg", encode_image(draw(), "JPEG", quality=95, progressive=True), rows=expect("image/jpeg")),
    OddFile("grey.jpg", encode_image(draw("L", color="white"), "JPEG"), rows=expect("image/jpeg", [255, 255, 255])),
    OddFile("one pixel.png", encode_image(draw(size=(1, 1)), "PNG"), rows=expect("image/png", width=1, height=1)),
    OddFile("AVIF.avif", encode_image(draw(), "AVIF", quality=95), rows=expect("image/avif")),
    OddFile("AVIF named HEIC.heic", encode_image(draw(), "AVIF", quality=95), rows=expect("image/avif")),
    OddFile("turned.png", encode_image(draw(), "PNG", exif=TURNED), rows=expect("image/png", width=16, height=24)),
    OddFile("animated.avif", animate("AVIF"), refused="has 2 frames; expected a still image"),
    OddFile("animated.gif", animate("GIF"), refused=f"{WANTED} a GIF"),
    OddFile("cut off.webp", encode_image(Image.radial_gradient("L"), "WEBP")[:300], refused="image/webp"),
    OddFile(
        "cut off.avif",
        encode_image(Image.radial_gradient("L"), "AVIF")[:-900],
        refused="image/avif image cannot be read",
    ),
    OddFile("only the beginning.png", b"\x89PNG\r\n\x1a\n", refused="image/png image cannot be read"),
    OddFile("only the beginning.jpg", b"\xff\xd8\xff\xe0", refused="image/jpeg image cannot be read"),
    OddFile("zeros.png", bytes(500), refused=f"{WANTED} an unknown format"),
    OddFile("SVG.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', refused=f"{WANTED} an SVG"),
    OddFile("JSON.png", b'{"error": "too many requests"}', refused=f"{WANTED} JSON"),
    OddFile("ZIP.png", b"PK\3\4", refused=f"{WANTED} a ZIP"),
    OddFile("PDF.png", b"%PDF-1.7", refused=f"{WANTED} a PDF"),
    OddFile("too wide.png", encode_image(draw("1", size=(16_385, 1)), "PNG"), refused="16,385 × 1 pixels"),
    OddFile("bomb of 10,001.png", announce_png(10_001, 10_000), refused="10,001 × 10,000 pixels"),
    OddFile("line feeds converted.png", encode_image(draw(), "PNG").replace(b"\r\n", b"\n"), refused=WANTED),
)
