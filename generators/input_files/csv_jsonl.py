"""Records of CSV, tab-separated and JSON files, each with the number of its first line.

Files are UTF-8, with or without a byte order mark. An invalid line (broken CSV or JSON, a wrong number of cells) is a
record with a fault; InputFileError is raised only for the file as a whole. Blank lines and rows of empty cells, which
spreadsheets append, are skipped.
"""

import csv
import io
import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Never

from generators.input_files.csv_export import GUARDED_COLUMNS, restore_texts
from generators.input_files.faults import InputFileError, is_utf8, quote_value


class Record(NamedTuple):
    """A line of a table.

    Attributes:
        line: Its first line number, or its place in an array with several records on a line, counted from 1.
        content: Its text.
        cells: Its cells by column: text, or in JSON lines also lists and objects.
        fault: The reason why it has no cells.
    """

    line: int
    content: str
    cells: Mapping[str, Any] = MappingProxyType({})
    fault: str = ""


@dataclass(frozen=True)
class Table:
    """A file's columns and records. ``unit`` is what messages call a record; ``records`` can be iterated once."""

    unit: str
    columns: Sequence[str]
    records: Iterable[Record]


class JsonNumber(str):
    """A JSON number with the digits as written: 7.10 stays 7.10."""

    __slots__ = ()


TableReader = Callable[[bytes], Table]
_SAVE: Final = " Save it as CSV UTF-8 with the spreadsheet program."
_UNPACK: Final = " Unpack it and name the file inside."
ADVICE: Final = dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), _SAVE) | dict.fromkeys((".zip", ".gz"), _UNPACK)


def read_table(file: Path, readers: Mapping[str, TableReader], *, max_bytes: int | None = None) -> Table:
    """Read a file with the reader for its suffix.

    Raises:
        InputFileError: The suffix is unknown, or the file cannot be opened, is empty or too large, or has another
            format than its suffix.
    """
    suffix = file.suffix.lower()
    if suffix not in readers:
        advice = ADVICE.get(suffix, "")
        raise InputFileError(f"{file.name} ends in {quote_value(suffix)}; wanted {' or '.join(readers)}.{advice}")
    try:
        with file.open("rb") as stream:
            content = stream.read() if max_bytes is None else stream.read(max_bytes + 1)
    except OSError as error:
        raise InputFileError(f"{file} cannot be read: {error.strerror}.") from error
    if max_bytes is not None and len(content) > max_bytes:
        raise InputFileError(f"The file has more than {max_bytes >> 20} MiB. Split it.")
    if not content.removeprefix(BOM_UTF8).strip():
        raise InputFileError("The file is empty.")
    table = readers[suffix](content)
    if twice := [name for i, name in enumerate(table.columns) if name in table.columns[:i]]:
        raise InputFileError(f"The file has two columns {quote_value(twice[0])}. Rename one of them.")
    return table


def _decode(content: bytes) -> str:
    """The text. Invalid bytes become surrogates, so that only their lines are at fault."""
    if content[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) or b"\0" in content[:2]:
        raise InputFileError("The file is UTF-16. Save it as UTF-8 (in Excel, as CSV UTF-8).")
    return content.removeprefix(BOM_UTF8).decode(errors="surrogateescape")


def find_text_fault(text: str) -> str:
    """Why the database cannot store the text, or "" if it can."""
    if "\0" in text:
        return "it has a NUL character, which cannot be stored"
    return "" if is_utf8(text) else "it is not UTF-8; save the file as UTF-8"


# CSV and tab-separated text

SEPARATORS: Final = {",": "commas", ";": "semicolons, as Excel writes CSV in some countries", "\t": "tabs"}


def read_csv(content: bytes) -> Table:
    """A table of comma-separated values; a quoted cell may hold line breaks. Texts of an export are restored."""
    table = _read_delimited(content, ",", csv.QUOTE_MINIMAL)
    if GUARDED_COLUMNS not in table.columns:
        return table
    columns = [name for name in table.columns if name != GUARDED_COLUMNS]
    records = (record._replace(cells=restore_texts(record.cells)) for record in table.records)
    return Table(table.unit, columns, records)


def read_tsv(content: bytes) -> Table:
    """A table of tab-separated values, in which quotation marks are ordinary characters."""
    return _read_delimited(content, "\t", csv.QUOTE_NONE)


def _read_delimited(content: bytes, separator: str, quoting: Any) -> Table:
    physical = list(io.StringIO(_decode(content), newline=""))
    rows = _walk_rows(physical, csv.reader(physical, delimiter=separator, quoting=quoting, strict=True))
    nothing = (1, "", "it is empty")
    _, text, names = next(rows, nothing)
    if text.strip() == f"sep={separator}":  # for Excel
        _, text, names = next(rows, nothing)
    if fault := names if isinstance(names, str) else find_text_fault(text):
        raise InputFileError(f"The first line, which names the columns, cannot be read: {fault}.")
    # A name may have the other separator in quotation marks, and that of the last columns a comma.
    whole = len(names) == 1 or (separator == "," and text.startswith(names[0]))
    for other, description in SEPARATORS.items():
        if whole and other != separator and other in names[0]:
            raise InputFileError(f"The columns are separated by {description}; wanted {SEPARATORS[separator]}.")
    columns = [name or f"column {number}" for number, name in enumerate(names, start=1)]
    return Table("line", columns, _name_cells(columns, rows))


def _walk_rows(physical: Sequence[str], reader: Any) -> Iterator[tuple[int, str, list[str] | str]]:
    """(first line, text, cells or fault) of each row that has a cell."""
    while True:
        start = reader.line_num
        cells: list[str] | str
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = f"it is not CSV: {error} (is a quotation mark not closed, or not doubled inside a cell?)"
        if any(map(str.strip, cells)):
            yield start + 1, "".join(physical[start : reader.line_num]).rstrip("\r\n"), cells


def _name_cells(columns: Sequence[str], rows: Iterable[tuple[int, str, list[str] | str]]) -> Iterator[Record]:
    for line, content, cells in rows:
        if isinstance(cells, str):
            yield Record(line, content, fault=cells)
        elif len(cells) != len(columns):
            yield Record(line, content, fault=f"it has {len(cells)} cells; the first line has {len(columns)}")
        else:
            yield Record(line, content, dict(zip(columns, cells, strict=True)))


# JSON

MAX_DEPTH: Final = 50


def read_json_lines(content: bytes) -> Table:
    """A table with a JSON object per line. Numbers become JsonNumber, true and false their words, null is empty.

    A file that is one JSON array of objects is read as such.
    """
    text = _decode(content)
    if text.lstrip().startswith("["):
        with suppress(ValueError):
            return _make_array_table(_read_array(text))
    return _make_table(_read_lines(text))


def read_json(content: bytes) -> Table:
    """A table with the objects of a JSON array, or with a JSON object per line.

    Raises:
        InputFileError: The file is a broken array, or one object.
    """
    text = _decode(content)
    if text.lstrip().startswith("["):
        try:
            return _make_array_table(_read_array(text))
        except ValueError as error:
            raise InputFileError(f"The file is not a JSON array of objects: {error}.") from error
    with suppress(ValueError):
        if "\n" in text.strip() and isinstance(parse_json(text), dict):
            raise InputFileError("The file is one JSON object; wanted an array of objects, or an object per line.")
    return _make_table(_read_lines(text))


def _make_array_table(records: Sequence[Record]) -> Table:
    """A table of the objects of an array. They are counted if their lines do not tell them apart."""
    lines = [record.line for record in records if any(record.cells.values())]
    if len(set(lines)) == len(lines):
        return _make_table(records)
    return _make_table((record._replace(line=n) for n, record in enumerate(records, start=1)), "object")


def _make_table(records: Iterable[Record], unit: str = "line") -> Table:
    kept, columns = [], dict[str, None]()
    for record in records:
        if record.fault or any(record.cells.values()):
            kept.append(record)
        if not record.cells.keys() <= columns.keys():
            columns |= dict.fromkeys(record.cells)
    return Table(unit, list(columns), kept)


def _read_lines(text: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line and not line.isspace():
            yield _read_object(number, line.strip("\r"))


def _read_array(text: str) -> list[Record]:
    """The records of a JSON array of objects. Raises ValueError if the text is something else."""
    records: list[Record] = []
    start = _skip_blanks(text, text.index("[") + 1)
    if text.startswith("]", start) and not text[start + 1 :].strip():
        return records
    line = 1 + text.count("\n", 0, start)
    while True:
        try:
            value, end = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise ValueError(f"{error.msg.removesuffix(' at')} at line {error.lineno}") from error
        except RecursionError as error:
            raise ValueError(f"line {line} is nested too deeply") from error
        except ValueError as error:
            raise ValueError(f"{error} in the object at line {line}") from error
        if not isinstance(value, dict):
            raise ValueError(f"line {line} has no object")  # noqa: TRY004
        content = text[start:end]
        _check_depth(content, value)
        records.append(_make_record(line, content, value))
        comma = _skip_blanks(text, end)
        if text.startswith("]", comma) and not text[comma + 1 :].strip():
            return records
        if not text.startswith(",", comma):
            raise ValueError(f"it does not continue with a comma after the object at line {line}")
        following = _skip_blanks(text, comma + 1)
        line, start = line + text.count("\n", start, following), following


def _skip_blanks(text: str, start: int) -> int:
    return _BLANKS.match(text, start).end()  # type: ignore[union-attr]  # the pattern matches nothing too


def parse_json(text: str) -> Any:
    """The value of a JSON text, its numbers as JsonNumber.

    Raises:
        ValueError: The text is not JSON, is nested too deeply, or an object in it names a key twice.
    """
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg.removesuffix(' at')} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check_depth(text, value)
    return value


def _check_depth(text: str, value: object) -> None:
    """Raises ValueError for a value, written as this text, that is nested too deeply."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = (
            outer.values() if isinstance(outer, dict) else outer for outer in level if isinstance(outer, dict | list)
        )
        level = [value for values in inner for value in values]
    if level:
        raise ValueError("it is nested too deeply")


def _read_object(line: int, content: str) -> Record:
    try:
        value = parse_json(content)
    except ValueError as error:
        return Record(line, content, fault=f"it is not JSON: {error}")
    if not isinstance(value, dict):
        return Record(line, content, fault="it is not a JSON object; wanted one object per line")
    return _make_record(line, content, value)


def _make_record(line: int, content: str, cells: dict[str, Any]) -> Record:
    for name, cell in cells.items():
        if cell is None or isinstance(cell, bool):
            cells[name] = _WORDS[cell]
    return Record(line, content, cells)


_BLANKS = re.compile(r"[ \t\r\n]*")
_WORDS: Final = {None: "", True: "true", False: "false"}


def _refuse_constant(constant: str) -> Never:
    raise ValueError(f"{constant} is not a JSON number")


def _read_pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs. ValueError for a repeated key: one of its values would be lost."""
    cells = dict(pairs)
    if len(cells) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {quote_value(max(names, key=names.count))} is there twice")
    return cells


_DECODER: Final = json.JSONDecoder(
    parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=_refuse_constant, object_pairs_hook=_read_pairs
)

TEXT_READERS: Final[Mapping[str, TableReader]] = {
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}
