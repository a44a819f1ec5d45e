"""Image archives: reads images one at a time from a folder or a .zip or .tar archive, without unpacking to disk."""

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Final

SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif"})
MAX_IMAGE_BYTES: Final = 64 << 20


class ImageArchiveError(Exception):
    """The folder or archive cannot be read."""


class UnreadableImageError(Exception):
    """One image cannot be read."""


def count_images(path: Path) -> int | None:
    """Number of images that ``walk_images`` yields. None for a .tar, which has no table of contents."""
    if path.is_dir():
        return len(_list_files(path))
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return len(_list_members(archive))
    return None


def walk_images(path: Path) -> Iterator[tuple[str, bytes | UnreadableImageError]]:
    """(name, content) of every file with an image suffix. Raises ImageArchiveError.

    Folders and .zip files are read in order of names, .tar files in their own order. Hidden files are skipped.
    """
    if path.is_dir():
        yield from _walk_folder(path)
    elif zipfile.is_zipfile(path):
        yield from _walk_zip(path)
    elif path.is_file() and tarfile.is_tarfile(path):
        yield from _walk_tar(path)
    else:
        raise ImageArchiveError(f"{path} is neither a folder nor a .zip or .tar archive.")


def _is_image(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and PurePosixPath(name).suffix.lower() in SUFFIXES


def _list_files(folder: Path) -> list[Path]:
    files = (file for file in folder.rglob("*") if _is_image(file.relative_to(folder).as_posix()))
    return sorted(file for file in files if file.is_file())


def _list_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = (member for member in archive.infolist() if not member.is_dir() and _is_image(member.filename))
    return sorted(members, key=lambda member: member.filename)


def _walk_folder(folder: Path) -> Iterator[tuple[str, bytes | UnreadableImageError]]:
    for file in _list_files(folder):
        name = file.relative_to(folder).as_posix()
        try:
            yield name, _too_large(file.stat().st_size) or file.read_bytes()
        except OSError as error:
            yield name, UnreadableImageError(f"it cannot be read: {error.strerror}")


def _walk_zip(path: Path) -> Iterator[tuple[str, bytes | UnreadableImageError]]:
    with zipfile.ZipFile(path) as archive:
        for member in _list_members(archive):
            try:
                yield member.filename, _too_large(member.file_size) or archive.read(member)
            # RuntimeError: encrypted. NotImplementedError (a RuntimeError): unsupported compression.
            except (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError) as error:
                yield member.filename, UnreadableImageError(f"it cannot be read from the archive: {error}")


def _walk_tar(path: Path) -> Iterator[tuple[str, bytes | UnreadableImageError]]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isfile() and _is_image(member.name) else None
                if stream is not None:
                    yield member.name, _too_large(member.size) or stream.read()
    except (tarfile.TarError, zlib.error, LZMAError, EOFError, OSError) as error:
        raise ImageArchiveError(f"{path} is truncated or damaged: {error}. Download it again.") from error


def _too_large(size: int) -> UnreadableImageError | None:
    return UnreadableImageError(f"it has more than {MAX_IMAGE_BYTES >> 20} MiB") if size > MAX_IMAGE_BYTES else None
