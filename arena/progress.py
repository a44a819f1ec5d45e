"""Progress of a long command: a bar on a terminal, otherwise a line for each 10 %."""

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm


class Progress:
    """Shows on stderr how many of ``total`` things are done."""

    def __init__(self, task: str, total: int, unit: str) -> None:
        self.task, self.total, self.unit = task, total, unit
        self.n_done = 0
        self.bar = tqdm(total=total, desc=task, unit=unit, dynamic_ncols=True, disable=not sys.stderr.isatty())

    def show(self, n_done: int) -> None:
        """``n_done`` of the things are done by now."""
        self.bar.update(n_done - self.n_done)
        tenths = 10 * n_done // self.total if self.total else 0
        if self.bar.disable and tenths > (10 * self.n_done // self.total if self.total else 0):
            print(f"{self.task}: {10 * tenths} % of {self.total:,} {self.unit}s", file=sys.stderr, flush=True)
        self.n_done = n_done

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()
