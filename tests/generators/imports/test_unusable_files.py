"""Manifest lines whose file is missing or is no usable image: recorded as failed, and replaced by a later import."""

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from generators.generations import retry_generations
from generators.imports.manifests import MAX_IMAGE_BYTES, ImageImportError, read_manifest
from generators.imports.write import plan_import, write_import
from generators.models import Generation, ImageModel
from tests import builders
from tests.generators.imports.manifest_files import count_rows, entry, import_file, make_folder, refuse, write
from tests.generators.imports.test_manifests import make_bomb

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


@pytest.fixture(autouse=True)
def midjourney() -> ImageModel:
    return builders.make_model(slug="midjourney-7", family="midjourney", revision="7", adapter="")


def encode(kind: str, color: str = "teal") -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(stream, kind)
    return stream.getvalue()


def cut(kind: str) -> bytes:
    return encode(kind)[:-900]


def spoil(kind: str) -> bytes:
    """An image whose middle is overwritten."""
    data = bytearray(encode(kind))
    data[len(data) // 3 : len(data) // 2] = os.urandom(len(data) // 2 - len(data) // 3)
    return bytes(data)


FILES: dict[str, tuple[Callable[[], bytes | None], str]] = {
    "missing": (lambda: None, "there is no file 'odd.png' beside the manifest"),
    "empty": (lambda: b"", "got no bytes at all"),
    "text": (lambda: b"no image at all", "got text"),
    "page": (lambda: b"<!doctype html><title>404</title>", "got an HTML page"),
    "header alone": (lambda: encode("PNG")[:33], "The header of the image/png image cannot be read"),
    "truncated PNG": (lambda: cut("PNG"), "broken or cut off"),
    "truncated JPEG": (lambda: cut("JPEG"), "broken or cut off"),
    "truncated WebP": (lambda: cut("WEBP"), "image"),
    "truncated AVIF": (lambda: cut("AVIF"), "image"),
    "overwritten PNG": (lambda: spoil("PNG"), "broken or cut off"),
    "bomb": (make_bomb, "40,000 × 40,000 pixels; the limits are"),
    "TIFF": (lambda: encode("TIFF"), "got a TIFF"),
    "BMP": (lambda: encode("BMP"), "got a BMP"),
    "PDF": (lambda: b"%PDF-1.7\n", "got a PDF"),
    "too large": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(MAX_IMAGE_BYTES), "has more than 64 MiB"),
}


def put(folder: Path, kind: str) -> str:
    data = FILES[kind][0]()
    if data is not None:
        (folder / "odd.png").write_bytes(data)
    return FILES[kind][1]


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_cannot_be_used_is_recorded_with_its_reason(folder: Path, kind: str) -> None:
    reason = put(folder, kind)
    file = write(folder, entry("a.png"), entry("odd.png"), entry("b.jpg"))
    assert reason in refuse(file)
    out = import_file(file, "--keep-valid")
    assert "2 images and 0 refusals imported" in out
    assert "missing  1 images whose file cannot be used" in out
    failed = Generation.objects.get(status="failed")
    assert (failed.seed, failed.reason, failed.original, failed.reported) == (
        1,
        "unusable_file",
        "",
        {"file": "odd.png"},
    )
    assert reason in failed.message
    assert [row.seed for row in Generation.objects.ready().order_by("seed")] == [0, 2]


def test_a_file_that_may_not_be_read_is_recorded(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (folder / "a.png").chmod(stat.S_IWUSR)
    import_file(write(folder, entry("a.png"), entry("b.jpg")), "--keep-valid")
    assert "Permission denied" in Generation.objects.get(status="failed").message


@pytest.mark.parametrize("seeds", [{}, {"seed": 3}])
def test_the_mended_file_takes_the_place_of_the_failed_one(folder: Path, seeds: dict[str, int]) -> None:
    put(folder, "truncated PNG")
    file = write(folder, entry("a.png"), entry("odd.png", **seeds), entry("b.jpg"))
    import_file(file, "--keep-valid")
    failed = Generation.objects.get(status="failed")
    before = count_rows()
    assert "0 images and 0 refusals" in import_file(file, "--keep-valid")
    assert count_rows() == before
    (folder / "odd.png").write_bytes(encode("PNG"))
    assert "1 images and 0 refusals" in import_file(file)
    assert count_rows() == before
    fixed = Generation.objects.get(pk=failed.pk)
    assert (fixed.status, fixed.seed, fixed.reason, fixed.message) == ("ok", failed.seed, "", "")
    assert (fixed.width, fixed.height, fixed.media_type) == (64, 64, "image/png")
    assert fixed.phash
    assert fixed.original


def test_a_refusal_takes_the_place_of_a_failed_file(folder: Path) -> None:
    import_file(write(folder, entry("a.png"), entry("z.png", seed=5)), "--keep-valid")
    import_file(write(folder, entry("a.png"), entry("", seed=5, refused="yes")))
    assert Generation.objects.get(seed=5).status == "refused"


def test_an_image_that_is_imported_already_stays_when_its_file_is_damaged_later(folder: Path) -> None:
    file = write(folder, entry("a.png"), entry("b.jpg"))
    import_file(file)
    before = list(Generation.objects.order_by("pk").values())
    (folder / "b.jpg").write_bytes(b"")
    import_file(file, "--keep-valid")
    assert list(Generation.objects.order_by("pk").values()) == before


def test_paths_out_of_the_folder_record_nothing(folder: Path) -> None:
    import_file(write(folder, entry("a.png"), entry("../secret.png")), "--keep-valid")
    assert not Generation.objects.filter(status="failed").exists()


def test_a_failed_row_that_another_import_has_replaced_is_not_overwritten(folder: Path) -> None:
    import_file(write(folder, entry("a.png"), entry("z.png", seed=5)), "--keep-valid")
    plan = plan_import(read_manifest(write(folder, entry("c.webp", seed=5))), "elsewhere 1")
    import_file(write(folder, entry("b.jpg", seed=5)), "--prompt-set", "elsewhere 1")
    with pytest.raises(ImageImportError, match="Another process"):
        write_import(plan)
    assert Generation.objects.get(seed=5).reported["file"] == "b.jpg"


def test_failed_files_are_not_requested_again(folder: Path) -> None:
    import_file(write(folder, entry("a.png"), entry("z.png")), "--keep-valid")
    assert retry_generations(Generation.objects.all()) == 0
