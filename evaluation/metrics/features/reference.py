"""Statistics of a reference set, and the .npz file that holds them."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.features.moments import Moments, Sums
from evaluation.metrics.features.rows import FeatureRows, Features


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
