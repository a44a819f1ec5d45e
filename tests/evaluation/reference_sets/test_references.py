"""Reference sets: built from images or imported, stored, and found by extractor."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.base import Extracted, ExtractionError, Identity, UnreadableInputError
from evaluation.extractors.feature_store import FeatureStore
from evaluation.extractors.registry import EXTRACTORS
from evaluation.metrics.base import UnscoredError
from evaluation.models import ReferenceSet
from evaluation.reference_sets import references
from evaluation.reference_sets.image_archives import ImageArchiveError, count_images, walk_images
from evaluation.reference_sets.references import ReferenceSetError, find_reference, summarize_images

pytestmark = pytest.mark.django_db


class MeanColor:
    """The mean of each channel of an image, (3,). Counts images, and is interrupted after ``patience`` of them."""

    looked = 0
    patience = 10**6
    batch_size = 4

    def __init__(self, variant: str, weights: Path) -> None:
        self.identity: Identity = {"extractor": "mean-color", "variant": variant}

    def prepare(self, source: bytes) -> NDArray[np.float64]:
        try:
            return np.asarray(Image.open(io.BytesIO(source)).convert("RGB"), dtype=np.float64)
        except OSError as error:
            raise UnreadableInputError("it is not an image") from error

    def extract(self, prepared: Sequence[NDArray[np.float64]]) -> list[Extracted | ExtractionError]:
        type(self).looked += len(prepared)
        if self.looked > self.patience:
            raise KeyboardInterrupt
        return [image.mean(axis=(0, 1)).astype(np.float32) for image in prepared]


class Words(MeanColor):
    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return [{"words": []} for _ in prepared]


@pytest.fixture(autouse=True)
def _extractors_of_this_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, extractor in (("mean-color", MeanColor), ("words", Words)):
        monkeypatch.setitem(EXTRACTORS, name, f"{__name__}.{extractor.__name__}")
    monkeypatch.setattr(MeanColor, "looked", 0)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


EXTRACTOR = MeanColor("", Path())


def encode(n: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), ((37 * n) % 256, (n * n) % 256, 255 - n % 256)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve different images in two folders, a text file, and a hidden empty file."""
    folder = tmp_path / "photos"
    (folder / "deep" / "deeper").mkdir(parents=True)
    for n in range(12):
        place = folder / "deep" / "deeper" if n % 3 == 0 else folder
        (place / f"{n:02}.png").write_bytes(encode(n))
    (folder / "captions.txt").write_text("none")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def pack(folder: Path, suffix: str) -> Path:
    archive = folder.with_name(f"photos{suffix}")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for file in files:
                packed.write(file, file.relative_to(folder))
    else:
        with tarfile.open(archive, f"w:{suffix.partition('.tar')[2].removeprefix('.')}") as packed_tar:
            for file in reversed(files):
                packed_tar.add(file, file.relative_to(folder))
    return archive


def saved(statistics: references.ReferenceStatistics) -> bytes:
    out = io.BytesIO()
    statistics.save(out)
    return out.getvalue()


# Statistics of images


def test_statistics_cover_all_images(folder: Path, store: FeatureStore) -> None:
    statistics = summarize_images(folder, EXTRACTOR, store).statistics
    colors = np.array([np.asarray(Image.open(io.BytesIO(encode(n))))[0, 0] for n in range(12)], dtype=np.float64)
    assert statistics.moments.n == 12
    np.testing.assert_allclose(statistics.moments.mean, colors.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(statistics.moments.covariance, np.cov(colors.T), rtol=1e-6)
    assert statistics.rows is not None
    assert len(statistics.rows) == 12
    assert statistics.digests == tuple(sorted(hashlib.sha256(encode(n)).hexdigest() for n in range(12)))


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_an_archive_gives_the_statistics_of_its_folder(folder: Path, store: FeatureStore, suffix: str) -> None:
    archive = pack(folder, suffix)
    assert count_images(archive) == (12 if suffix == ".zip" else None)
    assert count_images(folder) == 12
    built = summarize_images(archive, EXTRACTOR, store).statistics
    assert saved(built) == saved(summarize_images(folder, EXTRACTOR, store).statistics)


def test_features_of_many_images_are_summed_and_not_kept(
    folder: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = summarize_images(folder, EXTRACTOR, store).statistics
    monkeypatch.setattr(references, "MAX_ROWS", 11)
    monkeypatch.setattr(references, "BLOCK", 5)
    summed = summarize_images(folder, EXTRACTOR, store).statistics
    assert summed.rows is None
    assert (summed.moments.n, summed.digests) == (12, whole.digests)
    np.testing.assert_allclose(summed.moments.mean, whole.moments.mean, rtol=1e-9)
    np.testing.assert_allclose(summed.moments.covariance, whole.moments.covariance, rtol=1e-9)


def test_equal_files_count_once(folder: Path, store: FeatureStore) -> None:
    (folder / "again.png").write_bytes(encode(3))
    summary = summarize_images(folder, EXTRACTOR, store)
    assert (summary.n_copies, summary.statistics.moments.n) == (1, 12)


def test_an_interrupted_build_resumes(folder: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MeanColor, "patience", 8)
    with pytest.raises(KeyboardInterrupt):
        summarize_images(folder, EXTRACTOR, store)
    monkeypatch.setattr(MeanColor, "patience", 10**6)
    monkeypatch.setattr(MeanColor, "looked", 0)
    assert summarize_images(folder, EXTRACTOR, store).statistics.moments.n == 12
    assert MeanColor.looked == 4
    summarize_images(folder, EXTRACTOR, store)
    assert MeanColor.looked == 4


def test_progress_is_reported_for_every_image(folder: Path, store: FeatureStore) -> None:
    calls: list[None] = []
    summarize_images(folder, EXTRACTOR, store, lambda: calls.append(None))
    assert len(calls) == 12


# Unreadable images


def test_few_corrupt_images_are_skipped_and_listed(folder: Path, store: FeatureStore) -> None:
    for n in range(12, 40):
        (folder / f"{n}.png").write_bytes(encode(n))
    (folder / "05.png").write_bytes(encode(5)[:40])
    (folder / "empty.jpg").write_bytes(b"")
    summary = summarize_images(folder, EXTRACTOR, store)
    assert summary.skipped == (("05.png", "it is not an image"), ("empty.jpg", "it is not an image"))
    assert summary.statistics.moments.n == 39


def test_many_corrupt_images_are_an_error(folder: Path, store: FeatureStore) -> None:
    (folder / "01.png").write_bytes(b"broken")
    with pytest.raises(ReferenceSetError, match=r"1 of 12 images cannot be read.*\n  01\.png: it is not an image"):
        summarize_images(folder, EXTRACTOR, store)


def test_a_file_without_permission_is_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.read_bytes

    def refuse(file: Path) -> bytes:
        if file.name == "01.png":
            raise PermissionError(13, "Permission denied")
        return whole(file)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    found = dict(walk_images(folder))
    assert str(found["01.png"]) == "it cannot be read: Permission denied"
    assert found["02.png"] == encode(2)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_damaged_member_of_an_archive_is_skipped(tmp_path: Path, compression: int) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w", compression) as packed:
        packed.writestr("01.png", encode(1))
        packed.writestr("02.png", encode(2))
    content = bytearray(archive.read_bytes())
    content[60:80] = b"x" * 20
    archive.write_bytes(content)
    found = dict(walk_images(archive))
    assert "it cannot be read from the archive" in str(found["01.png"])
    assert found["02.png"] == encode(2)


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz"])
def test_a_truncated_archive_is_rejected(folder: Path, store: FeatureStore, suffix: str) -> None:
    archive = pack(folder, suffix)
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(ImageArchiveError, match="is truncated or damaged"):
        summarize_images(archive, EXTRACTOR, store)


def test_a_too_large_image_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.reference_sets.image_archives.MAX_IMAGE_BYTES", 1 << 20)
    with (folder / "large.png").open("wb") as stream:
        stream.truncate((1 << 20) + 1)
    for path in (folder, pack(folder, ".zip"), pack(folder, ".tar")):
        assert str(dict(walk_images(path))["large.png"]) == "it has more than 1 MiB"


def test_one_image_is_not_enough(tmp_path: Path, store: FeatureStore) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encode(1))
    with pytest.raises(ReferenceSetError, match="at least 2 different images"):
        summarize_images(tmp_path, EXTRACTOR, store)


def test_an_extractor_without_vectors_is_rejected(folder: Path, store: FeatureStore) -> None:
    with pytest.raises(ReferenceSetError, match="returns records"):
        summarize_images(folder, Words("", Path()), store)


# In the database


def build(folder: Path, name: str = "photos", extractor: str = "mean-color") -> ReferenceSet:
    call_command("build_reference", name, str(folder), extractor=extractor)
    return ReferenceSet.objects.get(name=name, extractor=extractor)


def test_a_built_set_is_found(folder: Path) -> None:
    row = build(folder)
    statistics, found = find_reference("photos", "mean-color", EXTRACTOR.identity)
    assert (found, found.n, found.source) == (row, 12, "photos, 12 images")
    assert statistics.moments.n == 12
    assert statistics.rows is not None
    assert hashlib.sha256(saved(statistics)).hexdigest() == row.digest


def test_building_the_same_set_again_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = build(folder)
    (folder / "00-renamed.png").write_bytes((folder / "01.png").read_bytes())
    (folder / "01.png").unlink()
    assert build(folder) == row
    assert capsys.readouterr().out.split("\n")[1].startswith("Unchanged: photos (mean-color), 12 images (0 skipped")


def test_other_images_under_the_same_name_are_rejected(folder: Path, settings: Any) -> None:
    row = build(folder)
    (folder / "more.png").write_bytes(encode(99))
    with pytest.raises(CommandError, match=r"photos .mean-color. exists with other statistics.*another name"):
        build(folder)
    assert build(folder, "photos-2").n == 13
    assert find_reference("photos", "mean-color", EXTRACTOR.identity)[1] == row
    assert len(list((Path(settings.MEDIA_ROOT) / "references").iterdir())) == 2


def test_an_invalid_name_is_rejected(folder: Path) -> None:
    with pytest.raises(CommandError, match="'my photos' is not a valid name"):
        build(folder, "my photos")


def test_a_missing_folder_or_extractor_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="neither a folder nor"):
        build(tmp_path / "nowhere")
    with pytest.raises(CommandError, match="There is no extractor 'inseption'"):
        build(tmp_path, extractor="inseption")


def test_a_missing_set_says_how_to_build_it() -> None:
    with pytest.raises(UnscoredError, match=r"paragone build_reference photos FOLDER --extractor mean-color"):
        find_reference("photos", "mean-color", EXTRACTOR.identity)


def test_another_identity_is_rejected_and_its_fields_are_listed(folder: Path) -> None:
    build(folder)
    with pytest.raises(UnscoredError, match="another extractor: resize is None, here 'clean', variant is '', here 'x'"):
        find_reference("photos", "mean-color", {**EXTRACTOR.identity, "variant": "x", "resize": "clean"})


def test_a_damaged_file_is_detected_and_can_be_built_again(folder: Path, settings: Any) -> None:
    file = Path(settings.MEDIA_ROOT) / "references" / f"{build(folder).digest}.npz"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UnscoredError, match=r"is damaged\. Build it again: paragone build_reference"):
        find_reference("photos", "mean-color", EXTRACTOR.identity)
    file.unlink()
    with pytest.raises(UnscoredError, match="cannot be read: No such file"):
        find_reference("photos", "mean-color", EXTRACTOR.identity)
    build(folder)
    assert find_reference("photos", "mean-color", EXTRACTOR.identity)[0].moments.n == 12
