"""Extractor: the protocol of networks and plain functions that turn an image or a text into features or a record.

Errors::

    ExtractionError            this input gave nothing; the message says why
      UnreadableInputError     the bytes cannot be decoded as an image
    UnavailableInputError      an input cannot be read now, but may be later
      LostInputError           its file is missing or damaged, until it is restored
    MissingWeightsError        the files of a network are missing or wrong; the message says how to get them
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

# A vector of features, float32 of shape (d,), or a JSON-serializable record.
Extracted: TypeAlias = NDArray[np.float32] | dict[str, Any]
# Everything that decides an extractor's output. Features with equal identities may be compared.
Identity: TypeAlias = Mapping[str, str | int | float]


class ExtractionError(Exception):
    """Nothing could be extracted from this input."""


class UnreadableInputError(ExtractionError):
    """The bytes cannot be decoded as a complete image."""


class UnavailableInputError(Exception):
    """An input cannot be read now: the disk or the bucket fails. A later attempt may succeed."""


class LostInputError(UnavailableInputError):
    """The file of an input is missing or damaged. Unless a reader saw half of it, only restoring it helps."""


class MissingWeightsError(Exception):
    """The files of a network are missing, damaged or not the expected ones. The message says what to do."""


class Extractor(Protocol):
    """Turns images, or texts, into features. Weights are loaded at the first ``extract``, not at construction.

    The output for one input does not depend on the other inputs in its batch, except for float rounding.
    """

    @property
    def batch_size(self) -> int:
        """Number of inputs for one call of ``extract``."""
        ...

    def __init__(self, variant: str, weights: Path) -> None:
        """Check the variant and find the weights.

        Args:
            variant: The part of the specification after the first "/", or "".
            weights: The folder of networks that no Python package contains.

        Raises:
            ValueError: Unknown variant; the message lists the known ones.
            MissingWeightsError: The files of the network are missing or wrong.
        """
        ...

    @property
    def identity(self) -> Identity:
        """Name, sha256 of the weights, resize, crop, normalization and so on. Raises MissingWeightsError."""
        ...

    def prepare(self, source: Any) -> Any:
        """Decode, resize and normalize the bytes of one image, or tokenize one text.

        Called from several threads while the network runs. Raises UnreadableInputError.
        """
        ...

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        """One result or error for each input, in order."""
        ...
