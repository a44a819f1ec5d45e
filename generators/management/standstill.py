"""Standstill of a command that waits for workers: while its progress does not change, it says what the workers do."""

import sys
import time
from collections.abc import Callable
from typing import Final

# Without progress for this long, the workers are asked what they do; then at longer and longer intervals.
QUIET_SECONDS: Final = 15.0
MAX_QUIET_SECONDS: Final = 240.0


class Standstill:
    """A watch for one command. ``describe`` says in a sentence what happens.

    It may ask the broker, so it is called at growing intervals only.
    """

    def __init__(self, describe: Callable[[], str]) -> None:
        self.describe = describe
        self.state: object = None
        self.moved_at, self.asked_after = time.monotonic(), QUIET_SECONDS

    def note(self, state: object) -> None:
        """Note the progress. If it has not changed for a while, print what happens on stderr."""
        if state != self.state:
            self.state, self.moved_at, self.asked_after = state, time.monotonic(), QUIET_SECONDS
        elif (quiet := time.monotonic() - self.moved_at) >= self.asked_after:
            print(f"No progress for {quiet:.0f} s. {self.describe()}", file=sys.stderr, flush=True)
            self.asked_after = quiet + min(max(QUIET_SECONDS, quiet), MAX_QUIET_SECONDS)
