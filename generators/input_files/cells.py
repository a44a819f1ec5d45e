"""Cell types of imported tables: the annotated types that row models give to their columns."""

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from generators.input_files.csv_jsonl import JsonNumber, parse_json
from generators.input_files.fields import check_characters
from generators.input_files.times import read_time

MAX_CELL: Final = 131_072  # characters; the csv module reads no longer cell either

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def reject(wanted: str) -> PydanticCustomError:
    """The error of a cell: "COLUMN is VALUE; wanted ..."."""
    return PydanticCustomError("unwanted", "wanted {wanted}", {"wanted": wanted})


def expect_text(value: object) -> str:
    """The cell, if it is text or a number. Raises PydanticCustomError for a list or an object."""
    if not isinstance(value, str):
        raise reject("text")
    return value


def _check_shown(text: str, info: ValidationInfo) -> str:
    return check_characters(text, str(info.field_name))


Text = Annotated[str, Field(max_length=MAX_CELL)]
Filled = Field(pattern=r"\S")
Shown = AfterValidator(_check_shown)


def one_of(words: Sequence[str]) -> AfterValidator:
    """The rule that a text is one of ``words``, of which "" is written as nothing."""
    error = reject(f"one of {', '.join(filter(None, words))}{', or nothing' * ('' in words)}")

    def check(text: str) -> str:
        if text not in words:
            raise error
        return text

    return AfterValidator(check)


def parsed(parse: Callable[[str], Any], wanted: str) -> PlainValidator:
    """The rule that ``parse`` can read the text, without ValueError; ``wanted`` describes such texts."""

    def read(value: object) -> Any:
        try:
            return parse(expect_text(value))
        except ValueError as error:
            raise reject(wanted) from error

    return PlainValidator(read)


# Times


def _read_time(value: object) -> datetime:
    text = expect_text(value)
    try:
        return read_time(text)
    except ValueError as error:
        raise reject(str(error)) from error


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
    wanted = 'a JSON object, as {"steps": 30}'
    try:
        parsed = {} if value == "" else parse_json(value) if isinstance(value, str) else value
        found = _read_numbers(parsed)
    except ValueError as error:
        raise reject(f"{wanted} ({error})") from error
    if not isinstance(found, dict):
        raise reject(wanted)
    check_storable(found)
    if (length := len(json.dumps(found))) > MAX_CELL:
        raise reject(f"at most {MAX_CELL:,} characters, not {length:,}")
    return found


def _read_numbers(value: Any) -> Any:
    """The value with a number for each JsonNumber. Raises ValueError for a number that is too large."""
    if isinstance(value, JsonNumber):
        number = float(value) if set(value) & set(".eE") else int(value)
        if not math.isfinite(number):
            raise ValueError(f"{value} is too large")
        return number
    if isinstance(value, dict):
        return {key: _read_numbers(inner) for key, inner in value.items()}
    return [_read_numbers(inner) for inner in value] if isinstance(value, list) else value


JsonObject = Annotated[dict[str, Any], PlainValidator(_read_json_object)]
