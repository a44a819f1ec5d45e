"""Reference sets imported from statistics by other programs: which are taken, and which refused with which fault."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from evaluation.extractors.base import Extracted, ExtractionError, Identity
from evaluation.extractors.registry import EXTRACTORS
from evaluation.metrics.base import UnscoredError
from evaluation.models import ReferenceSet
from evaluation.reference_sets.references import ReferenceSetError, find_reference, import_statistics

pytestmark = pytest.mark.django_db


class ThreeFeatures:
    """Three features of any image. Counts images."""

    looked = 0
    batch_size = 4

    def __init__(self, variant: str, weights: Path) -> None:
        self.identity: Identity = {"extractor": "three", "variant": variant}

    def prepare(self, source: bytes) -> bytes:
        return source

    def extract(self, prepared: Sequence[bytes]) -> list[Extracted | ExtractionError]:
        type(self).looked += len(prepared)
        return [np.zeros(3, dtype=np.float32) for _ in prepared]


class Words(ThreeFeatures):
    def extract(self, prepared: Sequence[bytes]) -> list[Extracted | ExtractionError]:
        return [{"words": []} for _ in prepared]


class Blind(ThreeFeatures):
    def extract(self, prepared: Sequence[bytes]) -> list[Extracted | ExtractionError]:
        return [ExtractionError("it sees nothing") for _ in prepared]


EXTRACTOR = ThreeFeatures("", Path())


@pytest.fixture(autouse=True)
def _extractor_of_this_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRACTORS, "three", f"{__name__}.ThreeFeatures")
    monkeypatch.setattr(ThreeFeatures, "looked", 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file as pytorch-fid and clean-fid write it."""
    rows = np.random.default_rng(0).standard_normal((50, 3))
    np.savez(tmp_path / "coco.npz", mu=rows.mean(axis=0), sigma=np.cov(rows, rowvar=False))
    return tmp_path / "coco.npz"


def test_imported_statistics_have_the_given_number_of_images(file: Path) -> None:
    unknown, known = import_statistics(file, EXTRACTOR), import_statistics(file, EXTRACTOR, 50)
    assert (unknown.moments.n, known.moments.n, known.rows) == (None, 50, None)
    np.testing.assert_allclose(known.moments.covariance, unknown.moments.covariance, rtol=1e-12)


def test_an_imported_set_names_its_program_and_is_found_by_its_extractor(file: Path) -> None:
    call_command("import_reference", "coco", str(file), made_by="clean-fid", extractor="three/x")
    identity = ThreeFeatures("x", Path()).identity
    statistics, row = find_reference("coco", "three/x", identity)
    assert row.identity == {**identity, "made_by": "clean-fid"}
    assert (row.n, row.source, statistics.moments.n) == (None, "coco.npz", None)
    with pytest.raises(UnscoredError, match="another extractor"):
        find_reference("coco", "three/x", {**identity, "variant": "y"})


def test_importing_again_changes_nothing_and_other_statistics_are_rejected(file: Path) -> None:
    for _ in range(2):
        call_command("import_reference", "coco", str(file), made_by="clean-fid", extractor="three", n=50)
    assert ReferenceSet.objects.get().n == 50
    with pytest.raises(CommandError, match="with other statistics"):
        call_command("import_reference", "coco", str(file), made_by="clean-fid", extractor="three", n=51)
    with pytest.raises(CommandError, match="with other identity"):
        call_command("import_reference", "coco", str(file), made_by="pytorch-fid", extractor="three", n=50)


def test_a_file_without_statistics_is_rejected(tmp_path: Path, file: Path) -> None:
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    (tmp_path / "text.npz").write_text("mu")
    for name in ("other.npz", "text.npz", "none.npz"):
        with pytest.raises(CommandError, match=f"Nothing was imported. .*{name} cannot be imported"):
            call_command("import_reference", "x", str(tmp_path / name), made_by="clean-fid", extractor="three")
    with pytest.raises(CommandError, match="of 1"):
        call_command("import_reference", "x", str(file), made_by="clean-fid", extractor="three", n=1)


@pytest.mark.parametrize("d", [1, 2, 4, 2048])
def test_statistics_of_another_number_of_features_are_rejected(tmp_path: Path, d: int) -> None:
    np.savez(tmp_path / "other.npz", mu=np.zeros(d), sigma=np.eye(d))
    with pytest.raises(CommandError, match=rf"other.npz cannot be imported: it has {d:,} features, .* returns 3\."):
        call_command("import_reference", "x", str(tmp_path / "other.npz"), made_by="clean-fid", extractor="three")
    assert not ReferenceSet.objects.exists()


def test_the_number_of_features_that_an_identity_states_is_expected(tmp_path: Path, file: Path) -> None:
    extractor = ThreeFeatures("", Path())
    extractor.identity = {"extractor": "three", "features": 2048}
    with pytest.raises(ReferenceSetError, match=r"it has 3 features, the extractor returns 2,048\."):
        import_statistics(file, extractor)
    assert ThreeFeatures.looked == 0


def test_an_extractor_without_vectors_has_no_statistics(file: Path) -> None:
    with pytest.raises(ReferenceSetError, match="returns records"):
        import_statistics(file, Words("", Path()))
    with pytest.raises(ReferenceSetError, match="it sees nothing"):
        import_statistics(file, Blind("", Path()))


@pytest.mark.parametrize(
    ("sigma", "fault"),
    [
        (np.diag([1.0, 1.0, -0.5]), "sigma has a negative variance"),
        (np.ones((3, 3)) - np.eye(3), "not positive semi-definite: its smallest eigenvalue is -1, its largest 2"),
        (np.arange(9.0).reshape(3, 3), "sigma is not symmetric"),
        (np.eye(3) * np.nan, "sigma contains NaN"),
        (np.eye(4), "do not match"),
    ],
)
def test_statistics_that_are_none_are_rejected_with_their_fault(tmp_path: Path, sigma: Any, fault: str) -> None:
    np.savez(tmp_path / "wrong.npz", mu=np.zeros(3), sigma=sigma)
    with pytest.raises(CommandError, match=f"Nothing was imported. .*wrong.npz cannot be imported: .*{fault}"):
        call_command("import_reference", "x", str(tmp_path / "wrong.npz"), made_by="clean-fid", extractor="three")
    assert not ReferenceSet.objects.exists()


def test_a_number_of_images_below_the_rank_is_rejected(file: Path) -> None:
    with pytest.raises(CommandError, match="has rank 3, but that of 3 images is at most 2"):
        call_command("import_reference", "x", str(file), made_by="clean-fid", extractor="three", n=3)


def test_a_stored_set_that_is_none_is_unscored_with_its_fault(file: Path, settings: Any) -> None:
    """As an older version may have stored it."""
    call_command("import_reference", "coco", str(file), made_by="clean-fid", extractor="three")
    wrong = io.BytesIO()
    np.savez(wrong, mu=np.zeros(3), sigma=np.ones((3, 3)) - np.eye(3))
    digest = hashlib.sha256(wrong.getvalue()).hexdigest()
    (Path(settings.MEDIA_ROOT) / "references" / f"{digest}.npz").write_bytes(wrong.getvalue())
    ReferenceSet.objects.update(digest=digest)
    with pytest.raises(UnscoredError, match=r"reference set coco .* cannot be used: .*not positive semi-definite"):
        find_reference("coco", "three", EXTRACTOR.identity)
