"""Tokenizer of a network, read from tokenizer.json."""

from pathlib import Path
from typing import Any

from evaluation.extractors.base import MissingWeightsError


class Tokens:
    """Encodes texts as token ids. Long texts are truncated to ``limit`` tokens; the end token is kept.

    ``words`` is the size of the network's vocabulary. Raises MissingWeightsError if the tokenizer's size differs.
    """

    def __init__(self, file: Path, *, limit: int, words: int) -> None:
        from tokenizers import Tokenizer

        try:
            self.tokenizer: Any = Tokenizer.from_file(str(file))
        except Exception as error:
            # The library raises plain Exception.
            raise MissingWeightsError(f"{file} is damaged: {error}") from error
        # Truncation and padding are done here: the library's own change state that threads share.
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.limit = limit
        if (size := self.tokenizer.get_vocab_size()) != words or len(self.tokenizer.encode("").ids) != 2:
            raise MissingWeightsError(
                f"{file} does not fit the network: it has {size} tokens instead of {words}, or does not mark the start "
                "and end of a text. Copy the tokenizer.json of this network."
            )

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text).ids
        return ids if len(ids) <= self.limit else [*ids[: self.limit - 1], ids[-1]]

    def is_truncated(self, text: str) -> bool:
        """Whether ``encode`` truncates the text."""
        return len(self.tokenizer.encode(text).ids) > self.limit
