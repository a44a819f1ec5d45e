"""Odd statistics of reference sets (.npz). Good ones have three numbers per image, like the tests' extractor."""

import io
import zipfile
from typing import Any, Final

import numpy as np

from tests.odd_files.odd_file import OddFile

MEAN: Final = np.array([0.5, -1.0, 2.0])
COVARIANCE: Final = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 3.0]])


def save(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def compress(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def array(values: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def archive_text() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mu.npy", "fog")
        archive.writestr("sigma.npy", "fog")
    return out.getvalue()


def change(*place: int, value: float) -> np.ndarray[Any, Any]:
    """The covariance with another value in one place."""
    changed = COVARIANCE.copy()
    changed[place] = value
    return changed


FILES: Final = (
    OddFile("plain.npz", save(mu=MEAN, sigma=COVARIANCE), rows=({"n": None, "d": 3},)),
    OddFile("number of images.npz", save(mu=MEAN, sigma=COVARIANCE), rows=({"n": 50, "d": 3},), options=("--n", "50")),
    OddFile(
        "single precision.npz",
        save(mu=MEAN.astype(np.float32), sigma=COVARIANCE.astype(np.float32)),
        rows=({"n": None, "d": 3},),
    ),
    OddFile("not symmetric.npz", save(mu=MEAN, sigma=change(0, 2, value=0.7)), refused="sigma is not symmetric"),
    OddFile("nearly symmetric.npz", save(mu=MEAN, sigma=change(0, 1, value=0.5 + 1e-7)), rows=({"n": None, "d": 3},)),
    OddFile(
        "another file's mean.npz", save(mu=np.ones(4), sigma=np.eye(4)), refused="4 features, the extractor returns 3"
    ),
    OddFile("2048 features.npz", save(mu=np.ones(2048), sigma=np.eye(2048)), refused="2,048 features, the extractor"),
    OddFile("negative variance.npz", save(mu=MEAN, sigma=change(2, 2, value=-3.0)), refused="[2, 2] is -3"),
    OddFile("correlation of 2.npz", save(mu=MEAN, sigma=np.ones((3, 3)) * 2 - np.eye(3)), refused="semi-definite"),
    OddFile("minus the covariance.npz", save(mu=MEAN, sigma=-COVARIANCE), refused="sigma has a negative variance"),
    OddFile("rank two.npz", save(mu=MEAN, sigma=COVARIANCE[:, :2] @ COVARIANCE[:, :2].T), rows=({"n": None, "d": 3},)),
    OddFile("constant features.npz", save(mu=MEAN, sigma=np.zeros((3, 3))), rows=({"n": None, "d": 3},)),
    OddFile("more images than stated.npz", save(mu=MEAN, sigma=COVARIANCE), refused="has rank 3", options=("--n", "3")),
    OddFile("one image.npz", save(mu=MEAN, sigma=COVARIANCE), refused="not of 1", options=("--n", "1")),
    OddFile(
        "numbers of images.npz", save(mu=MEAN, sigma=COVARIANCE, n=[9, 9]), refused="n must be the number of images"
    ),
    OddFile(
        "square mean.npz", save(mu=COVARIANCE, sigma=COVARIANCE), refused="mu must be a float array of 1 dimension"
    ),
    OddFile(
        "wide covariance.npz", save(mu=MEAN, sigma=np.zeros((3, 4))), refused="mu (3,) and sigma (3, 4) do not match"
    ),
    OddFile("complex numbers.npz", save(mu=MEAN, sigma=COVARIANCE + 0j), refused="got complex128"),
    OddFile("NaN.npz", save(mu=MEAN, sigma=change(1, 1, value=np.nan)), refused="sigma contains NaN or infinity"),
    OddFile("infinite mean.npz", save(mu=MEAN * np.inf, sigma=COVARIANCE), refused="mu contains NaN or infinity"),
    OddFile("variances only.npz", save(mu=MEAN, sigma=np.diag(COVARIANCE)), refused="sigma must be a float array of 2"),
    OddFile("whole numbers.npz", save(mu=np.arange(3), sigma=COVARIANCE), refused="mu must be a float array"),
    OddFile("shorter mean.npz", save(mu=MEAN[:2], sigma=COVARIANCE), refused="do not match"),
    OddFile("other names.npz", save(m=MEAN, s=COVARIANCE), refused="expected n, mean and scatter, or mu and sigma"),
    OddFile("text.npz", b"mu,sigma\n", refused="Statistics must be an .npz file"),
    OddFile("cut off.npz", save(mu=MEAN, sigma=COVARIANCE)[:-30], refused="The statistics file is damaged"),
    OddFile("nothing.npz", b"", refused="Statistics must be an .npz file"),
    OddFile("pickled.npz", save(mu=np.array([{"x": 1}], dtype=object), sigma=COVARIANCE), refused="cannot be imported"),
    OddFile("compressed.npz", compress(mu=MEAN, sigma=COVARIANCE), rows=({"n": None, "d": 3},)),
    OddFile(
        "other byte order.npz",
        save(mu=MEAN.astype(">f8"), sigma=np.asfortranarray(COVARIANCE, ">f4")),
        rows=({"n": None, "d": 3},),
    ),
    OddFile("other arrays too.npz", save(mu=MEAN, sigma=COVARIANCE, note="fog"), rows=({"n": None, "d": 3},)),
    OddFile(
        "features for KID.npz",
        save(feats=np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32)),
        rows=({"n": 9, "d": 3},),
    ),
    OddFile("infinite covariance.npz", save(mu=MEAN, sigma=change(2, 2, value=np.inf)), refused="NaN or infinity"),
    OddFile("no numbers.npz", save(mu=MEAN[:0], sigma=COVARIANCE[:0, :0]), refused="mu must be a float array"),
    OddFile("text instead of numbers.npz", save(mu="fog", sigma="fog"), refused="mu must be a float array"),
    OddFile("features with NaN.npz", save(feats=np.full((9, 3), np.nan)), refused="feats contains NaN or infinity"),
    OddFile("one image in the file.npz", save(mu=MEAN, sigma=COVARIANCE, n=1), refused="an integer of at least 2"),
    OddFile("array.npy", array(COVARIANCE), refused="Statistics must be an .npz file"),
    OddFile("archive of texts.npz", archive_text(), refused="cannot be imported"),
)
