"""A TOML file that somebody wrote, and where in it a fault stands."""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from generators.input_files.faults import quote_value
from generators.input_files.toml_lines import KeyPath, find_error_line, find_line, find_lines


class DeclaredFileError(Exception):
    """What is wrong with a suite, or with a prompt file, and where: "FILE:LINE: what came, what is wanted"."""

    def __init__(self, file: Path, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.file = file
        self.line = line
        self.message = message


@dataclass(frozen=True)
class DeclaredFile:
    """``values`` are what ``text`` says."""

    path: Path
    text: str
    values: Mapping[str, Any]

    @cached_property
    def lines(self) -> dict[KeyPath, int]:
        """The line of each key."""
        return find_lines(self.text)

    def fault(self, place: Sequence[str | int], message: str) -> DeclaredFileError:
        """The fault at ("metrics", 2, "label"), say."""
        return DeclaredFileError(self.path, find_line(self.lines, place), message)

    def explain(self, error: ValidationError, list_keys: Callable[[KeyPath], Iterable[str]]) -> DeclaredFileError:
        """The first, in the order of lines, of what pydantic found. ``list_keys`` gives the keys of a table."""
        faults = [self.fault(fault["loc"], _explain(fault, list_keys)) for fault in error.errors()]
        return min(faults, key=lambda fault: fault.line)


def read_declared_file(path: Path) -> DeclaredFile:
    """Raises DeclaredFileError for what cannot be read or is not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
        return DeclaredFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DeclaredFileError(path, find_error_line(error, text), f"this is not TOML: {error}.") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DeclaredFileError(path, line, "these bytes are not UTF-8. Save the file as UTF-8.") from error
    except OSError as error:
        raise DeclaredFileError(path, 1, f"the file cannot be read: {error.strerror}.") from error


def _explain(fault: ErrorDetails, list_keys: Callable[[KeyPath], Iterable[str]]) -> str:
    table, key = fault["loc"][:-1], fault["loc"][-1]
    if fault["type"] == "extra_forbidden":
        return f"there is no key {quote_value(key)} here. Known: {', '.join(list_keys(table))}."
    if fault["type"] == "missing":
        return f"{key} is missing. Add it."
    message = fault["msg"].removeprefix("Value error, ").removesuffix(".")
    if fault["type"] == "value_error":
        return f"{message}."
    return f"{key} is {quote_value(fault['input'])}. {message}."
