"""The kinds of file that votes come in: CSV, JSON lines, Parquet. Bytes in, lines with named cells out.

Nothing here knows what a vote is. What is wrong with one line stands on that line; UnreadableFileError is for the file.
"""

import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final, Never

import pyarrow as pa
import pyarrow.parquet as pq

from generators.input_files.csv_jsonl import read_object, walk_csv
from generators.input_files.faults import quote_value


class UnreadableFileError(ValueError):
    """The file as a whole cannot be read. The message says why, and what to do."""


class NotText(str):
    """A cell that holds something other than text or a number, described."""


@dataclass(frozen=True)
class Line:
    """``number`` as an editor shows it, ``content`` as it stands there, and its cells by column or what is wrong."""

    number: int
    content: str
    cells: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True)
class Table:
    """``unit``: what a line is called. ``lines`` can be gone through once."""

    unit: str
    columns: Sequence[str]
    lines: Iterable[Line]


def read_table(content: bytes, suffix: str) -> Table:
    """The table in a file that ends in ``suffix``. Raises UnreadableFileError, and nothing else."""
    read = _READERS.get(suffix.lower())
    if read is None:
        raise UnreadableFileError(
            f"A file that ends in {quote_value(suffix)} cannot be read; wanted {', '.join(_READERS)}."
        )
    if not content.removeprefix(b"\xef\xbb\xbf").strip():
        raise UnreadableFileError("The file is empty.")
    table = read(content)
    if twice := [name for i, name in enumerate(table.columns) if name in table.columns[:i]]:
        raise UnreadableFileError(f"The column {quote_value(twice[0])} is there twice; rename one of them.")
    return table


def is_utf8(text: str) -> bool:
    """False for bytes that ``_decode`` had to smuggle through, and for half a surrogate pair out of a JSON escape."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def make_printable(text: str) -> str:
    """The text with broken bytes written as \\xff."""
    return text if is_utf8(text) else text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _decode(content: bytes) -> str:
    """Text in which broken bytes are marked, so that only the lines that have them are at fault."""
    return content.decode(errors="surrogateescape").removeprefix("\ufeff")


# CSV


def _read_csv(content: bytes) -> Table:
    physical = list(io.StringIO(_decode(content), newline=""))
    records = walk_csv(physical)
    _, text, names = next(records, (1, "", "it is empty"))
    if isinstance(names, str) or not is_utf8(text) or "\0" in text:
        raise UnreadableFileError(
            "The first line cannot be read; wanted CSV in UTF-8 whose first line names the columns."
        )
    columns = [name or f"column {number}" for number, name in enumerate(names, start=1)]
    return Table("line", columns, _name_fields(columns, records))


def _name_fields(columns: Sequence[str], records: Iterable[tuple[int, str, list[str] | str]]) -> Iterator[Line]:
    for number, content, fields in records:
        if isinstance(fields, str):
            yield Line(number, content, fault=fields)
        elif len(fields) != len(columns):
            yield Line(number, content, fault=f"it has {len(fields)} fields; the first line has {len(columns)}")
        else:
            yield Line(number, content, dict(zip(columns, fields, strict=True)))


# JSON lines


def _read_json_lines(content: bytes) -> Table:
    numbered = enumerate(_decode(content).split("\n"), start=1)
    lines = [_read_json(number, text.strip("\r")) for number, text in numbered if text.strip()]
    return Table("line", list(dict.fromkeys(name for line in lines for name in line.cells)), lines)


def _read_json(number: int, text: str) -> Line:
    try:
        # Numbers stay as they are written: a time keeps every digit.
        value = json.loads(
            text, parse_int=str, parse_float=str, parse_constant=_refuse_constant, object_pairs_hook=read_object
        )
    except json.JSONDecodeError as error:
        return Line(number, text, fault=f"it is not JSON: {error.msg} at character {error.pos + 1}")
    except ValueError as error:
        return Line(number, text, fault=f"it is not JSON: {error}")
    except RecursionError:
        return Line(number, text, fault="its JSON is nested too deeply")
    if not isinstance(value, dict):
        return Line(number, text, fault="it is no JSON object; wanted one object a line, with a vote's columns")
    return Line(number, text, {name: _write_json(cell) for name, cell in value.items()})


def _refuse_constant(constant: str) -> Never:
    raise ValueError(f"{constant} is no number there")


def _write_json(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value) if isinstance(value, bool) else NotText(json.dumps(value))


# Parquet


def _read_parquet(content: bytes) -> Table:
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        schema = file.schema_arrow
        # Image bytes and nested columns are never part of a vote, and may be far larger than memory.
        plain = [column.name for column in schema if not _is_opaque(column.type)]
        table = file.read(columns=plain)
        table.validate()
        values = {name: table[name].to_pylist() for name in plain}
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        raise UnreadableFileError(f"The file cannot be read as Parquet: {error}") from error
    if not plain:
        raise UnreadableFileError("The file has no column of text or numbers.")
    cells = {
        column.name: [_write_value(value) for value in values[column.name]]
        if column.name in values
        else [NotText(column.type)] * table.num_rows
        for column in schema
    }
    rows = zip(*cells.values(), strict=True)
    return Table("row", schema.names, (_name_values(number, cells, row) for number, row in enumerate(rows, start=1)))


def _is_opaque(kind: pa.DataType) -> bool:
    return pa.types.is_nested(kind) or "binary" in str(kind)


def _write_value(value: object) -> str:
    # A number that is not there is NaN in a table that went through pandas.
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, str | int | float | Decimal) else NotText(value)


def _name_values(number: int, columns: Iterable[str], values: Sequence[str]) -> Line:
    cells = dict(zip(columns, values, strict=True))
    return Line(number, json.dumps(cells, ensure_ascii=False), cells)


_READERS: Final[dict[str, Callable[[bytes], Table]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
