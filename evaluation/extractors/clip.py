"""CLIP of any size, from a folder: images and texts in one space (Radford et al. 2021, "Learning transferable visual
models from natural language supervision"). Features are the projections, not normalized.
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


# Whole: its halves, loaded alone, read the size of the projection from where some folders do not state it.
ARCHITECTURE: Final = "CLIPModel"


class ClipImages(PretrainedImages):
    """The variant is the name of a folder below ``weights``/clip, vit-b-32 say."""

    name = "clip-image"
    kind = "clip"
    architecture = ARCHITECTURE
    features = "projection"

    def look(self, pixels: "torch.Tensor") -> "torch.Tensor":
        projected: torch.Tensor = self.network.get_image_features(pixel_values=pixels).pooler_output
        return projected


class ClipTexts:
    """The text side of the network of ClipImages. A text of too many tokens is cut before its end token."""

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
        # Files that older versions of transformers wrote leave out what is CLIP's default.
        stated = read_json(self.folder / "config.json").get("text_config") or {}
        limit, words = stated.get("max_position_embeddings", 77), stated.get("vocab_size", 49408)
        return Tokens(self.folder / "tokenizer.json", limit=limit, words=words)

    @cached_property
    def network(self) -> Any:
        return load_pretrained(ARCHITECTURE, self.folder)

    def is_truncated(self, text: str) -> bool:
        """Whether the text has more tokens than the network reads."""
        return self.tokens.is_truncated(text)

    def prepare(self, source: str) -> NDArray[np.int64]:
        """Filled to the limit with the end token: what comes after the first one is not looked at."""
        ids = self.tokens.encode(source)
        return np.array(ids + [ids[-1]] * (self.tokens.limit - len(ids)), dtype=np.int64)

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return list(run_network(self.look, prepared))

    def look(self, ids: "torch.Tensor") -> "torch.Tensor":
        """From (n, max_tokens) to (n, d)."""
        projected: torch.Tensor = self.network.get_text_features(input_ids=ids).pooler_output
        return projected
