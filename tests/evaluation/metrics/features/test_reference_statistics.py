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


def change(matrix: np.ndarray, place: tuple[int, int], value: float) -> np.ndarray:
    changed = matrix.copy()
    changed[place] = value
    return changed


def turn(values: list[float]) -> np.ndarray:
    """A symmetric matrix with these eigenvalues, whose diagonal is positive if their sum is."""
    d = len(values)
    vectors = np.linalg.qr(np.random.default_rng(1).normal(size=(d, d)))[0]
    matrix = vectors @ np.diag(values) @ vectors.T
    return (matrix + matrix.T) / 2


NEARLY = np.cov(draw_features(90, 6), rowvar=False, dtype=np.float64)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"other": EYE}, "The file contains other; expected n, mean and scatter, or mu and sigma, or feats"),
        ({"mu": np.zeros(3)}, "sigma"),
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, "do not match"),
        ({"mu": np.zeros((3, 1)), "sigma": EYE}, "mu must be a float array of 1 dimension"),
        ({"mu": np.zeros(3), "sigma": EYE * np.nan}, "NaN or infinity"),
        ({"mu": np.zeros(3), "sigma": np.zeros((2, 3))}, r"mu \(3,\) and sigma \(2, 3\) do not match"),
        ({"mu": np.zeros(3), "sigma": np.ones(3)}, "sigma must be a float array of 2 dimension"),
        ({"mu": np.zeros(3), "sigma": EYE.astype(int)}, "sigma must be a float array of 2 .*got int64"),
        ({"mu": np.zeros(3), "sigma": EYE.astype(complex)}, "got complex"),
        ({"mu": np.array([0.0, np.inf, 0.0]), "sigma": EYE}, "mu contains NaN or infinity"),
        ({"mu": np.zeros(3), "sigma": change(EYE, (0, 1), -np.inf)}, "sigma contains NaN or infinity"),
        ({"mu": np.zeros(3), "sigma": np.triu(np.ones((3, 3)))}, r"sigma is not symmetric: \[0, 1\] is 1, \[1, 0\] 0"),
        ({"mu": np.zeros(6), "sigma": change(NEARLY, (4, 2), NEARLY[4, 2] + 0.01)}, r"not symmetric: \[2, 4\]"),
        ({"mu": np.zeros(6), "sigma": NEARLY * np.linspace(1, 2, 6)}, "not symmetric"),
        ({"mu": np.zeros(3), "sigma": np.diag([1.0, -0.5, 2.0])}, r"a negative variance.*: \[1, 1\] is -0.5"),
        ({"mu": np.zeros(3), "sigma": -EYE}, "a negative variance"),
        ({"n": 9, "mean": np.zeros(3), "scatter": np.diag([9e9, -9e6, 1.0])}, "scatter has a negative variance"),
        ({"mu": np.zeros(2), "sigma": np.array([[1.0, 2.0], [2.0, 1.0]])}, "definite: its smallest eigenvalue is -1, "),
        ({"mu": np.zeros(4), "sigma": turn([1.0, 2.0, 3.0, -0.1])}, "smallest eigenvalue is -0.1, its largest 3"),
        ({"mu": np.zeros(4), "sigma": turn([1e8, 2e8, 3e8, -1e5])}, "not positive semi-definite"),
        ({"mu": np.zeros(4), "sigma": turn([1e-8, 2e-8, 0.0, -1e-10])}, "not positive semi-definite"),
        ({"mu": np.zeros(9), "sigma": np.ones((9, 9)) - np.eye(9)}, "not positive semi-definite"),
        ({"n": 50, "mean": np.zeros(4), "scatter": turn([1.0, 2.0, 3.0, -0.1])}, "not positive semi-definite"),
        ({"n": np.array([9, 9]), "mean": np.zeros(3), "scatter": EYE}, "n must be the number of images"),
        ({"n": np.nan, "mean": np.zeros(3), "scatter": EYE}, "n must be the number of images"),
        ({"n": -50, "mu": np.zeros(3), "sigma": EYE}, "n must be the number of images"),
        ({"n": 3, "mu": np.zeros(3), "sigma": EYE}, "has rank 3, but that of 3 images is at most 2"),
        ({"mu": np.array(["a"]), "sigma": EYE}, "must be a float array"),
        ({"n": 1, "mean": np.zeros(3), "scatter": EYE}, "n must be the number of images, an integer of at least 2"),
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


@pytest.mark.parametrize("d", [3, 40])
@pytest.mark.parametrize("n", [2, 20, 500])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_real_covariances_pass_at_any_rank_and_precision(n: int, d: int, dtype: type) -> None:
    rows = draw_features(n, d) + 5.0
    sigma = np.cov(rows.astype(dtype), rowvar=False, dtype=dtype)
    read = ReferenceStatistics.load(pack(mu=rows.mean(0), sigma=sigma)).count(n)
    assert read.moments.n == n
    other = Moments().add(draw_features(90, d, seed=1))
    expected = frechet_distance(Moments().add(rows), other)
    assert frechet_distance(read.moments, other) == pytest.approx(expected, rel=1e-2 if dtype is np.float32 else 1e-6)


def test_a_covariance_summed_without_centring_in_float32_passes() -> None:
    """Its smallest eigenvalues are negative by rounding."""
    rows = draw_features(60, 200)
    mean = rows.mean(axis=0)
    sigma = (rows.T @ rows - len(rows) * np.outer(mean, mean)) / (len(rows) - 1)
    assert np.linalg.eigvalsh(sigma.astype(np.float64))[0] < 0
    read = ReferenceStatistics.load(pack(mu=mean, sigma=sigma)).count(60)
    exact = Moments().add(rows)
    assert frechet_distance(read.moments, exact) < 1e-3 * exact.variance


def test_constant_features_have_a_covariance() -> None:
    sigma = np.diag([2.0, 0.0, 1.0])
    read = ReferenceStatistics.load(pack(mu=np.ones(3), sigma=sigma))
    np.testing.assert_array_equal(read.moments.covariance, sigma)


def test_a_number_of_images_that_the_covariance_cannot_have_is_rejected() -> None:
    rows = draw_features(50, 8).astype(np.float64)
    read = ReferenceStatistics.load(pack(mu=rows.mean(0), sigma=np.cov(rows, rowvar=False)))
    with pytest.raises(ValueError, match="has rank 8, but that of 5 images is at most 4"):
        read.count(5)
    with pytest.raises(ValueError, match="statistics of an unknown number of images, not of 1"):
        read.count(1)
    with pytest.raises(ValueError, match="statistics of 50 images, not of 49"):
        read.count(50).count(49)


def test_a_matrix_that_is_no_covariance_has_no_distance() -> None:
    """Also if it did not come from a file."""
    wrong = Moments(Sums(None, np.zeros(4), turn([1.0, 2.0, 3.0, -0.1])))
    other = Moments().add(draw_features(50, 4))
    for pair in ((wrong, other), (other, wrong), (wrong, wrong)):
        with pytest.raises(ValueError, match="not positive semi-definite"):
            frechet_distance(*pair)
