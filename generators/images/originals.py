"""The store of untouched model outputs, addressed by their content: in the media folder, or in an S3-compatible bucket.

An original is never changed and never served to a rater. Its name is the sha256 of its bytes, and every read is held
against it. Names are the same in both places, so that originals can be moved from one to the other.

Beside FileNotFoundError and the file system's own errors there are::

    CorruptOriginalError       the bytes are not those that were stored
    BucketUnavailableError     an OSError: the bucket did not answer, or not as it should; another time it may
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
    """The bytes under this name are not those that it is the sha256 of."""


class BucketUnavailableError(OSError):
    """The bucket of originals cannot be used now."""


def store(data: bytes) -> str:
    """Write ``data`` durably and return its sha256. Storing the same bytes again changes nothing."""
    digest = hashlib.sha256(data).hexdigest()
    if bucket := _find_bucket():
        with _reporting_faults():
            if not bucket.exists(_name(digest)):
                bucket.save(_name(digest), ContentFile(data))
    elif not (file := path(digest)).exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_durably(file, data)
    return digest


def read(digest: str) -> bytes:
    """The bytes of an original. FileNotFoundError when it is gone, CorruptOriginalError when they are not its own."""
    if bucket := _find_bucket():
        with _reporting_faults(), bucket.open(_name(digest)) as stream:
            data: bytes = stream.read()
    else:
        data = path(digest).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise CorruptOriginalError(f"The original {digest} is damaged: its {len(data):,} bytes are not those stored.")
    return data


def path(digest: str) -> Path:
    """Where an original lies in the media folder, when that is where originals lie."""
    return Path(settings.MEDIA_ROOT) / "originals" / _name(digest)


def _name(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


def _find_bucket() -> Storage | None:
    return storages["originals"] if "originals" in settings.STORAGES else None


@contextmanager
def _reporting_faults() -> Iterator[None]:
    """boto3 raises errors of several families, none of them an OSError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        # Its code alone: servers' messages may repeat the key.
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        what = f"{type(error).__name__} {code}".strip()
        raise BucketUnavailableError(f"The bucket of originals cannot be used: {what}.") from error


def write_durably(file: Path, data: bytes) -> None:
    """Put ``data`` at ``file`` so that no reader, and no crash, ever sees a part of it."""
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
