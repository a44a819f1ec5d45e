"""Feature store: exact storage, damaged files, full disks."""

import json
from pathlib import Path

import numpy as np
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from evaluation.extractors import feature_store
from evaluation.extractors.feature_store import FeatureStore, digest_identity, digest_text

IDENTITY = {"extractor": "inception-v3", "sha256": "7f", "resize": "clean", "size": 299}
DIGEST = digest_text("an image")
VECTOR = np.array([1.5, -2.25, 3.0e-30], dtype=np.float32)


def list_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


@given(
    vector=arrays.arrays(
        np.float32, st.integers(0, 40), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
    )
)
def test_vectors_are_restored_exactly(vector: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = FeatureStore(tmp_path_factory.mktemp("features"))
    store.write(IDENTITY, DIGEST, vector)
    kept = store.read(IDENTITY, DIGEST)
    assert isinstance(kept, np.ndarray)
    assert kept.dtype == np.float32
    assert kept.tobytes() == vector.tobytes()


def test_records_are_restored(tmp_path: Path) -> None:
    store, record = FeatureStore(tmp_path), {"lines": [{"text": "Café 猫", "box": [[0.1, 2]], "confidence": None}]}
    store.write(IDENTITY, DIGEST, record)
    assert store.read(IDENTITY, DIGEST) == record


def test_each_extractor_has_a_folder_with_its_identity(tmp_path: Path) -> None:
    store, other = FeatureStore(tmp_path), IDENTITY | {"resize": "torchmetrics"}
    store.write(IDENTITY, DIGEST, VECTOR)
    assert store.read(other, DIGEST) is None
    store.write(other, DIGEST, VECTOR * 2)
    np.testing.assert_array_equal(store.read(IDENTITY, DIGEST), VECTOR)
    for identity in (IDENTITY, other):
        folder = tmp_path / digest_identity(identity)
        assert json.loads((folder / "identity.json").read_text()) == identity
        assert (folder / DIGEST[:2] / f"{DIGEST}.npy").is_file()
    assert digest_identity(dict(reversed(IDENTITY.items()))) == digest_identity(IDENTITY)


@pytest.mark.parametrize("extracted", [VECTOR, {"unsafe": 0.25}], ids=["vector", "record"])
def test_damaged_files_count_as_missing(extracted: np.ndarray | dict[str, float], tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.write(IDENTITY, DIGEST, extracted)
    (file,) = [file for file in list_files(tmp_path) if file.name != "identity.json"]
    whole = file.read_bytes()
    for damaged in (
        b"",
        whole[:7],
        whole[:-1],
        whole[:-20],
        whole + b"x",
        whole[:20] + bytes([whole[20] ^ 1]) + whole[21:],
    ):
        file.write_bytes(damaged)
        assert store.read(IDENTITY, DIGEST) is None
    store.write(IDENTITY, DIGEST, extracted)
    assert file.read_bytes() == whole


def test_numpy_can_load_the_files(tmp_path: Path) -> None:
    FeatureStore(tmp_path).write(IDENTITY, DIGEST, VECTOR)
    np.testing.assert_array_equal(np.load(next(tmp_path.rglob("*.npy"))), VECTOR)


@pytest.mark.parametrize(
    ("extracted", "said"),
    [
        (VECTOR.astype(np.float64), "got float64"),
        (VECTOR[None], "of shape"),
        (np.array([1, np.nan], dtype=np.float32), "NaN or infinity"),
        ({"score": float("inf")}, "JSON"),
        ({"box": np.zeros(4)}, "JSON"),
    ],
    ids=["doubles", "table", "nan", "infinite record", "array in a record"],
)
def test_invalid_features_are_rejected(extracted: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        FeatureStore(tmp_path).write(IDENTITY, DIGEST, extracted)  # type: ignore[arg-type]
    assert list_files(tmp_path) == []


def test_a_full_disk_leaves_no_partial_file_and_is_logged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FeatureStore(tmp_path)
    store.write(IDENTITY, DIGEST, VECTOR)
    before = list_files(tmp_path)

    def fill_up(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(feature_store.os, "replace", fill_up)
    with structlog.testing.capture_logs() as logs:
        for n in range(3):
            store.write(IDENTITY, digest_text(f"image {n}"), VECTOR)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("features_not_kept", "warning")]
    assert "No space left" in logs[0]["error"]
    assert list_files(tmp_path) == before
    assert not store.has(IDENTITY, digest_text("image 0"))
    assert store.has(IDENTITY, DIGEST)


def test_a_folder_that_cannot_be_created_is_logged(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("a file in the folder's place")
    store = FeatureStore(tmp_path / "features")
    store.write(IDENTITY, DIGEST, VECTOR)
    assert store.read(IDENTITY, DIGEST) is None
