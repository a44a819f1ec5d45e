"""Reference sets: built from images or imported, stored, and found by extractor."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from evaluation.extractors.base import Extracted, ExtractionError
from evaluation.extractors.feature_store import FeatureStore
from evaluation.extractors.registry import EXTRACTORS
from evaluation.metrics.base import UnscoredError
from evaluation.models import ReferenceSet
from evaluation.reference_sets import references
from evaluation.reference_sets.references import ReferenceSetError, find_reference, summarize_images
from generators.images.archives import count_files
from tests.evaluation.mean_color import MeanColor
from tests.generators.images.packing import pack

pytestmark = pytest.mark.django_db


class Words(MeanColor):
    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return [{"words": []} for _ in prepared]


@pytest.fixture(autouse=True)
def _extractors_of_this_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, extractor in (("mean-color", MeanColor), ("words", Words)):
        monkeypatch.setitem(EXTRACTORS, name, f"{extractor.__module__}.{extractor.__name__}")
    monkeypatch.setattr(MeanColor, "looked", 0)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


EXTRACTOR = MeanColor("", Path())

# File name → format and options.
STILL: dict[str, tuple[str, dict[str, Any]]] = {
    "a.bmp": ("BMP", {}),
    "b.gif": ("GIF", {}),
    "c.tif": ("TIFF", {"compression": "tiff_lzw"}),
    "d.jfif": ("JPEG", {"quality": 95}),
    "e.dat": ("JPEG", {"quality": 95}),
    "f": ("WEBP", {"lossless": True}),
    "g.webp": ("WEBP", {"quality": 95}),
    "h.txt": ("PNG", {}),
    "i.ppm": ("PPM", {}),
    "j.jp2": ("JPEG2000", {}),
    "k.jpg": ("AVIF", {"quality": 95}),
}


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
    assert count_files(archive) == (14 if suffix == ".zip" else None)
    assert count_files(folder) == 14
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


def test_progress_is_reported_for_every_file(folder: Path, store: FeatureStore) -> None:
    calls: list[None] = []
    summarize_images(folder, EXTRACTOR, store, lambda: calls.append(None))
    assert len(calls) == 14


# Unreadable images


def test_few_unreadable_images_are_left_out_and_listed(folder: Path, store: FeatureStore) -> None:
    for n in range(12, 40):
        (folder / f"{n}.png").write_bytes(encode(n))
    (folder / "05.png").write_bytes(encode(5)[:40])
    (folder / "empty.jpg").write_bytes(b"")
    summary = summarize_images(folder, EXTRACTOR, store)
    cut_off, empty = summary.unreadable
    assert (cut_off[0], empty) == ("05.png", ("empty.jpg", "its content is no bytes at all"))
    assert "The header of the image/png image cannot be read" in cut_off[1]
    assert summary.no_images == ((".hidden.png", "a hidden file"), ("captions.txt", "its content is text"))
    assert (summary.statistics.moments.n, summary.n_images) == (39, 41)


def test_more_than_one_in_twenty_unreadable_is_an_error_unless_allowed(folder: Path, store: FeatureStore) -> None:
    (folder / "01.png").write_bytes(b"broken")
    with pytest.raises(
        ReferenceSetError,
        match=r"1 of 12 images \(8\.3 %\) cannot be read; at most 5 % may be.*--allow-unreadable.\n  '01\.png': ",
    ):
        summarize_images(folder, EXTRACTOR, store)
    assert summarize_images(folder, EXTRACTOR, store, allow_unreadable=True).statistics.moments.n == 11


def test_each_copy_of_an_unreadable_image_counts(folder: Path, store: FeatureStore) -> None:
    """One error page, saved as many images, is a broken download and not one bad file."""
    for n in range(12, 40):
        (folder / f"{n}.png").write_bytes(encode(n))
    for n in range(3):
        (folder / f"broken {n}.png").write_bytes(encode(0)[:40])
    with pytest.raises(ReferenceSetError, match=r"3 of 43 images \(7\.0 %\) cannot be read"):
        summarize_images(folder, EXTRACTOR, store)
    assert summarize_images(folder, EXTRACTOR, store, allow_unreadable=True).n_copies == 0


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
    assert "Unchanged: photos (mean-color), 12 images (0 unreadable, 2 no images, 0 dup" in capsys.readouterr().out


def test_other_images_under_the_same_name_are_rejected(folder: Path, settings: Any) -> None:
    row = build(folder)
    (folder / "more.png").write_bytes(encode(99))
    with pytest.raises(CommandError, match=r"photos .mean-color. exists with other statistics.*another name"):
        build(folder)
    assert build(folder, "photos-2").n == 13
    assert find_reference("photos", "mean-color", EXTRACTOR.identity)[1] == row
    assert len(list((Path(settings.MEDIA_ROOT) / "references").iterdir())) == 2


def test_the_command_says_what_it_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "copy.jpg").write_bytes(encode(4))
    for n in range(12):
        (folder / f"page {n:02}.jpg").write_text("<html>404</html>")
    with pytest.raises(CommandError, match=r"12 of 25 images \(48\.0 %\).*\n  'page 00.jpg': its content"):
        build(folder)
    call_command("build_reference", "photos", str(folder), "--allow-unreadable", extractor="mean-color")
    row = ReferenceSet.objects.get()
    assert capsys.readouterr().out.splitlines() == [
        "Left out as unreadable: 12 of 25 images (48.0 %)",
        *(f"  'page {n:02}.jpg': its content is an HTML page" for n in range(10)),
        "  ... and 2 more",
        "Left out as no images: 2",
        "  '.hidden.png': a hidden file",
        "  'captions.txt': its content is text",
        f"New: photos (mean-color), 12 images (12 unreadable, 2 no images, 1 duplicates). Digest {row.digest}",
    ]
    assert row.source == "photos, 12 images, 12 unreadable"


def test_a_folder_and_files_whose_names_are_not_utf8_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    for n in range(3):
        (folder / f"\udcff{n}").write_bytes(encode(n))
    (folder / "\udcfe.txt").write_text("text")
    assert build(folder).source == r"caf\xe9, 3 images"


def test_still_images_are_read_whatever_their_format_and_name(tmp_path: Path, store: FeatureStore) -> None:
    colors = [(200, 20 * n, 90) for n in range(len(STILL))]
    wanted = []
    for color, (name, (kind, options)) in zip(colors, STILL.items(), strict=True):
        Image.new("RGB", (16, 12), color).save(tmp_path / name, kind, **options)
        wanted.append(color)
    summary = summarize_images(tmp_path, EXTRACTOR, store)
    assert (summary.unreadable, summary.no_images) == ((), ())
    assert summary.statistics.moments.n == len(STILL)
    np.testing.assert_allclose(summary.statistics.moments.mean, np.mean(wanted, axis=0), atol=1)


@pytest.mark.parametrize(("kind", "said"), [("GIF", "2 frames"), ("PNG", "2 frames"), ("TIFF", "2 pages")])
def test_an_image_of_several_frames_or_pages_is_left_out(
    folder: Path, store: FeatureStore, kind: str, said: str
) -> None:
    more = Image.new("RGB", (16, 12), "blue")
    Image.new("RGB", (16, 12), "red").save(folder / "frames", kind, save_all=True, append_images=[more])
    summary = summarize_images(folder, EXTRACTOR, store, allow_unreadable=True)
    assert summary.unreadable == (("frames", f"The {kind} image has {said}; expected a still image."),)


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
