"""Progress line of a run in a terminal."""

from types import TracebackType
from typing import Any

from tqdm import tqdm


class ProgressLine:
    """Shows the current stage. Prints nothing if there is no terminal."""

    def __init__(self) -> None:
        self.stage = ""
        self.bar = _open("", 0)

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self.stage:
            self.bar.close()
            self.stage, self.bar = stage, _open(stage, total)
        self.bar.total = total
        self.bar.update(done - self.bar.n)

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()


def _open(stage: str, total: int) -> "tqdm[Any]":
    return tqdm(total=total, desc=stage, disable=None, leave=False)
