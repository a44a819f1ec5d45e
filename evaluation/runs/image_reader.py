"""Image reader of a scoring: reads originals, and tells faults of the store from damaged images.

::

    UnavailableInputError    the disk or the bucket failed: read again after a pause
      LostInputError         the original is missing or damaged in the store: read again once it is restored
"""

import time
from typing import Final

from evaluation.extractors.base import LostInputError, UnavailableInputError
from generators.images import originals

# A bucket may need minutes to fail. After so many seconds of failed reads, the other originals are not tried.
MAX_FAILING_SECONDS: Final = 120.0


class ImageReader:
    """Reads originals by their sha256. Several threads may call it."""

    def __init__(self) -> None:
        self._failing_seconds = 0.0
        self._fault = ""

    def read(self, digest: str) -> bytes:
        """The bytes of an original. Raises UnavailableInputError or LostInputError."""
        if self._failing_seconds > MAX_FAILING_SECONDS:
            raise UnavailableInputError(self._fault)
        started = time.monotonic()
        try:
            return originals.read(digest)
        except FileNotFoundError as error:
            raise LostInputError(f"The original {digest} is not in the store. Restore it from a backup.") from error
        except originals.CorruptOriginalError as error:
            raise LostInputError(str(error)) from error
        except Exception as error:
            # Stores fail in many ways, and none of them says anything about the image.
            self._failing_seconds += time.monotonic() - started
            self._fault = str(error) or type(error).__name__
            raise UnavailableInputError(self._fault) from error
