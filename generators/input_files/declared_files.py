"""Declared files: TOML that people write, with the line of each error."""

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
    """An error in a suite or prompt file. The message is "FILE:LINE: what is there, what is expected"."""

    def __init__(self, file: Path, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.file = file
        self.line = line
        self.message = message


@dataclass(frozen=True)
class DeclaredFile:
    """A TOML file: its text, and the values parsed from it."""

    path: Path
    text: str
    values: Mapping[str, Any]

    @cached_property
    def lines(self) -> dict[KeyPath, int]:
        """The line of each key."""
        return find_lines(self.text)

    def error_at(self, place: Sequence[str | int], message: str) -> DeclaredFileError:
        """An error at a key path like ("metrics", 2, "label")."""
        return DeclaredFileError(self.path, find_line(self.lines, place), message)

    def explain(self, error: ValidationError, list_keys: Callable[[KeyPath], Iterable[str]]) -> DeclaredFileError:
        """The first of pydantic's errors, by line. ``list_keys`` returns the known keys of a table."""
        # A default that follows from an invalid key is no error of its own.
        details = [detail for detail in error.errors() if detail["type"] != "default_factory_not_called"]
        errors = [self.error_at(detail["loc"], _explain(detail, list_keys)) for detail in details]
        return min(errors, key=lambda found: found.line)


def read_declared_file(path: Path) -> DeclaredFile:
    """Read a TOML file, with or without a byte order mark.

    Raises:
        DeclaredFileError: It cannot be read, is not TOML in UTF-8, or has a NUL character, which cannot be stored.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        declared = DeclaredFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DeclaredFileError(path, find_error_line(error, text), f"this is not TOML: {error}.") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DeclaredFileError(path, line, "these bytes are not UTF-8. Save the file as UTF-8.") from error
    except OSError as error:
        raise DeclaredFileError(path, 1, f"the file cannot be read: {error.strerror}.") from error
    # TOML has them as escapes.
    if place := _find_nul(declared.values, ()):
        name = quote_value([key for key in place if isinstance(key, str)][-1])
        raise declared.error_at(place, f"{name} has a NUL character, which cannot be stored. Remove it.")
    return declared


def _find_nul(value: object, place: KeyPath) -> KeyPath:
    """The place of the first text or key with a NUL character; () if there is none."""
    if isinstance(value, str):
        return place if "\0" in value else ()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = ((*place, key) if "\0" in str(key) else _find_nul(held, (*place, key)) for key, held in items)
    return next(filter(None, inner), ())


def _explain(detail: ErrorDetails, list_keys: Callable[[KeyPath], Iterable[str]]) -> str:
    table, key = detail["loc"][:-1], detail["loc"][-1]
    if detail["type"] == "extra_forbidden":
        return f"there is no key {quote_value(key)} here. Known: {', '.join(list_keys(table))}."
    if detail["type"] == "missing":
        return f"{key} is missing. Add it."
    message = detail["msg"].removeprefix("Value error, ").removesuffix(".")
    if detail["type"] == "value_error":
        return f"{message}."
    return f"{key} is {quote_value(detail['input'])}. {message}."
