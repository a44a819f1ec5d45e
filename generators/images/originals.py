"""Originals: the untouched outputs of models, stored by their sha256 in the media folder or in an S3-compatible bucket.

An original is never changed and never served to a rater. Every read verifies the digest. Names are the same in both
stores, so originals can be moved from one to the other.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages


class CorruptOriginalError(ValueError):
    """The stored bytes do not match the digest."""


class StorageError(OSError):
    """The disk or the bucket failed, is full or does not answer. A later attempt may succeed."""

    def __str__(self) -> str:
        return str(self.args[-1])  # without the number of the error


def store(data: bytes) -> str:
    """Store ``data`` durably and return its sha256. Storing the same bytes again changes nothing.

    Raises:
        StorageError: The disk or the bucket failed.
    """
    digest = hashlib.sha256(data).hexdigest()
    if bucket := _find_bucket():
        with _bucket_errors():
            if not bucket.exists(_name(digest)):
                bucket.save(_name(digest), ContentFile(data))
        return digest
    with disk_errors():
        if not (file := path(digest)).exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(file, data)
    return digest


def read(digest: str) -> bytes:
    """The bytes of an original.

    Raises:
        FileNotFoundError: There is no such original.
        CorruptOriginalError: The bytes do not match the digest.
        StorageError: The disk or the bucket failed.
    """
    if bucket := _find_bucket():
        with _bucket_errors(), bucket.open(_name(digest)) as stream:
            data: bytes = stream.read()
    else:
        data = _read_file(path(digest))
    if hashlib.sha256(data).hexdigest() != digest:
        raise CorruptOriginalError(
            f"The original {digest} is damaged: its bytes do not match the digest. Restore it from a backup."
        )
    return data


def _read_file(file: Path) -> bytes:
    try:
        with disk_errors():
            return file.read_bytes()
    except FileNotFoundError as error:
        # The folder exists since the first original was stored.
        if not (folder := file.parent.parent).is_dir():
            raise StorageError(f"The folder {folder} is missing. Is its disk mounted?") from error
        raise


def path(digest: str) -> Path:
    """The file of an original in the media folder."""
    return Path(settings.MEDIA_ROOT) / "originals" / _name(digest)


def _name(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn errors of the disk into StorageError, except that a file does not exist."""
    try:
        yield
    except (FileNotFoundError, StorageError):
        raise
    except OSError as error:
        text = f"The disk of the images cannot be used: {error.strerror or error}"
        raise StorageError(error.errno, text) from error


def _find_bucket() -> Storage | None:
    return storages["originals"] if "originals" in settings.STORAGES else None


@contextmanager
def _bucket_errors() -> Iterator[None]:
    """Turn boto3's errors, which have several unrelated classes, into StorageError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        # Only the code: messages of servers may repeat the key.
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        what = f"{type(error).__name__} {code}".strip()
        raise StorageError(f"The bucket of originals cannot be used: {what}.") from error


def write_durably(file: Path, data: bytes) -> None:
    """Write ``data`` to ``file`` atomically: neither a reader nor a crash leaves a partial file."""
    descriptor, unfinished = tempfile.mkstemp(dir=file.parent, prefix=".part-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, file)
    except BaseException:
        os.unlink(unfinished)
        raise
