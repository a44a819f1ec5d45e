"""CLIP extractors, of any size: images and texts in one feature space.

Features are the projections, not normalized. Source: Radford et al. 2021, "Learning transferable visual models from
natural language supervision".
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.extractors.base import Extracted, ExtractionError, Identity
from evaluation.extractors.networks.running import expect_packages, find_batch_size, run_network
from evaluation.extractors.pretrained.images import PretrainedImages
from evaluation.extractors.pretrained.loading import digest_network, load_pretrained, read_json
from evaluation.extractors.pretrained.tokens import Tokens
from evaluation.extractors.weights import find_digest, find_weights

if TYPE_CHECKING:
    import torch


# The classes for one half read the projection size from a part of the configuration that some folders leave out.
ARCHITECTURE: Final = "CLIPModel"


class ClipImages(PretrainedImages):
    """The variant is the name of a folder below ``weights``/clip, such as vit-b-32."""

    name = "clip-image"
    kind = "clip"
    architecture = ARCHITECTURE
    features = "projection"

    def embed(self, pixels: "torch.Tensor") -> "torch.Tensor":
        projected: torch.Tensor = self.network.get_image_features(pixel_values=pixels).pooler_output
        return projected


class ClipTexts:
    """The text half of the network of ClipImages. Texts with too many tokens are truncated before the end token."""

    def __init__(self, variant: str, weights: Path) -> None:
        expect_packages("torch", "transformers")
        self.folder = find_weights(f"clip/{variant}", weights)

    @property
    def batch_size(self) -> int:
        return find_batch_size()

    @cached_property
    def identity(self) -> Identity:
        return {
            "extractor": "clip-text",
            "sha256": digest_network(self.folder),
            "config": find_digest(self.folder / "config.json"),
            "features": "projection",
            "tokenizer": find_digest(self.folder / "tokenizer.json"),
            "max_tokens": self.tokens.limit,
        }

    @cached_property
    def tokens(self) -> Tokens:
        # Configurations written by older versions of transformers leave out CLIP's default values.
        stated = read_json(self.folder / "config.json").get("text_config") or {}
        limit, words = stated.get("max_position_embeddings", 77), stated.get("vocab_size", 49408)
        return Tokens(self.folder / "tokenizer.json", limit=limit, words=words)

    @cached_property
    def network(self) -> Any:
        return load_pretrained(ARCHITECTURE, self.folder)

    def is_truncated(self, text: str) -> bool:
        """Whether the text has more tokens than the network accepts."""
        return self.tokens.is_truncated(text)

    def prepare(self, source: str) -> NDArray[np.int64]:
        """Token ids, padded with the end token: the network ignores everything after the first one."""
        ids = self.tokens.encode(source)
        return np.array(ids + [ids[-1]] * (self.tokens.limit - len(ids)), dtype=np.int64)

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return list(run_network(self.embed, prepared))

    def embed(self, ids: "torch.Tensor") -> "torch.Tensor":
        """Features (n, d) of token ids (n, max_tokens)."""
        projected: torch.Tensor = self.network.get_text_features(input_ids=ids).pooler_output
        return projected
