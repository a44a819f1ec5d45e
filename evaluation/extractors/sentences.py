"""Sentence embeddings of texts: all-MiniLM-L6-v2 (Reimers & Gurevych 2019, "Sentence-BERT", section 3)."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.extractors.base import Extracted, ExtractionError, Identity
from evaluation.extractors.networks.running import expect_packages, find_batch_size, run_network
from evaluation.extractors.pretrained.loading import load_pretrained
from evaluation.extractors.pretrained.tokens import Tokens
from evaluation.extractors.weights import find_digest, find_weights

if TYPE_CHECKING:
    import torch

MAX_TOKENS: Final = 256
VOCABULARY: Final = 30522


class Sentences:
    """Mean of the token vectors, (384,), normalized to length 1, so that a dot product is a cosine. No variants."""

    def __init__(self, variant: str, weights: Path) -> None:
        if variant:
            raise ValueError(f"The extractor 'sentence' has no variants: write 'sentence', not 'sentence/{variant}'.")
        expect_packages("torch", "transformers")
        self.file = find_weights("all-minilm-l6-v2", weights)

    @property
    def batch_size(self) -> int:
        return find_batch_size()

    @cached_property
    def identity(self) -> Identity:
        return {
            "extractor": "sentence",
            "sha256": find_digest(self.file),
            "tokenizer": find_digest(self.file.parent / "tokenizer.json"),
            "max_tokens": MAX_TOKENS,
            "pooling": "mean of tokens",
            "normalization": "length 1",
        }

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self.file.parent / "tokenizer.json", limit=MAX_TOKENS, words=VOCABULARY)

    @cached_property
    def network(self) -> Any:
        return load_pretrained("BertModel", self.file.parent)

    def prepare(self, source: str) -> NDArray[np.int64]:
        return np.array(self.tokens.encode(source), dtype=np.int64)

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        """Texts are padded with zeros to the longest of the batch; the mean ignores the padding."""
        longest = max((len(ids) for ids in prepared), default=0)
        return list(run_network(self._pool, [np.pad(ids, (0, longest - len(ids))) for ids in prepared]))

    def _pool(self, ids: "torch.Tensor") -> "torch.Tensor":
        import torch

        mask = (ids != 0).long()
        tokens: torch.Tensor = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
        mean = (tokens * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        return torch.nn.functional.normalize(mean, dim=1)
