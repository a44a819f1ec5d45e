"""CMMD: maximum mean discrepancy of CLIP features."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from evaluation.extractors.names import CMMD_NETWORK
from evaluation.metrics.base import Declaration, SampleInputs
from evaluation.metrics.distances.base import RowsDistance, squared_distances
from evaluation.metrics.features.reading import look_up_features, unit_rows
from evaluation.metrics.features.rows import Array, Features


def rbf_distance(x: Array, y: Array, sigma: float) -> float:
    """Biased squared discrepancy of rows (n, d) and (m, d) with the kernel exp(-|x - y|² / 2σ²); at least 0.

    Source: Gretton et al. 2012, "A Kernel Two-Sample Test", formula 5.
    """
    found = _mean_kernel(x, x, sigma) + _mean_kernel(y, y, sigma) - 2.0 * _mean_kernel(x, y, sigma)
    return max(0.0, found)  # for equal sets, rounding can give a small negative number


def _mean_kernel(x: Array, y: Array, sigma: float) -> float:
    total = sum(float(np.exp(block / (-2.0 * sigma**2)).sum()) for block in squared_distances(x, y))
    return total / (len(x) * len(y))


class Cmmd(RowsDistance):
    """Discrepancy of CLIP features scaled to unit length. The paper uses ViT-L/14 at 336 pixels."""

    extractor: str = Field(pattern=r"^clip-image/")
    sigma: float = Field(default=10.0, gt=0)
    scale: float = Field(default=1000.0, gt=0)

    declaration: ClassVar[Declaration] = Declaration(
        title="Maximum mean discrepancy",
        acronym="MMD",
        published="CLIP maximum mean discrepancy (CMMD)",
        published_with=CMMD_NETWORK,
        unit="",
        higher_is_better=False,
        lowest=0.0,
        min_samples=50,
        source="Jayasumana et al. 2024, Rethinking FID: Towards a Better Evaluation Metric for Image Generation",
    )

    has_limit: ClassVar[bool] = True

    def check(self, sample: SampleInputs) -> None:
        unit_rows(look_up_features(sample, self.extractor)[None])

    def compare(self, generated: Features, reference: Features) -> float:
        return self.scale * rbf_distance(unit_rows(generated), unit_rows(reference), self.sigma)

    def replay_inputs(self) -> dict[str, Any]:
        return {"estimator": "biased, Gaussian kernel, unit vectors, float64"}
