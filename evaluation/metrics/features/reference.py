"""Statistics of a reference set, and the .npz file that holds them."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import IO, Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike

from evaluation.metrics.features.moments import ROUNDING, Moments, Sums
from evaluation.metrics.features.rows import FeatureRows, Features


@dataclass(frozen=True, eq=False)
class ReferenceStatistics:
    """Statistics of a reference set. All metrics except ``fid`` and ``fid-infinity`` need ``rows``.

    ``digests`` are the sha256 of its images, if known.
    """

    moments: Moments
    rows: FeatureRows | None = None
    digests: tuple[str, ...] = ()

    def save(self, file: IO[bytes]) -> None:
        """Write an .npz file with n, mean, scatter (or mu, sigma if n is unknown), features and digests.

        The bytes are the same every time. For at most d images, features are always written, because the moments are
        only precise with them.
        """
        moments = self.moments
        rows = moments.rows if self.rows is None and moments.sums is None else self.rows
        arrays: dict[str, Any] = {"mu": moments.mean, "sigma": moments.covariance}
        if moments.n is not None:
            arrays = {"n": np.int64(moments.n), "mean": moments.mean, "scatter": moments.scatter}
        if rows is not None:
            arrays["features"] = rows.stack()
        if self.digests:
            arrays["digests"] = np.array(sorted(self.digests))
        np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, file: IO[bytes], *, with_rows: bool = True) -> Self:
        """Read a file by ``save``, or by pytorch-fid or clean-fid (mu and sigma, or feats for KID).

        Args:
            file: An open .npz file.
            with_rows: False does not read the features of a large set.

        Raises:
            ValueError: The file is damaged, has none of these formats, or holds no statistics: a covariance must be
                finite, symmetric and positive semi-definite, up to rounding in float32.
        """
        try:
            if file.read(2) != b"PK":
                raise ValueError("Statistics must be an .npz file.")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return cls._read(archive, with_rows)
        except (BadZipFile, EOFError, OSError, KeyError, zlib.error) as error:
            raise ValueError(f"The statistics file is damaged: {error}") from error

    @classmethod
    def _read(cls, archive: Mapping[str, ArrayLike], with_rows: bool) -> Self:
        digests = _read_digests(archive["digests"]) if "digests" in archive else ()
        name = "feats" if "feats" in archive else "features"
        sums = _read_sums(archive)
        if sums is None and name not in archive:
            names = ", ".join(archive) or "no arrays"
            raise ValueError(f"The file contains {names}; expected n, mean and scatter, or mu and sigma, or feats.")
        few = name in archive and (sums is None or (sums.n is not None and sums.n <= len(sums.mean)))
        if name not in archive or not (with_rows or few):
            return cls(_expect_covariance(Moments(sums)), digests=digests)
        rows = FeatureRows((_check(name, archive[name], 2),))
        if sums is not None and (len(rows), rows.d) != (sums.n or len(rows), len(sums.mean)):
            raise ValueError(
                f"Features {len(rows), rows.d} do not match {sums.n} images and a mean of {len(sums.mean)}."
            )
        # Adding sums up many rows at once.
        moments = Moments() + Moments(rows=rows) if few else Moments(sums)
        return cls(_expect_covariance(moments), rows if with_rows else None, digests)

    def count(self, n: int) -> Self:
        """The same statistics, of ``n`` images. Raises ValueError if they are not of so many."""
        moments = self.moments
        if moments.n == n:
            return self
        if n < 2 or moments.n is not None:
            raise ValueError(f"These are statistics of {moments.n or 'an unknown number of'} images, not of {n:,}.")
        sums = Sums(n, moments.mean, moments.covariance * (n - 1))
        return replace(self, moments=_expect_covariance(Moments(sums)))


def _read_sums(archive: Mapping[str, ArrayLike]) -> Sums | None:
    if "mu" in archive:
        names, n = ("mu", "sigma"), _read_n(archive["n"]) if "n" in archive else None
    elif "mean" in archive:
        names, n = ("mean", "scatter"), _read_n(archive["n"])
    else:
        return None
    mean, matrix = (_check(name, archive[name], k + 1).astype(np.float64) for k, name in enumerate(names))
    if matrix.shape != (len(mean), len(mean)):
        raise ValueError(f"{names[0]} {mean.shape} and {names[1]} {matrix.shape} do not match.")
    largest, difference = np.abs(matrix).max(), np.abs(matrix - matrix.T)
    if difference.max() > ROUNDING * largest:
        i, j = divmod(int(difference.argmax()), len(mean))
        raise ValueError(
            f"{names[1]} is not symmetric: [{i}, {j}] is {matrix[i, j]:.6g}, [{j}, {i}] {matrix[j, i]:.6g}."
        )
    if matrix.diagonal().min() < -ROUNDING * largest:
        i = int(matrix.diagonal().argmin())
        raise ValueError(f"{names[1]} has a negative variance on its diagonal: [{i}, {i}] is {matrix[i, i]:.6g}.")
    scatter = (matrix + matrix.T) / 2.0
    return Sums(n, mean, scatter * (n - 1) if names[1] == "sigma" and n is not None else scatter)


def _read_digests(array: ArrayLike) -> tuple[str, ...]:
    digests = np.asarray(array)
    if digests.ndim != 1 or digests.dtype.kind != "U":
        raise ValueError(f"digests must be an array of texts, got {digests.dtype} {digests.shape}.")
    return tuple(digests.tolist())


def _read_n(found: ArrayLike) -> int:
    array = np.asarray(found)
    if array.ndim or array.dtype.kind not in "iu" or array < 2:
        raise ValueError(f"n must be the number of images, an integer of at least 2, got {array!r}.")
    return int(array)


def _expect_covariance(moments: Moments) -> Moments:
    """The moments. Raises ValueError if their covariance cannot be that of so many images."""
    if moments.sums is None:
        return moments
    # Finds the root, which the distance needs later; raises if there is none.
    _ = moments.root
    if moments.n is not None and moments.n <= moments.d:
        values = np.linalg.eigvalsh(moments.covariance)
        rank = int((values > ROUNDING * values[-1]).sum())
        if rank >= moments.n:
            raise ValueError(
                f"The covariance has rank {rank:,}, but that of {moments.n:,} images is at most {moments.n - 1:,}."
                " Check the number of images."
            )
    return moments


def _check(name: str, found: ArrayLike, dimensions: int) -> Features:
    # What is no array in the archive is read as bytes.
    array = np.asarray(found)
    if array.ndim != dimensions or array.dtype.kind != "f" or not array.size:
        raise ValueError(f"{name} must be a float array of {dimensions} dimension(s), got {array.dtype} {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinity.")
    floats: Features = array if array.dtype == np.float32 else array.astype(np.float64)
    return floats
