"""What is wrong with single lines of a file that somebody wants to import."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAMED = 10


class InvalidLineError(Exception):
    """A line cannot be imported. The message is the reason."""


@dataclass(frozen=True)
class LineFault:
    """A line that cannot be imported. ``line`` is the one on which it starts, ``content`` what stands there."""

    line: int
    reason: str
    content: str


def describe_faults(faults: Sequence[LineFault], unit: str = "line") -> str:
    """The first ten, a line each, and how many there are in all."""
    named = [f"  {unit} {fault.line}: {fault.reason}" for fault in faults[:NAMED]]
    more = len(faults) - len(named)
    rest = [f"  ... and {more:,} more"] if more else []
    count = f"1 {unit} is at fault" if len(faults) == 1 else f"{len(faults):,} {unit}s are at fault"
    return "\n".join([f"{count}:", *named, *rest])


def write_faults(file: Path, faults: Sequence[LineFault]) -> None:
    """A CSV file of the lines at fault, each with its reason."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["line", "reason", "content"])
        writer.writerows((fault.line, fault.reason, fault.content) for fault in faults)


def quote_value(text: object) -> str:
    """For a message: what would not print is escaped, and what is long is cut."""
    text = str(text)
    return repr(text if len(text) <= 60 else text[:57] + "...")
