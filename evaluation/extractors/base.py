"""What an extractor is: a network, or plain arithmetic, that turns an image or a text into features, text or boxes.

Errors, all about one input or one file, none about the run as a whole::

    ExtractionError             nothing could be extracted from this input: it says why
      UnreadableInputError           these bytes are no image
    MissingWeightsError              the files of a network are not here, or are others; the message says how to get them
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

# A vector of features, float32 of shape (d,), or a record: what JSON can hold.
Extracted: TypeAlias = NDArray[np.float32] | dict[str, Any]
# Of an extractor: everything that decides its output, so that two that agree here may be compared.
Identity: TypeAlias = Mapping[str, str | int | float]


class ExtractionError(Exception):
    """Nothing could be extracted from this one input."""


class UnreadableInputError(ExtractionError):
    """The bytes are no image that can be decoded whole."""


class MissingWeightsError(Exception):
    """The files of a network are not here, or not those that are meant. The message says what to do."""


class Extractor(Protocol):
    """Looks at images, or at texts. Building it reads no weights: they are loaded at the first ``extract``.

    What ``extract`` makes of one input depends on nothing else in its batch.
    """

    @property
    def batch_size(self) -> int:
        """How many are looked at in one call."""
        ...

    def __init__(self, variant: str, weights: Path) -> None:
        """``variant`` is what stands after the first "/" of the extractor's specification; ``weights`` is the folder
        in which users put networks that no package brings. Raises ValueError for an unknown variant (naming the known
        ones) and MissingWeightsError.
        """
        ...

    @property
    def identity(self) -> Identity:
        """Name, sha256 of the weights, resize, crop, normalization, ...; computed once. Raises MissingWeightsError."""
        ...

    def prepare(self, source: Any) -> Any:
        """Bytes of one encoded image, or one text, made ready for the network: decoded, resized, normalized.

        Runs in threads beside the network. Raises UnreadableInputError.
        """
        ...

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        """One answer for each, in order."""
        ...
