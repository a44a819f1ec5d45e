"""Progress of a long command: a bar on a terminal, otherwise a line for each 10 % of each stage."""

import shutil
import sys
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm


class Progress:
    """Shows on stderr how many things of the current stage are done. ``unit`` names one of them."""

    def __init__(self, unit: str = "") -> None:
        self.unit = unit
        self.stage = ""
        self.tenths = 0
        self.bar: tqdm[Any] | None = None

    def show(self, stage: str, n_done: int, total: int) -> None:
        """Show that ``n_done`` of the stage's ``total`` things are done. Another stage starts a new bar."""
        if self.bar is None or stage != self.stage:
            self.close()
            self.stage, self.tenths, self.bar = stage, 0, self._open(stage, total)
        tenths = 10 * n_done // total if total else 0
        if self.bar.disable:
            if tenths > self.tenths:
                self._print_line(n_done, total)
        else:
            self.bar.total = total
            self.bar.update(n_done - self.bar.n)
            if n_done == total:
                self.bar.refresh()
        self.tenths = tenths

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()

    def _open(self, stage: str, total: int) -> "tqdm[Any]":
        # tqdm shows nothing on a terminal that does not state its size, as in many containers. Assume 80 × 24 there.
        size = shutil.get_terminal_size()
        return tqdm(
            total=total,
            desc=stage,
            unit=self.unit or "it",
            leave=False,
            ncols=size.columns,
            nrows=size.lines,
            disable=not sys.stderr.isatty(),
        )

    def _print_line(self, n_done: int, total: int) -> None:
        units = f" {self.unit}s" if self.unit else ""
        line = f"{self.stage}: {n_done:,} of {total:,}{units} ({100 * n_done // total} %)"
        print(line, file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
