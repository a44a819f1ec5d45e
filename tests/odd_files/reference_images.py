"""Odd folders and archives of images, from which a reference set is built."""

import io
import zipfile
from typing import Final

from tests.odd_files.images import animate, draw, encode_image
from tests.odd_files.odd_file import OddFile

PICTURES: Final = {f"{n:02}.png": encode_image(draw(color=(12 * n, 40, 255 - 9 * n)), "PNG") for n in range(20)}


def pack(compression: int, **more: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in {**PICTURES, **more}.items():
            archive.writestr(name, content)
    return out.getvalue()


FILES: Final = (
    OddFile(
        "images, folders and hidden files",
        {**PICTURES, "deep/er/x.png": encode_image(draw(), "PNG"), ".DS_Store": b"\0", "__MACOSX/._00.png": b"\0"},
        rows=({"n": 21},),
        says="(0 unreadable, 2 no images, 0 duplicates)",
    ),
    OddFile(
        "a copy and a broken image",
        {**PICTURES, "copy.png": PICTURES["00.png"], "broken.png": PICTURES["01.png"][:40]},
        rows=({"n": 20},),
        says="Left out as unreadable: 1 of 22 images (4.5 %)\n  'broken.png': ",
    ),
    OddFile(
        "captions beside the images",
        {**PICTURES, **{name.replace("png", "txt"): b"a caption" for name in PICTURES}},
        rows=({"n": 20},),
        says="Left out as no images: 20\n  '00.txt': its content is text",
    ),
    OddFile(
        "other formats and names",
        {
            "a.bmp": encode_image(draw(color="blue"), "BMP"),
            "b.gif": encode_image(draw(color="green"), "GIF"),
            "c.tif": encode_image(draw(color="teal"), "TIFF"),
            "d.jfif": encode_image(draw(color="navy"), "JPEG"),
            "e.dat": encode_image(draw(color="lime"), "JPEG"),
            "f": encode_image(draw(color="gold"), "WEBP"),
        },
        rows=({"n": 6},),
        says="(0 unreadable, 0 no images, 0 duplicates)",
    ),
    OddFile(
        "error pages named as images",
        {**PICTURES, "20.jpg": b"<html>404</html>", "21.jpg": b"<html>404</html>"},
        refused="2 of 22 images (9.1 %) cannot be read; at most 5 % may be.",
    ),
    OddFile(
        "error pages that are left out",
        {**PICTURES, "20.jpg": b"<html>404</html>", "21.jpg": b"<html>404</html>"},
        rows=({"n": 20},),
        says="Left out as unreadable: 2 of 22 images (9.1 %)\n  '20.jpg': its content is an HTML page",
        options=("--allow-unreadable",),
    ),
    OddFile(
        "an animation",
        {**PICTURES, "moving.gif": animate("GIF")},
        rows=({"n": 20},),
        says="'moving.gif': The GIF image has 2 frames; expected a still image.",
    ),
    OddFile("one image", {"00.png": PICTURES["00.png"]}, refused="needs at least 2 different images"),
    OddFile("nothing", {"readme.txt": b"none"}, refused="No reference set was built."),
    OddFile("stored.zip", pack(zipfile.ZIP_STORED), rows=({"n": 20},)),
    OddFile("cut off.zip", pack(zipfile.ZIP_DEFLATED)[:-100], refused="is neither a folder nor a .zip or .tar archive"),
)
