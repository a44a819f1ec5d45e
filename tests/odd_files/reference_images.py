"""Odd folders and archives of images, from which a reference set is built."""

import io
import tarfile
import zipfile
from typing import Any, Final

from tests.odd_files.images import animate, draw, encode_image
from tests.odd_files.odd_file import OddFile

PICTURES: Final = {f"{n:02}.png": encode_image(draw(color=(12 * n, 40, 255 - 9 * n)), "PNG") for n in range(20)}


def pack(compression: int, **more: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in {**PICTURES, **more}.items():
            archive.writestr(name, content)
    return out.getvalue()


def pack_tar(mode: Any) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in PICTURES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def spoil(archive: bytes) -> bytes:
    """The archive with one changed byte in its first picture."""
    place = archive.index(PICTURES["00.png"]) + 30
    return archive[:place] + bytes([archive[place] ^ 1]) + archive[place + 1 :]


def damage_header(archive: bytes) -> bytes:
    """The archive with another digit in the name of its last picture, which its header's checksum does not have."""
    return archive.replace(b"19.png", b"17.png")


NEW: Final = encode_image(draw(), "PNG")

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
    OddFile("packed.tar.gz", pack_tar("w:gz"), rows=({"n": 20},)),
    OddFile("cut off.tar.gz", pack_tar("w:gz")[:-200], refused="is truncated or damaged"),
    OddFile("cut off.tar", pack_tar("w")[:-12_000], refused="is truncated or damaged"),
    OddFile("without an end.tar", pack_tar("w").rstrip(b"\0") + bytes(300), refused="is truncated or damaged"),
    OddFile("damaged in the middle.tar", damage_header(pack_tar("w")), refused="is truncated or damaged"),
    OddFile("broken checksum.zip", spoil(pack(zipfile.ZIP_STORED)), rows=({"n": 19},), says="Bad CRC-32"),
    OddFile("names that lead out.zip", pack(zipfile.ZIP_STORED, **{"../../x.png": NEW}), rows=({"n": 21},)),
    OddFile("statistics.npz", pack(zipfile.ZIP_STORED), rows=({"n": 20},)),
    OddFile("text named zip.zip", b"no archive", refused="is neither a folder nor a .zip or .tar archive"),
)
