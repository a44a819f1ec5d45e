"""Memory budget of a pipeline: bounds the inputs in memory, from the start of decoding until they are extracted."""

import ctypes
import threading
from concurrent.futures import CancelledError, Future
from typing import Any, Final

import numpy as np

from evaluation.extractors.images.decoding import estimate_bytes

MOST_BYTES: Final = 512 << 20
# A batch of this share of the budget does not keep out a larger input.
SMALL: Final = 8
# After decoding an image of this size, freed memory is returned to the system.
LARGE_BYTES: Final = 64 << 20


class MemoryBudget:
    """Inputs are let in by their number, in order: those of lower numbers leave first, so none waits for a later one.

    At most ``most`` bytes are let in, with the batch that is being collected or extracted, or one larger input beside a
    small batch. Threads prepare inputs; one thread collects them.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self._changed = threading.Condition()
        self._next = 0
        self._passed: set[int] = set()
        self._waiting: dict[int, int] = {}  # bytes by number
        self._inside: dict[int, int] = {}  # let in, and not yet collected
        self._collected = 0
        self._is_closed = False

    def let_in(self, number: int, source: Any) -> None:
        """Wait for the turn of the input, and until it fits. Raises CancelledError if the budget is closed."""
        n_bytes = estimate_bytes(source)
        with self._changed:
            self._waiting[number] = n_bytes
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_closed or (number == self._next and self._fits(n_bytes)))
            del self._waiting[number]
            if self._is_closed:
                raise CancelledError
            self._inside[number] = n_bytes
            self._advance(number)

    def leave_out(self, number: int) -> None:
        """The input takes no memory: it was extracted before, or cannot be read."""
        with self._changed:
            if number >= self._next:
                self._passed.add(number)
                if number == self._next:
                    self._advance(number)

    def note(self, number: int, prepared: Any) -> None:
        """The input is prepared, and takes this much from now on."""
        if self._inside.get(number, 0) >= LARGE_BYTES:
            _return_freed_memory()
        with self._changed:
            self._inside[number] = prepared.nbytes if isinstance(prepared, np.ndarray) else 0
            self._changed.notify_all()

    def collect(self, number: int) -> None:
        """The input is in the batch. Inputs without memory may be collected, too."""
        with self._changed:
            self._collected += self._inside.pop(number, 0)
            self._changed.notify_all()

    def wait(self, future: "Future[Any]") -> bool:
        """Wait until the next input is prepared. False: it does not fit beside the batch, which must be extracted."""
        future.add_done_callback(self._notify)
        with self._changed:
            self._changed.wait_for(lambda: future.done() or self._is_stuck())
        return future.done()

    @property
    def is_half_full(self) -> bool:
        """Whether the batch is best extracted now, while further inputs are prepared in the other half."""
        return 2 * self._collected >= self.most

    def release_batch(self) -> None:
        """The collected inputs were extracted."""
        with self._changed:
            self._collected = 0
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing is let in any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _notify(self, future: "Future[Any]") -> None:
        with self._changed:
            self._changed.notify_all()

    def _is_stuck(self) -> bool:
        n_bytes = self._waiting.get(self._next)
        return n_bytes is not None and not self._inside and not self._fits(n_bytes)

    def _fits(self, n_bytes: int) -> bool:
        is_alone = not self._inside and SMALL * self._collected <= self.most
        return is_alone or sum(self._inside.values()) + self._collected + n_bytes <= self.most

    def _advance(self, number: int) -> None:
        self._next = number + 1
        while self._next in self._passed:
            self._passed.remove(self._next)
            self._next += 1
        self._passed.discard(number)
        self._changed.notify_all()


def _return_freed_memory() -> None:
    """Return freed memory to the system. glibc keeps it for each thread, so that two threads hold twice an image."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
