"""Texts as numbers, by the tokenizer.json of a network's folder."""

from pathlib import Path
from typing import Any

from evaluation.extractors.base import MissingWeightsError


class Tokens:
    """Encodes texts, cut to ``limit`` tokens: the first of them and the last, which ends a text, always stay.

    ``words`` is the size of the network's vocabulary: a tokenizer with another is not its own. Raises MissingWeightsError.
    """

    def __init__(self, file: Path, *, limit: int, words: int) -> None:
        from tokenizers import Tokenizer

        try:
            self.tokenizer: Any = Tokenizer.from_file(str(file))
        except Exception as error:
            # The library raises plain Exceptions.
            raise MissingWeightsError(f"{file} is damaged: {error}") from error
        # Cutting and filling are done here: the library's would change its state, which threads share.
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.limit = limit
        if (size := self.tokenizer.get_vocab_size()) != words or len(self.tokenizer.encode("").ids) != 2:
            raise MissingWeightsError(
                f"{file} has {size} tokens, the network {words}; or it marks no start and end of a text. "
                "Copy the file that belongs to the network."
            )

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text).ids
        return ids if len(ids) <= self.limit else [*ids[: self.limit - 1], ids[-1]]

    def is_truncated(self, text: str) -> bool:
        """Whether ``encode`` leaves out a part of the text."""
        return len(self.tokenizer.encode(text).ids) > self.limit
