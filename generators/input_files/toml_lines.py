"""Where a key stands in a TOML file: ``tomllib`` reads values and forgets their lines."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

KeyPath = tuple[str | int, ...]


def find_line(text: str, path: Sequence[str | int]) -> int:
    """The line, from 1, where ``path``, as ("metrics", 2, "label"), is set in ``text``, which is valid TOML.

    For what is not there, the line of the table in which it would be; 1 if that is the whole file.
    """
    lines: dict[KeyPath, int] = {}
    for place, line in _walk_keys(text):
        lines.setdefault(place, line)
    wanted = tuple(path)
    while wanted and wanted not in lines:
        wanted = wanted[:-1]
    return lines.get(wanted, 1)


def find_error_line(error: tomllib.TOMLDecodeError, text: str) -> int:
    """The line, from 1, of a syntax error in ``text``. Before Python 3.14 the message alone knows it."""
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else text.count("\n") + 1


def _walk_keys(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Every key with its line; tables and arrays of tables come before what they hold."""
    table: KeyPath = ()
    last_index: dict[KeyPath, int] = {}
    for line, statement, parsed in _split_statements(text):
        if statement.lstrip().startswith("["):
            table = _enter_table(parsed, last_index)
            yield from ((table[:depth], line) for depth in range(1, len(table) + 1))
        else:
            yield from ((table + inner, line) for inner in _walk_values(parsed))


def _split_statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(first line, text, parsed) of each table header and key. A statement ends where it is valid TOML by itself."""
    physical = text.replace("\r\n", "\n").split("\n")
    start = 0
    for end in range(1, len(physical) + 1):
        statement = "\n".join(physical[start:end])
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if parsed:
            yield start + 1, statement, parsed
        start = end


def _enter_table(header: Mapping[str, Any], last_index: dict[KeyPath, int]) -> KeyPath:
    """The place of a parsed header, with the index that its arrays of tables have come to."""
    node: Any = header
    place: KeyPath = ()
    while isinstance(node, dict) and node:
        ((key, node),) = node.items()
        place += (key,)
        if isinstance(node, list):
            last_index[place] = last_index.get(place, -1) + 1
        if place in last_index:
            place += (last_index[place],)
    return place


def _walk_values(value: Any) -> Iterator[KeyPath]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (key,)
        yield from ((key, *place) for place in _walk_values(inner))
