"""Image archives: reads images one at a time from a folder or a .zip or .tar archive, without unpacking to disk.

Whether a file is an image is decided by its first bytes; its name counts only if they say that it is none. A file that
has the bytes or the name of an image, and is none that can be read, is *unreadable*. All others, such as captions,
hidden files and the files of operating systems, are *no images*. Every file is one of the three, so that a caller can
say what it has left out.
"""

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, Final, Self, TypeAlias

from generators.images.decoding import FOLDER_FORMATS, OTHER_IMAGES, name_content
from generators.input_files.faults import describe_files

MAX_IMAGE_BYTES: Final = 64 << 20
# Bytes from which the format is recognised.
START: Final = 1024
# Endings of image files, in this project's formats and in others.
SUFFIXES: Final = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
        *(".pnm", ".pbm", ".pgm", ".ppm", ".jp2", ".j2k", ".jpf", ".jpx", ".heic", ".heif", ".jxl", ".svg", ".ico"),
        *(".tga", ".psd", ".exr", ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw"),
    }
)
SYSTEM_FILES: Final = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"})


class ImageArchiveError(Exception):
    """The folder or archive cannot be read."""


class UnreadableImageError(Exception):
    """A file that has the bytes or the name of an image cannot be read as one. The message is the reason."""


class NoImageError(Exception):
    """A file is no image, and has no image's name. The message says what it is."""


File: TypeAlias = bytes | UnreadableImageError | NoImageError


def count_files(path: Path) -> int | None:
    """Number of files that ``walk_images`` yields. None for a .tar, which has no table of contents."""
    if path.is_dir():
        return sum(1 for _ in _list_files(path))
    if zipfile.is_zipfile(path):
        with _open_zip(path) as archive:
            return len(_list_members(archive))
    return None


def walk_images(path: Path) -> Iterator[tuple[str, File]]:
    """(name, content) of every file; instead of the content, the reason why it is not an image to read.

    Folders and .zip files are read in order of names, .tar files in their own order. Links to folders, and links in an
    archive, are not followed. The first bytes of an image are right; the rest may still be damaged.

    Raises:
        ImageArchiveError: The path is neither a folder nor an archive, or the archive is damaged as a whole.
    """
    if path.is_dir():
        yield from _walk_folder(path)
    elif zipfile.is_zipfile(path):
        yield from _walk_zip(path)
    elif path.is_file() and tarfile.is_tarfile(path):
        yield from _walk_tar(path)
    else:
        raise ImageArchiveError(f"{path} is neither a folder nor a .zip or .tar archive.")


def describe_left_out(
    unreadable: Sequence[tuple[str, str]], no_images: Sequence[tuple[str, str]], n_images: int
) -> Iterator[str]:
    """Yield a sentence, with the first names and reasons, for each kind of files that were left out.

    ``n_images`` are the files that are images or should be.
    """
    if n := len(unreadable):
        share = 100 * n / n_images
        yield f"Left out as unreadable: {n:,} of {n_images:,} images ({share:.1f} %){describe_files(unreadable)}"
    if n := len(no_images):
        yield f"Left out as no images: {n:,}{describe_files(no_images)}"


def _leave_out(name: str, reason: str, start: bytes = b"") -> UnreadableImageError | NoImageError:
    named = PurePosixPath(name).suffix.lower() in SUFFIXES
    is_image = named or any(pattern.match(start) for pattern, _ in OTHER_IMAGES)
    return UnreadableImageError(reason) if is_image else NoImageError(reason)


def find_system_file(name: str) -> NoImageError | None:
    """The reason why a file with this path is passed over: it is hidden, or an operating system left it."""
    parts = PurePosixPath(name.lower()).parts
    if any(part in SYSTEM_FILES for part in parts):
        return NoImageError("a file of the operating system")
    hidden = any(part.startswith(".") and part != ".." for part in parts)
    return NoImageError("a hidden file") if hidden else None


def _read_image(name: str, size: int, stream: IO[bytes]) -> File:
    start = stream.read(START)
    if not any(one.start.match(start) for one in FOLDER_FORMATS):
        return _leave_out(name, f"its content is {name_content(start)}", start)
    if size > MAX_IMAGE_BYTES:
        return UnreadableImageError(f"it has more than {MAX_IMAGE_BYTES >> 20} MiB")
    return start + stream.read(MAX_IMAGE_BYTES)


# Folders


def _list_files(folder: Path) -> Iterator[tuple[str, File | None]]:
    """(name, None) of each file, or the reason why it cannot be opened."""
    errors: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=errors.append):
        here = Path(place)
        for name in names:
            yield (here / name).relative_to(folder).as_posix(), None
        for name in folders:
            if (here / name).is_symlink():
                yield (here / name).relative_to(folder).as_posix(), NoImageError("a link to a folder")
    for error in errors:
        if error.filename == str(folder):
            raise ImageArchiveError(f"{folder} cannot be read: {error.strerror}.")
        name = Path(error.filename).relative_to(folder).as_posix()
        yield name, UnreadableImageError(f"the folder cannot be read: {error.strerror}")


def _walk_folder(folder: Path) -> Iterator[tuple[str, File]]:
    for name, left_out in sorted(_list_files(folder), key=lambda found: found[0]):
        yield name, left_out or find_system_file(name) or _read_file(folder / name, name)


def _read_file(file: Path, name: str) -> File:
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            return _leave_out(name, "not a regular file")
        with file.open("rb") as stream:
            return _read_image(name, found.st_size, stream)
    except OSError as error:
        return UnreadableImageError(f"it cannot be read: {error.strerror}")


# Archives


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise _make_damage_error(path, error) from error


def _list_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return sorted((member for member in archive.infolist() if not member.is_dir()), key=lambda member: member.filename)


def _walk_zip(path: Path) -> Iterator[tuple[str, File]]:
    with _open_zip(path) as archive:
        for member in _list_members(archive):
            name = member.filename
            yield name, find_system_file(name) or _read_member(archive, member)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> File:
    try:
        with archive.open(member) as stream:
            return _read_image(member.filename, member.file_size, stream)
    # RuntimeError: encrypted. NotImplementedError (a RuntimeError): unsupported compression.
    except (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, ValueError, RuntimeError) as error:
        return UnreadableImageError(f"it cannot be read from the archive: {error}")


class _TarMember(tarfile.TarInfo):
    """A member of a .tar archive. tarfile takes a damaged header, or a file without an end, for the end."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        # Blocks of zeros: the archive is complete.
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # typeshed lacks it
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"a member or the end is missing ({error})") from error


def _walk_tar(path: Path) -> Iterator[tuple[str, File]]:
    try:
        with tarfile.open(path, tarinfo=_TarMember) as archive:
            for member in archive:
                if member.isdir():
                    continue
                left_out = find_system_file(member.name)
                # To follow a link could mean to decompress the archive again from its start, for each link.
                stream = archive.extractfile(member) if member.isfile() and not left_out else None
                if stream is not None:
                    yield member.name, _read_image(member.name, member.size, stream)
                else:
                    reason = "a link" if member.islnk() or member.issym() else "not a regular file"
                    yield member.name, left_out or _leave_out(member.name, reason)
    except (tarfile.TarError, zlib.error, LZMAError, EOFError, OSError) as error:
        raise _make_damage_error(path, error) from error


def _make_damage_error(path: Path, error: Exception) -> ImageArchiveError:
    return ImageArchiveError(f"{path} is truncated or damaged: {error}. Download it again.")
