"""Row models of imported tables: a pydantic model declares the columns of a file and the rules of their cells."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from generators.input_files.cells import check_storable
from generators.input_files.csv_jsonl import Record, find_text_fault
from generators.input_files.faults import InputFileError, InvalidLineError, LineFault, make_printable, quote_value


class Row(BaseModel):
    """Base of row models. Columns without a field are ignored.

    A file must have the column of each field without a default, and at least one column of each group in
    ``one_of_each``.
    """

    model_config = ConfigDict(frozen=True)
    one_of_each: ClassVar[tuple[tuple[str, ...], ...]] = ()

    @classmethod
    def list_columns(cls) -> tuple[str, ...]:
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def list_required(cls) -> tuple[tuple[str, ...], ...]:
        """Groups of columns; a file must have at least one column of each group."""
        required = [field.alias or name for name, field in cls.model_fields.items() if field.is_required()]
        return (*((name,) for name in required), *cls.one_of_each)


_ESCAPE = re.compile(r"\\u(0000|[dD][89a-fA-F])")

R = TypeVar("R", bound=Row)
T = TypeVar("T")


def check_columns(columns: Sequence[str], required: Iterable[Sequence[str]], advice: str = "") -> None:
    """Check that a file has at least one column of each group.

    A file without columns passes: none of its lines is a JSON object, and their faults say so.

    Raises:
        InputFileError: Columns are missing. ``advice`` is appended to the message.
    """
    missing = [" or ".join(group) for group in required if not set(group) & set(columns)]
    if columns and missing:
        names = ", and no column ".join(missing)
        raise InputFileError(f"The file has no column {names}. {describe_columns(columns)}{advice}")


def describe_columns(columns: Sequence[str]) -> str:
    """The sentence of an error message that lists the columns."""
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
        accept: Called with each valid record and its row. It may raise InvalidLineError or ValidationError for a rule
            that the model cannot express, such as unique keys.
        sources: The file's name of each column of the model that it has. Without it, both names are the same.

    Returns:
        The results of ``accept``, and the invalid lines, both in the order of the records.
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
    return accepted, faults


def _check_record(record: Record) -> None:
    if fault := find_text_fault(record.content) or record.fault:
        raise InvalidLineError(fault)
    # The line itself is clean; JSON escapes can still put a NUL or half of a surrogate pair into a cell.
    if _ESCAPE.search(record.content):
        try:
            check_storable(dict(record.cells))
        except ValueError as error:
            raise InvalidLineError(str(error)) from error


def _make_fault(record: Record, reason: str) -> LineFault:
    return LineFault(record.line, reason, make_printable(record.content))


def _explain(error: ValidationError) -> str:
    """The first error of the row as a reason: "COLUMN is VALUE; wanted ..."."""
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
            one_line = f"{place} is {quote_value(value)}; wanted one line without tabs"
            return one_line if str(value).strip() else f"{place} is empty"
        case "string_too_long":
            return f"{place} has {len(value):,} characters; at most {found['ctx']['max_length']:,} are allowed"
    return f"{place} is {quote_value(value)}; {found['msg'].replace('Input should be', 'wanted')}"
