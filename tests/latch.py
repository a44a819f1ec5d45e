"""A latch: the folder in which a test holds another process until the test opens it."""

import os
import time
from pathlib import Path

# Longer than any test. A worker whose test was killed ends some time.
LONGEST_WAIT = 1800


class Latch:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def wait(self) -> None:
        """Record this process as arrived, and wait until the test opens the latch."""
        (self.folder / f"{time.time_ns()}.{os.getpid()}").touch()
        deadline = time.monotonic() + LONGEST_WAIT
        while not self.is_open() and time.monotonic() < deadline:
            time.sleep(0.01)

    def arrivals(self) -> list[int]:
        """The process id of each arrival so far, oldest first."""
        return [int(file.suffix[1:]) for file in sorted(self.folder.glob("*.*"))]

    def open(self) -> None:
        """Let every process continue: those that wait and those that arrive later."""
        (self.folder / "open").touch()

    def close(self) -> None:
        (self.folder / "open").unlink(missing_ok=True)

    def is_open(self) -> bool:
        return (self.folder / "open").exists()
