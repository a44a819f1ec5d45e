"""Line numbers of the keys of a TOML file, which ``tomllib`` does not keep."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

KeyPath = tuple[str | int, ...]
# What decides where a statement ends: strings and comments (in which brackets and line breaks mean nothing), brackets,
# line breaks. A string of several lines may end in up to two quotation marks of its own.
TOKEN = re.compile(
    r'''"""(?:\\.|[^\\])*?""""{0,2}|"(?:\\.|[^"\\\n])*"'''
    r"""|'''.*?''''{0,2}|'[^'\n]*'|#[^\n]*|[\[\]{}]|\n""",
    re.DOTALL,
)


def find_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, on which each key and table of ``text``, which is valid TOML, is first set.

    A key path is a tuple like ("metrics", 2, "label"). One pass: the time grows with the length of the text.
    """
    lines: dict[KeyPath, int] = {}
    for path, line in _walk_keys(text):
        lines.setdefault(path, line)
    return lines


def find_line(lines: Mapping[KeyPath, int], path: Sequence[str | int]) -> int:
    """The line of ``path`` among those of ``find_lines``.

    A path that is not set has the line of the table that it would be in, which is line 1 at the top level.
    """
    wanted = tuple(path)
    while wanted and wanted not in lines:
        wanted = wanted[:-1]
    return lines.get(wanted, 1)


def find_error_line(error: tomllib.TOMLDecodeError, text: str) -> int:
    """The line, from 1, of a syntax error in ``text``. Before Python 3.14 only the message has it."""
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else text.count("\n") + 1


def _walk_keys(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Every key with its line; tables and arrays of tables come before their keys."""
    table: KeyPath = ()
    last_index: dict[KeyPath, int] = {}
    for line, statement, parsed in _split_statements(text):
        if statement.lstrip().startswith("["):
            table = _enter_table(parsed, last_index)
            yield from ((table[:depth], line) for depth in range(1, len(table) + 1))
        else:
            yield from ((table + inner, line) for inner in _walk_values(parsed))


def _split_statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(first line, text, parsed) of each table header and key. A statement ends at a line break outside of brackets."""
    text = text.replace("\r\n", "\n")
    start, line, depth = 0, 1, 0
    for token in TOKEN.finditer(text + "\n"):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if token[0] == "\n" and depth == 0:
            statement = text[start : token.start()]
            if parsed := tomllib.loads(statement):
                yield line, statement, parsed
            line += statement.count("\n") + 1
            start = token.end()


def _enter_table(header: Mapping[str, Any], last_index: dict[KeyPath, int]) -> KeyPath:
    """The path of a parsed header, with the current index in each of its arrays of tables."""
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
