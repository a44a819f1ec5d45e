"""Image extractors on networks in the Hugging Face layout: the base class of CLIP and DINOv2."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from evaluation.extractors.base import Extracted, ExtractionError, Identity
from evaluation.extractors.images.decoding import decode_stored
from evaluation.extractors.networks.running import expect_packages, find_batch_size, run_network
from evaluation.extractors.pretrained.loading import digest_network, load_pretrained
from evaluation.extractors.pretrained.preprocessing import Preprocessing, read_preprocessing
from evaluation.extractors.weights import find_digest, find_weights
from generators.images.srgb import STORED

if TYPE_CHECKING:
    import torch


class PretrainedImages:
    """The variant is the name of a folder below ``weights``/``kind``; the folder also defines the preprocessing."""

    name: ClassVar[str]
    kind: ClassVar[str]
    architecture: ClassVar[str]  # a class of transformers
    features: ClassVar[str]  # the output of ``embed``, in words

    def embed(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """Features (n, d) of preprocessed images (n, 3, height, width)."""
        raise NotImplementedError

    def __init__(self, variant: str, weights: Path) -> None:
        expect_packages("torch", "transformers")
        self.folder = find_weights(f"{self.kind}/{variant}", weights)

    @property
    def batch_size(self) -> int:
        return find_batch_size()

    @cached_property
    def identity(self) -> Identity:
        return {
            "extractor": self.name,
            "sha256": digest_network(self.folder),
            "config": find_digest(self.folder / "config.json"),
            "features": self.features,
            "decoding": STORED,
            **self.preprocessing.identity,
        }

    @cached_property
    def preprocessing(self) -> Preprocessing:
        return read_preprocessing(self.folder)

    @cached_property
    def network(self) -> Any:
        return load_pretrained(self.architecture, self.folder)

    def prepare(self, source: bytes) -> NDArray[np.float32]:
        return self.preprocessing.apply(decode_stored(source))

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return list(run_network(self.embed, prepared))
