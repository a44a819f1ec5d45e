"""Statistics files of reference sets, also those by other tools."""

from io import BytesIO

import numpy as np
import pytest

from evaluation.metrics.distances.frechet import frechet_distance
from evaluation.metrics.features.moments import Moments, Sums
from evaluation.metrics.features.reference import ReferenceStatistics
from evaluation.metrics.features.rows import FeatureRows
from tests.evaluation.metrics.set_samples import draw_features, make_reference


def write(statistics: ReferenceStatistics) -> BytesIO:
    file = BytesIO()
    statistics.save(file)
    file.seek(0)
    return file


def pack(**arrays) -> BytesIO:
    file = BytesIO()
    np.savez_compressed(file, **arrays)
    file.seek(0)
    return file


@pytest.mark.parametrize("n", [5, 8, 9, 50])
def test_statistics_survive_saving_and_loading(n: int) -> None:
    rows = draw_features(n, 8)
    kept = FeatureRows((rows,))
    written = ReferenceStatistics(Moments() + Moments(rows=kept), kept, ("bb", "aa"))
    read = ReferenceStatistics.load(write(written))
    assert read.rows is not None
    np.testing.assert_array_equal(read.rows.stack(), kept.stack())
    assert read.rows.stack().dtype == np.float32
    assert read.digests == ("aa", "bb")
    assert read.moments.n == n
    assert frechet_distance(read.moments, written.moments) == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(read.moments.covariance, written.moments.covariance, rtol=1e-12, atol=1e-12)


def test_equal_sets_are_saved_to_equal_bytes() -> None:
    rows = draw_features(20, 4)
    parts = FeatureRows((rows[12:],)) + FeatureRows((rows[:12],))
    moments = Moments() + Moments(rows=FeatureRows((rows,)))
    files = [
        write(ReferenceStatistics(moments, kept, digests)).getvalue()
        for kept, digests in ((FeatureRows((rows,)), ("a", "b")), (parts, ("b", "a")))
    ]
    assert files[0] == files[1]


def test_moments_loaded_without_features_are_exact() -> None:
    """With fewer images than features, the features are saved anyway, because the distance needs them."""
    other = Moments().add(draw_features(30, 8, seed=1))
    for n in (5, 50):
        moments = Moments().add(draw_features(n, 8))
        read = ReferenceStatistics.load(write(ReferenceStatistics(moments)), with_rows=False)
        assert read.rows is None
        assert frechet_distance(read.moments, other) == pytest.approx(frechet_distance(moments, other), rel=1e-12)


def test_loading_can_skip_the_features_of_a_large_set() -> None:
    file = write(make_reference(draw_features(50, 8)))
    read = ReferenceStatistics.load(file, with_rows=False)
    assert read.rows is None
    assert read.moments.n == 50


def test_files_of_pytorch_fid_and_clean_fid_can_be_loaded() -> None:
    rows = draw_features(50, 8).astype(np.float64)
    read = ReferenceStatistics.load(pack(mu=rows.mean(0), sigma=np.cov(rows, rowvar=False)))
    assert read.moments.n is None
    assert read.rows is None
    other = Moments().add(draw_features(40, 8, seed=1))
    assert frechet_distance(read.moments, other) == pytest.approx(
        frechet_distance(Moments().add(rows), other), rel=1e-9
    )
    again = ReferenceStatistics.load(write(read))
    np.testing.assert_array_equal(again.moments.covariance, read.moments.covariance)
    assert again.moments.n is None


def test_kid_features_of_clean_fid_can_be_loaded() -> None:
    rows = draw_features(50, 8)
    read = ReferenceStatistics.load(pack(feats=rows))
    assert read.moments.n == 50
    assert read.rows is not None
    assert len(read.rows) == 50


EYE = np.eye(3)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"other": EYE}, "The file contains other; expected n, mean and scatter, or mu and sigma, or feats"),
        ({"mu": np.zeros(3)}, "sigma"),
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, "do not match"),
        ({"mu": np.zeros((3, 1)), "sigma": EYE}, "mu must be a float array of 1 dimension"),
        ({"mu": np.zeros(3), "sigma": EYE * np.nan}, "NaN or infinity"),
        ({"mu": np.zeros(3), "sigma": np.triu(np.ones((3, 3)))}, "not symmetric"),
        ({"mu": np.array(["a"]), "sigma": EYE}, "must be a float array"),
        ({"n": 1, "mean": np.zeros(3), "scatter": EYE}, "of 1 images do not match"),
        ({"n": 9, "mean": np.zeros(3), "scatter": EYE, "features": np.ones((8, 3))}, "do not match 9 images"),
        ({"n": 9, "mean": np.zeros(3), "scatter": EYE, "features": np.ones((9, 4))}, "a mean of 3"),
        ({"feats": np.zeros((0, 3))}, "must be a float array of 2"),
        ({"feats": np.array([{"a": 1}], dtype=object)}, "pickle"),
    ],
)
def test_errors_say_what_is_wrong_with_the_file(arrays: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReferenceStatistics.load(pack(**arrays))


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_other_files_are_rejected(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"must be an .npz|damaged"):
        ReferenceStatistics.load(BytesIO(data))


def test_damaged_archives_are_rejected() -> None:
    data = bytearray(pack(mu=np.random.default_rng(0).normal(size=500), sigma=np.eye(500)).getvalue())
    data[500] ^= 0xFF
    with pytest.raises(ValueError, match="damaged"):
        ReferenceStatistics.load(BytesIO(bytes(data)))


def test_imported_moments_are_saved_without_a_count() -> None:
    moments = Moments(Sums(None, np.zeros(3), np.eye(3)))
    with np.load(write(ReferenceStatistics(moments))) as archive:
        assert sorted(archive) == ["mu", "sigma"]
