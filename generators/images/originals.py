"""Originals: the untouched outputs of models, stored by their sha256 in the media folder or in an S3-compatible bucket.

An original is never changed and never served to a rater. Every read verifies the digest. Names are the same in both
stores, so originals can be moved from one to the other.
"""

import hashlib
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.utils import timezone

# A file in a bucket that is older than this is written again when it is stored again, to renew its age.
RENEW_AFTER: Final = timedelta(hours=1)
DIGEST_LENGTH: Final = 64
# Prefix of a file that is being removed.
ASIDE: Final = ".old-"


class CorruptOriginalError(ValueError):
    """The stored bytes do not match the digest."""


class StorageError(OSError):
    """The disk or the bucket failed, is full or does not answer. A later attempt may succeed."""

    def __str__(self) -> str:
        return str(self.args[-1])  # without the number of the error


def store(data: bytes) -> str:
    """Store ``data`` durably and return its sha256. Storing the same bytes again only renews the age of the file.

    Raises:
        StorageError: The disk or the bucket failed.
    """
    digest = hashlib.sha256(data).hexdigest()
    if bucket := _find_bucket():
        with _bucket_errors():
            name = _name(digest)
            if not bucket.exists(name) or bucket.get_modified_time(name) < timezone.now() - RENEW_AFTER:
                bucket.save(name, ContentFile(data))
        return digest
    with disk_errors():
        if not _renew(file := path(digest)):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(file, data)
    return digest


def _renew(file: Path) -> bool:
    """Make the file as young as a new one, so that retention leaves it alone. False if there is none."""
    try:
        os.utime(file)
    except FileNotFoundError:
        return False
    except PermissionError:
        pass  # another user's file, for example after a restore: retention cannot delete it either
    return True


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


def list_stored() -> Iterator[list[str]]:
    """The digests of all originals, folder by folder. The folders are in random order."""
    if bucket := _find_bucket():
        with _bucket_errors():
            folders = list(bucket.listdir("")[0])
        random.shuffle(folders)
        for folder in folders:
            with _bucket_errors():
                names = list(bucket.listdir(folder)[1])
            yield [name for name in names if len(name) == DIGEST_LENGTH]
        return
    found = list((Path(settings.MEDIA_ROOT) / "originals").glob("[0-9a-f][0-9a-f]"))
    random.shuffle(found)
    for place in found:
        for aside in place.glob(f"{ASIDE}*"):
            # Left by a process that was killed within remove().
            os.replace(aside, place / aside.name.removeprefix(ASIDE))
        yield [file.name for file in place.iterdir() if len(file.name) == DIGEST_LENGTH]


def find_size(digest: str, before: datetime) -> int | None:
    """The bytes of an original that was last stored before this time; None if it was stored since, or is gone."""
    if bucket := _find_bucket():
        with _bucket_errors():
            return bucket.size(_name(digest)) if bucket.get_modified_time(_name(digest)) < before else None
    try:
        known = path(digest).stat()
    except FileNotFoundError:
        return None
    return known.st_size if known.st_mtime < before.timestamp() else None


def remove(digest: str, before: datetime) -> int | None:
    """Remove an original that was last stored before this time. Returns its bytes, or None if it stays.

    In the media folder a concurrent ``store`` of the same bytes always leaves a file: the old one is put aside first,
    and comes back if it was stored until then. In a bucket the last look and the removal are two requests.
    """
    if (size := find_size(digest, before)) is None:
        return None
    if bucket := _find_bucket():
        with _bucket_errors():
            bucket.delete(_name(digest))
        return size
    file = path(digest)
    aside = file.with_name(ASIDE + digest)
    os.replace(file, aside)
    if aside.stat().st_mtime >= before.timestamp():
        os.replace(aside, file)
        return None
    aside.unlink()
    return size


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
