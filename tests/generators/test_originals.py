"""The store of originals: whole, durable, addressed by content."""

import hashlib

import pytest

from generators import originals


def test_what_is_stored_is_read_back_by_its_digest() -> None:
    digest = originals.store(b"an image")
    assert digest == hashlib.sha256(b"an image").hexdigest()
    assert originals.read(digest) == b"an image"


def test_storing_again_changes_nothing() -> None:
    digest = originals.store(b"an image")
    before = originals.path(digest).stat().st_mtime_ns
    assert originals.store(b"an image") == digest
    assert originals.path(digest).stat().st_mtime_ns == before


def test_a_write_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(originals.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        originals.store(b"an image")
    folder = originals.path(hashlib.sha256(b"an image").hexdigest()).parent
    assert list(folder.iterdir()) == []


def test_an_original_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        originals.read("0" * 64)
