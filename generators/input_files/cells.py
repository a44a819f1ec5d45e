"""Cell types of imported tables: annotated types that a row model gives to its columns.

Each names its column in the message of what it refuses. Where a cell may be missing, the field has a default.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from generators.input_files.csv_jsonl import JsonNumber, parse_json
from generators.input_files.fields import check_characters

MAX_CELL: Final = 131_072  # characters; the csv module reads no longer cell either
MAX_DEPTH: Final = 50
# A number outside these years is not in seconds: milliseconds, a spreadsheet's day number, 20240212.
YEARS: Final = range(2000, 2100)

_SECONDS = re.compile(r"\d+(\.\d*)?([eE]\+?\d{1,2})?", re.ASCII)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def reject(wanted: str) -> PydanticCustomError:
    """The error of a cell that is not what is wanted; its message also names the column and quotes the cell."""
    return PydanticCustomError("unwanted", "wanted {wanted}", {"wanted": wanted})


def expect_text(value: object) -> str:
    """The cell if it is text or a number, not a list or an object. Raises PydanticCustomError."""
    if not isinstance(value, str):
        raise reject("text")
    return value


def _check_shown(text: str, info: ValidationInfo) -> str:
    return check_characters(text, str(info.field_name))


Text = Annotated[str, Field(max_length=MAX_CELL)]
Filled = Field(pattern=r"\S")
Shown = AfterValidator(_check_shown)


def one_of(words: Sequence[str]) -> AfterValidator:
    """The rule that a text is one of ``words``."""
    error = reject(f"one of {', '.join(words)}")

    def check(text: str) -> str:
        if text not in words:
            raise error
        return text

    return AfterValidator(check)


def parsed(parse: Callable[[str], Any], wanted: str) -> PlainValidator:
    """The rule that ``parse`` reads the text; ``wanted`` describes the texts for which it raises no ValueError."""

    def read(value: object) -> Any:
        try:
            return parse(expect_text(value))
        except ValueError as error:
            raise reject(wanted) from error

    return PlainValidator(read)


# Times


def _read_time(value: object) -> datetime:
    """A time in UTC, from ISO 8601 (UTC if it names no zone) or from seconds since 1970."""
    text, wanted = expect_text(value), "ISO 8601 (2024-02-12T09:30:00Z) or seconds since 1970"
    try:
        if _SECONDS.fullmatch(text):
            when = datetime.fromtimestamp(float(text), UTC)
        else:
            named = datetime.fromisoformat(text)
            when = named.replace(tzinfo=named.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise reject(wanted) from error
    if when.year not in YEARS:
        raise reject(f"{wanted}, in the years {YEARS[0]} to {YEARS[-1]}, not in {when.year}")
    return when


def _read_time_if_any(value: object) -> datetime | None:
    return None if value == "" else _read_time(value)


Time = Annotated[datetime, PlainValidator(_read_time)]
TimeIfAny = Annotated[datetime | None, PlainValidator(_read_time_if_any)]


# JSON objects


def check_storable(value: object) -> None:
    """Raises ValueError for a text, however deep in lists and objects, that PostgreSQL cannot store."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, str) and (found := _UNSTORABLE.search(inner)):
            what = "a NUL character" if found[0] == "\0" else "half of a surrogate pair"
            raise ValueError(f"it has {what}, which cannot be stored")
        if isinstance(inner, dict):
            waiting += [part for pair in inner.items() for part in pair]
        elif isinstance(inner, list):
            waiting += inner


def _read_json_object(value: object) -> dict[str, Any]:
    try:
        found = parse_json(value) if isinstance(value, str) and value else value or {}
        numbers_read = _read_numbers(found, MAX_DEPTH)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise reject('a JSON object, as {"steps": 30}')
    check_storable(found)
    if (length := len(json.dumps(numbers_read))) > MAX_CELL:
        raise reject(f"at most {MAX_CELL:,} characters, not {length:,}")
    return dict(numbers_read)


def _read_numbers(value: Any, depth: int) -> Any:
    """The value with a number for each JsonNumber. RecursionError where more than ``depth`` lists and objects nest."""
    if isinstance(value, JsonNumber):
        number = float(value) if set(value) & set(".eE") else int(value)
        if not math.isfinite(number):
            raise ValueError(f"{value} is too large")
        return number
    if not isinstance(value, dict | list):
        return value
    if not depth:
        raise RecursionError
    if isinstance(value, dict):
        return {key: _read_numbers(inner, depth - 1) for key, inner in value.items()}
    return [_read_numbers(inner, depth - 1) for inner in value]


JsonObject = Annotated[dict[str, Any], PlainValidator(_read_json_object)]
