"""Originals in the media folder and in an S3-compatible bucket: whole, durable, addressed by content."""

import hashlib
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from moto.server import ThreadedMotoServer

from arena import settings as project
from arena.battles import blinding
from generators.images import originals
from tests.generators.images.test_decoding import draw, encode

DIGEST = hashlib.sha256(b"an image").hexdigest()
NAME = f"{DIGEST[:2]}/{DIGEST}"
SECRET = "a-secret-key"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, settings) -> str:
    """An empty store for each test, set up as from the environment."""
    if request.param == "bucket":
        use_bucket(request.getfixturevalue("s3"), monkeypatch, settings, f"images-{uuid.uuid4().hex}")
        bucket = storages["originals"].bucket
        bucket.create()
        bucket.Versioning().enable()
    return request.param


def use_bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, settings, name: str = "our-images") -> None:
    for variable, value in (("ENDPOINT", endpoint), ("ACCESS_KEY", "an-access-key"), ("SECRET_KEY", SECRET)):
        monkeypatch.setenv(f"PARAGONE_S3_{variable}", value)
    settings.STORAGES = {**settings.STORAGES, "originals": project.describe_bucket(name)}


def watch_writes(place: str) -> int:
    """A number that changes with every write of the original "an image"."""
    if place == "folder":
        return originals.path(DIGEST).stat().st_ino  # a file is written under another name, then renamed
    versions = list(storages["originals"].bucket.object_versions.all())
    assert {version.object_key for version in versions} == {f"originals/{NAME}"}
    return len(versions)


def put_in_place(place: str, data: bytes) -> None:
    if place == "folder":
        originals.path(DIGEST).write_bytes(data)
    else:
        storages["originals"].save(NAME, ContentFile(data))


def remove(place: str) -> None:
    if place == "folder":
        originals.path(DIGEST).unlink()
    else:
        storages["originals"].delete(NAME)


def test_an_original_is_read_back_by_its_digest(place: str) -> None:
    assert originals.store(b"an image") == DIGEST
    assert originals.read(DIGEST) == b"an image"


def test_a_large_original_is_read_back(place: str) -> None:
    """Files above 8 MB are sent to a bucket in parts."""
    data = bytes(range(256)) * 40_000
    assert originals.read(originals.store(data)) == data


def test_storing_again_writes_nothing(place: str) -> None:
    originals.store(b"an image")
    before = watch_writes(place)
    assert originals.store(b"an image") == DIGEST
    assert watch_writes(place) == before


def test_the_same_bytes_from_many_workers_are_one_original(place: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(originals.store, [b"an image"] * 16)) == {DIGEST}
        assert set(pool.map(originals.read, [DIGEST] * 16)) == {b"an image"}


def test_an_original_that_was_never_there_is_an_error(place: str) -> None:
    originals.store(b"another image")
    with pytest.raises(FileNotFoundError):
        originals.read("0" * 64)


def test_an_original_that_is_gone_is_an_error_and_can_be_stored_again(place: str) -> None:
    originals.store(b"an image")
    remove(place)
    with pytest.raises(FileNotFoundError):
        originals.read(DIGEST)
    assert originals.store(b"an image") == DIGEST
    assert originals.read(DIGEST) == b"an image"


@pytest.mark.parametrize("data", [b"", b"an imag", b"another image"])
def test_an_original_that_is_damaged_is_never_given_out(place: str, data: bytes) -> None:
    originals.store(b"an image")
    put_in_place(place, data)
    with pytest.raises(originals.CorruptOriginalError, match=DIGEST):
        originals.read(DIGEST)


def test_raters_see_the_stored_image_and_no_damaged_one(place: str) -> None:
    data = encode(draw(), "PNG")
    digest = originals.store(data)
    assert blinding.derive(digest, 48, 48).read_bytes() == blinding.blind(data, 48, 48)
    originals.store(b"an image")
    put_in_place(place, data)
    with pytest.raises(blinding.UnviewableImageError, match="damaged"):
        blinding.derive(DIGEST, 48, 48)
    remove(place)
    with pytest.raises(blinding.UnviewableImageError, match="gone"):
        blinding.derive(DIGEST, 48, 48)


def test_a_write_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(originals.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        originals.store(b"an image")
    assert list(originals.path(DIGEST).parent.iterdir()) == []


def test_a_disk_that_is_not_mounted_is_unavailable() -> None:
    with pytest.raises(originals.StorageError, match="Is its disk mounted"):
        originals.read(DIGEST)


def test_a_disk_that_fails_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OSError(5, "Input/output error")

    originals.store(b"an image")
    monkeypatch.setattr(originals.Path, "read_bytes", fail)
    with pytest.raises(originals.StorageError, match="used: Input/output error"):
        originals.read(DIGEST)


def test_a_bucket_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch, settings) -> None:
    use_bucket("http://127.0.0.1:9", monkeypatch, settings)
    started = time.monotonic()
    for attempt in (lambda: originals.store(b"an image"), lambda: originals.read(DIGEST)):
        with pytest.raises(OSError, match="EndpointConnectionError") as caught:
            attempt()
        assert not isinstance(caught.value, FileNotFoundError)
        assert SECRET not in str(caught.value)
    assert time.monotonic() - started < 60, "the attempts are bounded"


def test_a_bucket_that_does_not_exist_is_unavailable(s3: str, monkeypatch: pytest.MonkeyPatch, settings) -> None:
    use_bucket(s3, monkeypatch, settings, "no-such-bucket")
    with pytest.raises(originals.StorageError, match="NoSuchBucket"):
        originals.store(b"an image")


def test_a_bucket_that_fails_or_refuses_is_unavailable(httpserver, monkeypatch: pytest.MonkeyPatch, settings) -> None:
    use_bucket(httpserver.url_for("").rstrip("/"), monkeypatch, settings)
    for status in (403, 500, 503):
        httpserver.clear()
        httpserver.expect_request(f"/our-images/originals/{NAME}").respond_with_data(SECRET, status=status)
        for attempt in (lambda: originals.store(b"an image"), lambda: originals.read(DIGEST)):
            with pytest.raises(originals.StorageError, match=str(status)) as caught:
                attempt()
            assert SECRET not in str(caught.value)


def test_a_bucket_without_its_packages_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"pip install 'paragone\[s3\]'"):
        project.describe_bucket("our-images")
