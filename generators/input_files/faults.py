"""Faults of imported files: a line that cannot be imported, with its reason, and the errors of files and lines."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generators.input_files.csv_export import write_csv

NAMED = 10


class InputFileError(Exception):
    """The file as a whole cannot be read. The message says why, and what to do."""


class InvalidLineError(Exception):
    """A line cannot be imported. The message is the reason."""


class UnusableFileError(InvalidLineError):
    """A line is valid, but the file that it names is missing, unreadable or not what it should be."""


@dataclass(frozen=True)
class LineFault:
    """A line that cannot be imported: its first line number, counted from 1, the reason, and its text."""

    line: int
    reason: str
    content: str


def describe_faults(faults: Sequence[LineFault], unit: str = "line") -> str:
    """The number of faults, then the first ten, one per line."""
    named = [f"  {unit} {fault.line}: {fault.reason}" for fault in faults[:NAMED]]
    more = len(faults) - len(named)
    rest = [f"  ... and {more:,} more"] if more else []
    count = f"1 {unit} is invalid" if len(faults) == 1 else f"{len(faults):,} {unit}s are invalid"
    return "\n".join([f"{count}:", *named, *rest])


def describe_files(files: Sequence[tuple[str, str]]) -> str:
    """The names and reasons of the first ten files, one per line, and the number of the others."""
    lines = [f"\n  {name!r}: {reason}" for name, reason in files[:NAMED]]
    more = len(files) - len(lines)
    return "".join(lines) + (f"\n  ... and {more:,} more" if more else "")


def write_faults(file: Path, faults: Sequence[LineFault]) -> None:
    """Write the invalid lines to a CSV file, each with its number and reason."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = ((fault.line, fault.reason, fault.content) for fault in faults)
        write_csv(stream, ["line", "reason", "content"], rows)


def quote_value(value: object) -> str:
    """A value as messages show it: quoted, with unprintable characters escaped, cut after 60 characters.

    Lists and objects are written as JSON.
    """
    text = json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
    return repr(text if len(text) <= 60 else text[:57] + "...")


def is_utf8(text: str) -> bool:
    """Whether the text can be encoded: it has no half of a surrogate pair, which also stands for an invalid byte."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def make_printable(text: str) -> str:
    """The text with invalid bytes written as ``\\xff``."""
    return text if is_utf8(text) else text.encode(errors="surrogateescape").decode(errors="backslashreplace")
