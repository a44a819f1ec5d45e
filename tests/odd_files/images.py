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
)
