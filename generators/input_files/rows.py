"""Row models of imported tables: a pydantic model declares the columns of a file and the rules of their cells."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from generators.input_files.cells import check_storable
from generators.input_files.csv_jsonl import Record, find_text_fault
from generators.input_files.faults import InputFileError, InvalidLineError, LineFault, make_printable, quote_value


class Row(BaseModel):
    """Base of row models. Other columns are ignored.

    A field without a default is a column that the file must have. ``one_of_each`` are further groups of columns, of
    each of which the file must have at least one.
    """

    model_config = ConfigDict(frozen=True)
    one_of_each: ClassVar[tuple[tuple[str, ...], ...]] = ()

    @classmethod
    def list_columns(cls) -> tuple[str, ...]:
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def list_required(cls) -> tuple[tuple[str, ...], ...]:
        """Groups of columns, of each of which a file must have at least one."""
        required = [field.alias or name for name, field in cls.model_fields.items() if field.is_required()]
        return (*((name,) for name in required), *cls.one_of_each)


_ESCAPE = re.compile(r"\\u(0000|[dD][89a-fA-F])")

R = TypeVar("R", bound=Row)
T = TypeVar("T")


def check_columns(columns: Sequence[str], required: Iterable[Sequence[str]], advice: str = "") -> None:
    """Raises InputFileError if a group of ``required`` has none of a file's columns.

    A file without columns passes: none of its lines is a JSON object, which their faults say better.
    """
    missing = [" or ".join(group) for group in required if not set(group) & set(columns)]
    if columns and missing:
        names = ", and no column ".join(missing)
        raise InputFileError(f"The file has no column {names}. {describe_columns(columns)}{advice}")


def describe_columns(columns: Sequence[str]) -> str:
    """A sentence for error messages."""
    return f"Its columns are {', '.join(quote_value(name) for name in columns)}."


def read_rows(
    records: Iterable[Record],
    row_type: type[R],
    accept: Callable[[Record, R], T],
    sources: Mapping[str, str] | None = None,
) -> tuple[list[T], list[LineFault]]:
    """Validate records against a row model.

    Args:
        records: The records of a table, or some of them.
        row_type: The row model.
        accept: Called with each valid record and its row. Raises InvalidLineError or ValidationError if the line is
            invalid for another reason, such as a key that an earlier line has.
        sources: The file's own name of each column of the row model that it has, if they differ.

    Returns:
        What ``accept`` returned, and the invalid lines, both in the order of the records.
    """
    accepted: list[T] = []
    faults: list[LineFault] = []
    for record in records:
        try:
            _check_record(record)
            cells = record.cells
            if sources is not None:
                cells = {name: cells[theirs] for name, theirs in sources.items() if theirs in cells}
            accepted.append(accept(record, row_type.model_validate(cells)))
        except ValidationError as error:
            faults.append(_make_fault(record, _explain(error)))
        except InvalidLineError as error:
            faults.append(_make_fault(record, str(error)))
        except RecursionError:
            faults.append(_make_fault(record, "its JSON is nested too deeply"))
    return accepted, faults


def _check_record(record: Record) -> None:
    if fault := find_text_fault(record.content) or record.fault:
        raise InvalidLineError(fault)
    # Only an escape can put a NUL or half of a surrogate pair into a JSON cell of such a line.
    if _ESCAPE.search(record.content):
        try:
            check_storable(dict(record.cells))
        except ValueError as error:
            raise InvalidLineError(str(error)) from error


def _make_fault(record: Record, reason: str) -> LineFault:
    return LineFault(record.line, reason, make_printable(record.content))


def _explain(error: ValidationError) -> str:
    """The first reason that pydantic found, in the words of the other messages."""
    found = error.errors(include_url=False)[0]
    place, value = ".".join(map(str, found["loc"])), found["input"]
    match found["type"]:
        case "value_error":
            return found["msg"].removeprefix("Value error, ").removesuffix(".")
        case "missing":
            return f"{place} is missing"
        case "string_type":
            return f"{place} is {quote_value(value)}; wanted text"
        case "string_pattern_mismatch":
            return f"{place} is empty"
        case "string_too_long":
            return f"{place} has {len(value):,} characters; at most {found['ctx']['max_length']:,} are allowed"
    return f"{place} is {quote_value(value)}; {found['msg'].replace('Input should be', 'wanted')}"
