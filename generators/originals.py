"""The store of untouched model outputs, addressed by their content.

An original is never changed and never served to a rater. Its name is the sha256 of its bytes.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from django.conf import settings


def store(data: bytes) -> str:
    """Write ``data`` durably and return its sha256. Storing the same bytes again changes nothing."""
    digest = hashlib.sha256(data).hexdigest()
    file = path(digest)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, data)
    return digest


def read(digest: str) -> bytes:
    """The bytes of an original, or FileNotFoundError."""
    return path(digest).read_bytes()


def path(digest: str) -> Path:
    return Path(settings.MEDIA_ROOT) / "originals" / digest[:2] / digest


def write_whole(file: Path, data: bytes) -> None:
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
