"""Feature store: features and records on disk, so that no input is extracted twice.

There is one file per input: FOLDER/<digest of the extractor's identity>/<ab>/<sha256 of the input>.npy or .json. Each
file ends with a checksum of its contents; a damaged file is treated as missing.
"""

import io
import json
import os
import tempfile
import zlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from evaluation.extractors.base import Extracted, Identity

log = structlog.get_logger(__name__)

SEAL: Final = 9  # bytes: a newline and the CRC-32 in eight hexadecimal digits


def digest_text(text: str) -> str:
    """The sha256 of the text in UTF-8, its key in the store."""
    return sha256(text.encode()).hexdigest()


class FeatureStore:
    """Features below ``folder``, which is created when needed. Several processes may read and write it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._warned = False

    def has(self, identity: Identity, digest: str) -> bool:
        """Whether there is a file for the input with this sha256. Its contents are not checked."""
        path = self._path(identity, digest)
        return path.with_suffix(".npy").exists() or path.with_suffix(".json").exists()

    def read(self, identity: Identity, digest: str) -> Extracted | None:
        """The features or record of the input with this sha256, or None if they are not stored."""
        path = self._path(identity, digest)
        if (data := _read_sealed(path.with_suffix(".npy"))) is not None:
            return _load_vector(data)
        data = _read_sealed(path.with_suffix(".json"))
        return None if data is None else _load_record(data)

    def write(self, identity: Identity, digest: str, extracted: Extracted) -> None:
        """Store features or a record atomically. If the disk is full, nothing is stored and a warning is logged once.

        Raises:
            ValueError: Not a float32 vector or JSON-serializable record, or it contains NaN or infinity.
        """
        if isinstance(extracted, np.ndarray):
            suffix, data = ".npy", _dump_vector(extracted)
        else:
            suffix, data = ".json", _dump_record(extracted)
        file = self._path(identity, digest).with_suffix(suffix)
        label = file.parent.parent / "identity.json"
        try:
            if not label.exists():
                write_atomically(label, json.dumps(dict(identity), indent=1).encode())
            write_atomically(file, data + _seal(data))
        except OSError as error:
            if not self._warned:
                log.warning("features_not_kept", folder=str(self.folder), error=str(error))
            self._warned = True

    def forget(self, digest: str) -> None:
        """Remove everything that any extractor stored of the input with this sha256."""
        for folder in self.folder.glob("*"):
            for suffix in (".npy", ".json"):
                (folder / digest[:2] / digest).with_suffix(suffix).unlink(missing_ok=True)

    def _path(self, identity: Identity, digest: str) -> Path:
        return self.folder / digest_identity(identity) / digest[:2] / digest


def digest_identity(identity: Identity) -> str:
    """The sha256 of the identity, independent of the order of its keys."""
    return sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()


def _dump_vector(vector: NDArray[np.float32]) -> bytes:
    if vector.dtype != np.float32 or vector.ndim != 1:
        raise ValueError(f"Features must be a float32 vector; got {vector.dtype} of shape {vector.shape}.")
    if not np.isfinite(vector).all():
        raise ValueError("The features contain NaN or infinity.")
    stream = io.BytesIO()
    np.save(stream, vector, allow_pickle=False)
    return stream.getvalue()


def _load_vector(data: bytes) -> NDArray[np.float32]:
    vector: NDArray[np.float32] = np.load(io.BytesIO(data), allow_pickle=False)
    return vector


def _dump_record(record: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(record, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"The record is not JSON-serializable: {error}.") from error


def _load_record(data: bytes) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(data)
    return record


def _seal(data: bytes) -> bytes:
    return b"\n%08x" % zlib.crc32(data)


def _read_sealed(file: Path) -> bytes | None:
    try:
        data = file.read_bytes()
    except OSError:
        return None
    contents = data[:-SEAL]
    return contents if data[-SEAL:] == _seal(contents) else None


def write_atomically(file: Path, data: bytes) -> None:
    """Write a file so that readers never see a part of it.

    It is not flushed to disk: a file that a crash of the machine damaged is found by its checksum.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=file.parent, prefix=".part-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.replace(unfinished, file)
    except BaseException:
        os.unlink(unfinished)
        raise
