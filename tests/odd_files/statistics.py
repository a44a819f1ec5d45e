"""Odd statistics of reference sets (.npz). Good ones have three numbers per image, like the tests' extractor."""

import io
from typing import Any, Final

import numpy as np

from tests.odd_files.odd_file import OddFile

MEAN: Final = np.array([0.5, -1.0, 2.0])
COVARIANCE: Final = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 3.0]])


def save(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
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
)
