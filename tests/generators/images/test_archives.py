"""Image archives: every file of a folder or archive is an image, unreadable, or no image, by its first bytes."""

import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from generators.images.archives import (
    ImageArchiveError,
    NoImageError,
    UnreadableImageError,
    count_files,
    describe_left_out,
    walk_images,
)
from tests.generators.images.packing import pack
from tests.generators.images.test_decoding import encode


def draw(n: int) -> bytes:
    return encode(Image.new("RGB", (8, 6), (n, n, n)), "PNG")


# Files as people have them beside images, with the reason why they are left out.
NO_IMAGES = {
    "captions.txt": (b"none", "its content is text"),
    "00001.json": (b'{"caption": "a cat"}', "its content is JSON"),
    "BMW.txt": (b"BM is a prefix, and P5 is one, too", "its content is a BMP"),
    "P5.txt": (b"P5 is a prefix", "its content is text"),
    "archive.zip": (b"PK\3\4 and more", "its content is a ZIP"),
    ".hidden.png": (draw(1), "a hidden file"),
    ".git/image.png": (draw(1), "a hidden file"),
    "deep/.DS_Store": (b"\0\0\0\1", "a hidden file"),
    "deep/Thumbs.db": (b"\xd0\xcf\x11\xe0", "a file of the operating system"),
    "desktop.ini": (b"[x]", "a file of the operating system"),
    "__MACOSX/deep/._01.png": (b"\0\5\x16\7", "a file of the operating system"),
}
UNREADABLE = {
    "empty.jpg": (b"", "its content is no bytes at all"),
    "page.JPG": (b"<html>404</html>", "its content is an HTML page"),
    "photo.heic": (b"\0\0\0\x18ftypheic", "its content is a HEIC"),
    "IMG_0001": (b"\0\0\0\x18ftypheic", "its content is a HEIC"),
    "drawing.svg": (b"<svg/>", "its content is an SVG"),
    "layers.psd": (b"8BPS\0\1", "its content is a Photoshop file"),
    "secret.png": (bytes(range(128, 256)), "its content is an unknown format"),
}
IMAGES = {"01.png": draw(1), "deep/02.png": draw(2), "deep/er/no suffix": draw(3), "notes.txt": draw(4)}
ALL = {**IMAGES, **{name: content for name, (content, _) in {**NO_IMAGES, **UNREADABLE}.items()}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name, content in ALL.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("suffix", ["", ".zip", ".tar", ".tar.gz"])
def test_each_file_is_an_image_or_left_out_with_a_reason(folder: Path, suffix: str) -> None:
    path = pack(folder, suffix) if suffix else folder
    found = {name.removeprefix("./"): content for name, content in walk_images(path)}
    assert {name: content for name, content in found.items() if isinstance(content, bytes)} == IMAGES
    for kind, files in ((NoImageError, NO_IMAGES), (UnreadableImageError, UNREADABLE)):
        assert {name: str(reason) for name, reason in found.items() if isinstance(reason, kind)} == {
            name: reason for name, (_, reason) in files.items()
        }
    assert count_files(path) == (None if ".tar" in suffix else len(ALL))


def test_links_and_things_that_are_no_files_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.png").write_bytes(draw(9))
    (folder / "link to a file.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    (folder / "link to a folder").symlink_to(tmp_path / "elsewhere")
    (folder / "lost.png").symlink_to(tmp_path / "gone")
    os.mkfifo(folder / "pipe.png")
    found = dict(walk_images(folder))
    assert found["link to a file.png"] == draw(9)
    assert str(found["link to a folder"]) == "a link to a folder"
    assert str(found["lost.png"]) == "it cannot be read: No such file or directory"
    assert str(found["pipe.png"]) == "not a regular file"


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    archive = tmp_path / "photos.tar"
    with tarfile.open(archive, "w") as packed:
        for name, kind in (("soft.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            packed.addfile(member)
    found = dict(walk_images(archive))
    assert {name: (type(reason), str(reason)) for name, reason in found.items()} == {
        "soft.png": (UnreadableImageError, "a link"),
        "hard.png": (UnreadableImageError, "a link"),
        "pipe": (NoImageError, "not a regular file"),
    }


def test_a_file_that_cannot_be_opened_is_unreadable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.open

    def refuse(file: Path, *mode: str) -> Any:
        if file.name in {"01.png", "no suffix"}:
            raise PermissionError(13, "Permission denied")
        return whole(file, *mode)

    monkeypatch.setattr(Path, "open", refuse)
    found = dict(walk_images(folder))
    for name in ("01.png", "deep/er/no suffix"):
        assert isinstance(found[name], UnreadableImageError)
        assert str(found[name]) == "it cannot be read: Permission denied"
    assert found["deep/02.png"] == draw(2)


def test_a_folder_that_cannot_be_opened_is_unreadable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refuse(place: str) -> Any:
        if Path(place).name in refused:
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    refused = {"er"}
    assert str(dict(walk_images(folder))["deep/er"]) == "the folder cannot be read: Permission denied"
    refused = {folder.name}
    with pytest.raises(ImageArchiveError, match="photos cannot be read: Permission denied"):
        list(walk_images(folder))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_damaged_member_of_an_archive_is_unreadable(tmp_path: Path, compression: int) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w", compression) as packed:
        packed.writestr("01.png", draw(1))
        packed.writestr("02.png", draw(2))
    content = bytearray(archive.read_bytes())
    content[60:80] = b"x" * 20
    archive.write_bytes(content)
    found = dict(walk_images(archive))
    assert isinstance(found["01.png"], UnreadableImageError)
    assert found["02.png"] == draw(2)


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz"])
def test_a_truncated_archive_is_rejected(folder: Path, suffix: str) -> None:
    archive = pack(folder, suffix)
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(ImageArchiveError, match="is truncated or damaged"):
        list(walk_images(archive))


def test_a_zip_with_a_damaged_table_is_rejected(folder: Path) -> None:
    archive = pack(folder, ".zip")
    content = archive.read_bytes()
    archive.write_bytes(content.replace(b"PK\1\2", b"PK\7\7"))
    for read in (count_files, lambda path: list(walk_images(path))):
        with pytest.raises(ImageArchiveError, match="is truncated or damaged"):
            read(archive)


def test_only_the_start_of_a_large_file_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generators.images.archives.MAX_IMAGE_BYTES", 1 << 20)
    for name, start in (("large.png", draw(1)), ("film.mp4", b"\0\0\0\x18ftypisom")):
        with (folder / name).open("wb") as stream:
            stream.write(start)
            stream.truncate((1 << 20) + 1)
    for path in (folder, pack(folder, ".zip"), pack(folder, ".tar")):
        found = {name.removeprefix("./"): content for name, content in walk_images(path)}
        assert str(found["large.png"]) == "it has more than 1 MiB"
        assert str(found["film.mp4"]) == "its content is an unknown format"


def test_another_file_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(draw(1))
    for name in ("x.png", "gone"):
        with pytest.raises(ImageArchiveError, match="neither a folder nor"):
            list(walk_images(tmp_path / name))


def test_names_are_printed_with_their_control_characters_escaped() -> None:
    files = [("a\x1b[2J\udcff.png", "its content is text")]
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    out.writelines(describe_left_out(files, [], 1))
    out.flush()
    assert out.buffer.getvalue() == (  # type: ignore[attr-defined]
        b"Left out as unreadable: 1 of 1 images (100.0 %)\n  'a\\x1b[2J\\udcff.png': its content is text"
    )
