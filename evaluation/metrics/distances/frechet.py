"""Fréchet distance of two sets of features, such as FID, and its limit for infinitely many images."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from evaluation.extractors.names import FID_NETWORK
from evaluation.metrics.base import Declaration, SampleInputs, UnscoredError
from evaluation.metrics.distances.base import Distance, expect_two
from evaluation.metrics.distances.subsets import draw_subsets
from evaluation.metrics.features.moments import Moments
from evaluation.metrics.features.reading import read_features
from evaluation.metrics.features.rows import FeatureRows, Features

POINTS = 5
# Variance over squared mean up to which features differ by rounding in float32 only.
SAME = 1e-14
ESTIMATOR = "covariances over n - 1, float64"


def frechet_distance(a: Moments, b: Moments) -> float:
    """|μa - μb|² + tr(Σa + Σb - 2(ΣaΣb)^½), in squared units of the features.

    With Σ = RRᵀ the trace of (ΣaΣb)^½ is the sum of the singular values of RaᵀRb. At full rank it is computed from the
    eigenvalues of RbᵀΣaRb instead, in a fifth of the time; eigenvalues of 0 would lose half of their digits.

    Raises:
        ValueError: Fewer than two images, or features of different dimensions.

    Source: Heusel et al. 2017, formula 6.
    """
    if a.d != b.d:
        raise ValueError(f"The sets have features of different dimensions: {a.d} and {b.d}.")
    shared = _sum_roots(a, b)
    if shared is None:
        shared = float(np.linalg.svd(a.root.matrix.T @ b.root.matrix, compute_uv=False).sum())
    # For equal sets, rounding can give a small negative number.
    return max(0.0, float(np.square(a.mean - b.mean).sum()) + a.variance + b.variance - 2.0 * shared)


def _sum_roots(a: Moments, b: Moments) -> float | None:
    """Sum of the roots of the eigenvalues of RbᵀΣaRb (Rb: lower Cholesky factor), or None if one may be 0."""
    if a.sums is None or not b.root.full_rank:
        return None
    from scipy.linalg import eigvalsh
    from scipy.linalg.lapack import dsygst

    # dsygst computes the symmetric product with a quarter of the work of two matrix products.
    product, _ = dsygst(a.covariance.T, b.root.matrix.T, itype=2)
    values = eigvalsh(product, lower=False, overwrite_a=True, check_finite=False, driver="evd")
    if values[0] <= a.d * np.finfo(np.float64).eps * values[-1]:
        return None
    return float(np.sqrt(values).sum())


def frechet_distance_infinity(rows: Features, reference: Moments, *, seed: int = 0) -> float:
    """The limit of the distance for n → ∞: the intercept of a line over 1/n, by least squares. It can be negative.

    The line goes through 5 nested random subsets of n/2 to n rows. The paper uses 15 independent subsets of 5,000 to
    50,000 images. A tenth of a smaller set has fewer than d = 2048 images, where the distance is not linear in 1/n and
    the limit is nearly as biased as the distance. From n/2 on, 5 nested subsets vary no more than 15.

    Args:
        rows: Features of the run, shape (n, d).
        reference: Moments of the reference set.
        seed: Of the subsets.

    Raises:
        ValueError: Fewer than 4 rows.

    Source: Chong & Forsyth 2020.
    """
    if len(rows) < 4:
        raise ValueError(f"The extrapolation needs at least 4 images, got {len(rows)}.")
    (order,) = draw_subsets(rows, len(rows), 1, str(seed))
    sizes = np.unique(np.linspace(len(rows) / 2, len(rows), POINTS).round().astype(int))
    moments, distances = Moments(), []
    for part in np.split(rows[order], sizes[:-1]):
        moments = moments.add(part)
        distances.append(frechet_distance(moments, reference))
    return float(np.polyfit(1.0 / sizes, distances, 1)[1])


class FrechetDistance(Distance):
    """Fréchet distance with any extractor; FID with ``inception-v3/...`` only."""

    declaration: ClassVar[Declaration] = Declaration(
        title="Fréchet distance",
        acronym="FD",
        published="Fréchet Inception distance (FID)",
        published_with=FID_NETWORK,
        unit="",
        higher_is_better=False,
        lowest=0.0,
        min_samples=100,
        source="Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, formula 6",
    )

    has_limit: ClassVar[bool] = True

    def summarize(self, samples: Iterable[SampleInputs]) -> Moments:
        moments = Moments()
        for block in read_features(samples, self.extractor):
            moments = moments.add(block)
        return moments

    def compute(self, statistic: Moments, reference: Any = None) -> float:
        expect_two(statistic.n or 0)
        return frechet_distance(statistic, self.expect_reference(reference, statistic.d).moments)

    def warnings(self, statistic: Moments) -> tuple[str, ...]:
        """A warning about degenerate features."""
        n = statistic.n or 0
        if n > 1 and statistic.variance <= SAME * np.square(statistic.mean).sum():
            return (f"All {n:,} images have the same features.",)
        return ()

    def replay_inputs(self) -> dict[str, Any]:
        return {"estimator": ESTIMATOR}


class FrechetDistanceInfinity(Distance):
    """Fréchet distance extrapolated to infinitely many images. It needs feature rows of the run only."""

    seed: int = Field(default=0, ge=0)

    declaration: ClassVar[Declaration] = Declaration(
        title="Fréchet distance for infinitely many images",
        acronym="FD∞",
        published="Fréchet Inception distance for infinitely many images (FID∞)",
        published_with=FID_NETWORK,
        unit="",
        higher_is_better=False,
        min_samples=100,
        source="Chong & Forsyth 2020, Effectively Unbiased FID and Inception Score and Where to Find Them",
    )

    def summarize(self, samples: Iterable[SampleInputs]) -> FeatureRows:
        return FeatureRows(tuple(read_features(samples, self.extractor)))

    def compute(self, statistic: FeatureRows, reference: Any = None) -> float:
        if len(statistic) < 4:
            raise UnscoredError(f"the extrapolation needs at least 4 images, there are {len(statistic)}")
        moments = self.expect_reference(reference, statistic.d).moments
        return frechet_distance_infinity(statistic.stack(), moments, seed=self.seed)

    def warnings(self, statistic: FeatureRows) -> tuple[str, ...]:
        """Warnings about bias and degenerate features."""
        n, d = len(statistic), statistic.d
        if n >= 4 * d:
            return ()
        return (f"With {n:,} images for {d:,} features, the limit is inaccurate. Use at least {4 * d:,} images.",)

    def replay_inputs(self) -> dict[str, Any]:
        return {"estimator": f"{ESTIMATOR}; line through {POINTS} nested random subsets of n/2 to n"}
