"""Odd folders and archives of images, from which a reference set is built."""

import io
import zipfile
from typing import Final

from tests.odd_files.images import draw, encode_image
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
        says="(0 skipped, 0 duplicates)",
    ),
    OddFile(
        "a copy and a broken image",
        {**PICTURES, "copy.png": PICTURES["00.png"], "broken.png": PICTURES["01.png"][:40]},
        rows=({"n": 20},),
        says="Skipped broken.png: ",
    ),
    OddFile("one image", {"00.png": PICTURES["00.png"]}, refused="needs at least 2 different images"),
    OddFile("nothing", {"readme.txt": b"none"}, refused="No reference set was built."),
    OddFile("stored.zip", pack(zipfile.ZIP_STORED), rows=({"n": 20},)),
    OddFile("cut off.zip", pack(zipfile.ZIP_DEFLATED)[:-100], refused="is neither a folder nor a .zip or .tar archive"),
)
