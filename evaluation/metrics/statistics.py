"""What is kept of the features of a set of images: their moments, or the features themselves. Both merge with ``+``.

However a set is split, and in whatever order its parts are merged, the features are the same to the bit and the
moments to 1e-9. ``ReferenceStatistics`` is what a run's statistic is held against, and its file.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, NamedTuple, Self, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

# (n, d): as extractors give them, or more precise.
Features: TypeAlias = NDArray[np.floating[Any]]
Array: TypeAlias = NDArray[np.float64]

# Rows: 67 MB of an Inception network's.
SUMMED_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """The features of n images, in blocks of shape (n_i, d). Without blocks: of none."""

    blocks: tuple[Features, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def __add__(self, other: Self) -> "FeatureRows":
        return FeatureRows(self.blocks + other.blocks)

    @property
    def d(self) -> int:
        return self.blocks[0].shape[1] if self.blocks else 0

    def stack(self) -> Features:
        """(n, d), sorted by their bytes: one order for one set."""
        rows: Features = np.ascontiguousarray(np.concatenate(self.blocks))
        keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
        return rows[np.argsort(keys, kind="stable")]


@dataclass(frozen=True, eq=False)
class Sums:
    """Count, mean (d,) and scatter (d, d), the sum of (x - mean)(x - mean)ᵀ.

    Of a file that does not tell the count, ``n`` is None and ``scatter`` is the covariance.
    """

    n: int | None
    mean: Array
    scatter: Array

    def __add__(self, other: Self) -> "Sums":
        """The pairwise formula of Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing
        sample variances", for vectors.
        """
        if self.n is None or other.n is None:
            raise ValueError("Moments of an unknown number of images cannot be merged with others.")
        n = self.n + other.n
        shift = other.mean - self.mean
        scatter = np.outer(shift, shift * (self.n * other.n / n))
        scatter += self.scatter
        scatter += other.scatter
        return Sums(n, self.mean + shift * (other.n / n), scatter)


class Root(NamedTuple):
    """``matrix`` (d, r): matrix @ matrix.T is the covariance. Of full rank it is the lower Cholesky factor."""

    matrix: Array
    full_rank: bool


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and scatter of features, float64.

    Up to d rows are kept as they are, and summed up when there are more: they take less room than their scatter, and
    the root of a covariance without full rank is precise only when it is taken from them.
    """

    sums: Sums | None = None
    rows: FeatureRows = FeatureRows()

    def __add__(self, other: Self) -> "Moments":
        merged = self.sums + other.sums if self.sums and other.sums else self.sums or other.sums
        rows = self.rows + other.rows
        if len(rows) <= rows.d:
            return Moments(merged, rows)
        return Moments(_merge_rows(merged, rows))

    def add(self, rows: Features) -> "Moments":
        """With these rows (n, d) too."""
        return self + Moments(rows=FeatureRows((rows,)))

    @property
    def n(self) -> int | None:
        """None for imported moments of an unknown number of images."""
        if self.sums is None:
            return len(self.rows)
        return None if self.sums.n is None else self.sums.n + len(self.rows)

    @property
    def d(self) -> int:
        return self.rows.d if self.sums is None else len(self.sums.mean)

    @property
    def mean(self) -> Array:
        """(d,)."""
        if self.sums is None:
            mean: Array = self._concatenate().mean(axis=0)
            return mean
        return self._total.mean

    @property
    def scatter(self) -> Array:
        """(d, d). Raises ValueError where the count is not known."""
        if self.n is None:
            raise ValueError("Of an unknown number of images the covariance is known, the scatter is not.")
        return self._total.scatter

    @property
    def covariance(self) -> Array:
        """(d, d), over n - 1. Raises ValueError for fewer than two rows."""
        if self.n is None:
            return self._total.scatter
        return self._total.scatter / self._degrees

    @property
    def variance(self) -> float:
        """Of all features together: the trace of the covariance. Raises ValueError for fewer than two rows."""
        if self.sums is None:
            return float(np.square(self.root.matrix).sum())
        return float(np.trace(self._total.scatter)) / (1 if self.n is None else self._degrees)

    @cached_property
    def root(self) -> Root:
        """Of the covariance: from the rows while they are kept, else by Cholesky, or by eigenvalues where that fails.

        Raises ValueError for fewer than two rows.
        """
        if self.sums is None:
            degrees, rows = self._degrees, self._concatenate()
            rows -= rows.mean(axis=0)
            return Root(rows.T / np.sqrt(degrees), full_rank=False)
        return _find_root(self.covariance)

    @property
    def _degrees(self) -> int:
        if self.n is None or self.n < 2:
            raise ValueError(f"A covariance needs at least 2 images, got {self.n}.")
        return self.n - 1

    @cached_property
    def _total(self) -> Sums:
        if self.sums is not None and not self.rows.blocks:
            return self.sums
        return _merge_rows(self.sums, self.rows)

    def _concatenate(self) -> Array:
        rows: Array = np.concatenate(self.rows.blocks, dtype=np.float64)
        return rows


def _merge_rows(sums: Sums | None, rows: FeatureRows) -> Sums:
    stacked = np.concatenate(rows.blocks)
    for first in range(0, len(stacked), SUMMED_AT_ONCE):
        part = _sum_up(stacked[first : first + SUMMED_AT_ONCE])
        sums = part if sums is None else sums + part
    if sums is None:
        raise ValueError("There are no features to sum up.")
    return sums


def _sum_up(rows: Features) -> Sums:
    deviations = rows.astype(np.float64)
    mean = deviations.mean(axis=0)
    deviations -= mean
    return Sums(len(rows), mean, deviations.T @ deviations)


def _find_root(covariance: Array) -> Root:
    from scipy.linalg.lapack import dpotrf

    tolerance = len(covariance) * np.finfo(np.float64).eps
    # LAPACK reads the rows as columns, so this is the lower factor, transposed, of a matrix that needs no copy.
    upper, failed = dpotrf(covariance.T)
    pivots = np.square(np.diag(upper))
    if not failed and pivots.min() > tolerance * pivots.max():
        return Root(upper.T, full_rank=True)
    values, vectors = np.linalg.eigh(covariance)
    kept = values > tolerance * values[-1]
    return Root(np.asarray(vectors[:, kept] * np.sqrt(values[kept]), dtype=np.float64), full_rank=False)


@dataclass(frozen=True, eq=False)
class ReferenceStatistics:
    """Of a reference set. ``rows`` are needed by all metrics but ``fid`` and ``fid-infinity``.

    ``digests`` are the sha256 of its images, where they are known.
    """

    moments: Moments
    rows: FeatureRows | None = None
    digests: tuple[str, ...] = ()

    def save(self, file: IO[bytes]) -> None:
        """As .npz: n, mean, scatter (or mu, sigma where n is not known), features, digests. The same bytes every time.

        Of at most d images the features are always written, because their moments are precise only through them.
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
        """What ``save`` wrote, or a file of pytorch-fid or clean-fid: mu and sigma, or (of KID) feats.

        ``with_rows`` False leaves the features of a large set in the file. Raises ValueError where it is none of them.
        """
        try:
            if file.read(2) != b"PK":
                raise ValueError("These are no statistics: an .npz file was wanted.")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return cls._read(archive, with_rows)
        except (BadZipFile, EOFError, OSError, KeyError, zlib.error) as error:
            raise ValueError(f"The file of statistics is damaged: {error}") from error

    @classmethod
    def _read(cls, archive: Mapping[str, NDArray[Any]], with_rows: bool) -> Self:
        digests = tuple(archive["digests"].tolist()) if "digests" in archive else ()
        name = "feats" if "feats" in archive else "features"
        sums = _read_sums(archive)
        if sums is None and name not in archive:
            names = ", ".join(archive) or "nothing"
            raise ValueError(f"Statistics are n, mean and scatter, or mu and sigma, or feats; the file has {names}.")
        few = sums is None or (sums.n is not None and sums.n <= len(sums.mean))
        if name not in archive or not (with_rows or few):
            return cls(Moments(sums), digests=digests)
        rows = FeatureRows((_check(name, archive[name], 2),))
        if sums is not None and (len(rows), rows.d) != (sums.n or len(rows), len(sums.mean)):
            raise ValueError(f"Features {len(rows), rows.d} do not fit {sums.n} images and a mean of {len(sums.mean)}.")
        # Summed up now, if there are many.
        moments = Moments() + Moments(rows=rows) if few else Moments(sums)
        return cls(moments, rows if with_rows else None, digests)


def _read_sums(archive: Mapping[str, NDArray[Any]]) -> Sums | None:
    if "mu" in archive:
        n, names = None, ("mu", "sigma")
    elif "mean" in archive:
        n, names = int(archive["n"]), ("mean", "scatter")
    else:
        return None
    mean, scatter = (_check(name, archive[name], k + 1).astype(np.float64) for k, name in enumerate(names))
    if scatter.shape != (len(mean), len(mean)) or (n is not None and n < 2):
        raise ValueError(f"{names[0]} {mean.shape} and {names[1]} {scatter.shape} of {n} images do not fit.")
    if not np.allclose(scatter, scatter.T, rtol=1e-4, atol=1e-6 * np.abs(scatter).max()):
        raise ValueError(f"{names[1]} is not symmetric.")
    return Sums(n, mean, (scatter + scatter.T) / 2.0)


def _check(name: str, array: NDArray[Any], dimensions: int) -> Features:
    if array.ndim != dimensions or array.dtype.kind != "f" or not array.size:
        raise ValueError(f"{name} has {dimensions} dimension(s) of floats, got {array.dtype} {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are no numbers (NaN or infinite).")
    wanted: Features = array if array.dtype == np.float32 else array.astype(np.float64)
    return wanted
