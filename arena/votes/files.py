"""Vote files: CSV, JSON lines or Parquet with one vote per line, read into checked rows and faults.

This module does not use the database. Columns are those of VoteRow; other columns are ignored.

**Duplicates.** If a file identifies its votes, by a time or by a rater together with a prompt, a line that is equal to
an earlier one in every column is a fault. Otherwise equal lines are separate votes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Annotated, Any, Final, Never

import pandas as pd
from pydantic import Field

from evaluation.ratings.outcomes import WINNERS
from generators.input_files.cells import Filled, Text, Time, one_of
from generators.input_files.csv_jsonl import TEXT_READERS, Record, Table, read_table
from generators.input_files.faults import InputFileError, InvalidLineError, LineFault, quote_value
from generators.input_files.parquet import read_parquet
from generators.input_files.rows import Row, check_columns, describe_columns, read_rows
from generators.input_files.slugs import make_slug

READERS: Final = {**TEXT_READERS, ".parquet": read_parquet}


class VoteRow(Row):
    """A line of a vote file. A missing text is ""."""

    model_a: Annotated[str, Field(max_length=200), Filled]
    model_b: Annotated[str, Field(max_length=200), Filled]
    winner: Annotated[Text, Filled, one_of(WINNERS)]
    rater: Annotated[str, Field(max_length=200)] = ""
    prompt: Text = ""
    time: Time | None = None
    language: Annotated[str, Field(max_length=35)] = ""
    category: Annotated[str, Field(max_length=50)] = ""


COLUMNS: Final = VoteRow.list_columns()
_get_values = attrgetter(*COLUMNS)
REQUIRED: Final = tuple(name for (name,) in VoteRow.list_required())


@dataclass(frozen=True)
class VoteFile:
    """A vote file as read.

    Attributes:
        rows: The valid votes, in the order of the file. Columns: ``line`` (int64), ``time`` (datetime64[us, UTC], NaT
            if missing), and as text ``content`` and the other names in COLUMNS.
        faults: The invalid lines.
        unit: The word for a line: "row" in a Parquet file.
        used: The names in COLUMNS that the file has.
        unused: The file's other columns.
        n_filtered: Number of lines that ``only`` excluded.
    """

    rows: pd.DataFrame
    faults: tuple[LineFault, ...]
    unit: str
    used: tuple[str, ...]
    unused: tuple[str, ...]
    n_filtered: int

    @property
    def identifies_votes(self) -> bool:
        """Whether equal lines are the same vote."""
        return _identifies_votes(self.used)


def read_vote_file(
    file: Path, *, columns: Mapping[str, str] | None = None, only: Mapping[str, str] | None = None
) -> VoteFile:
    """Read and check a vote file.

    Args:
        file: A file that ends in one of READERS.
        columns: The file's name of a column, by its name in COLUMNS.
        only: Values by column; lines with other values are skipped unchecked. Values are compared as the file writes
            them (true in JSON, True in Parquet).

    Raises:
        InputFileError: The file cannot be read as votes, or no line has the values of ``only``.
    """
    columns, only = columns or {}, only or {}
    table = read_table(file, READERS)
    sources = _match_columns(table.columns, columns, only)
    renamed = None if all(name == theirs for name, theirs in sources.items()) else sources
    filtered: list[Record] = []
    check = _VoteCheck(table, sources)
    votes, faults = read_rows(_select_records(table, only, filtered), VoteRow, check.accept, renamed)
    if not votes and not faults:
        raise InputFileError(_explain_empty(filtered, only))
    return VoteFile(
        rows=_build_frame(votes),
        faults=tuple(faults),
        unit=table.unit,
        used=tuple(sources),
        unused=tuple(name for name in table.columns if name not in {*sources.values(), *only}),
        n_filtered=len(filtered),
    )


def _match_columns(present: Sequence[str], renamed: Mapping[str, str], only: Mapping[str, str]) -> dict[str, str]:
    """The file's name of each column that it has, by its name in COLUMNS."""
    if unknown := [name for name in renamed if name not in COLUMNS]:
        raise InputFileError(f"Votes have no column {quote_value(unknown[0])}; known are {', '.join(COLUMNS)}.")
    sources = {name: renamed.get(name, name) for name in COLUMNS}
    if not present:
        return sources
    if absent := [name for name in (*renamed.values(), *only) if name not in present]:
        raise InputFileError(f"The file has no column {quote_value(absent[0])}. {describe_columns(present)}")
    check_columns(
        present,
        [(sources[name],) for name in REQUIRED],
        " If a column has another name, give it with --column WANTED=THEIRS.",
    )
    return {name: theirs for name, theirs in sources.items() if theirs in present}


def _select_records(table: Table, only: Mapping[str, str], filtered: list[Record]) -> Iterator[Record]:
    """The records with the values of ``only``, and those with a fault. The others are added to ``filtered``."""
    for record in table.records:
        if only and not record.fault and any(_write_cell(record, name) != value for name, value in only.items()):
            filtered.append(record)
        else:
            yield record


def _write_cell(record: Record, name: str) -> str:
    cell = record.cells.get(name, "")
    return cell if isinstance(cell, str) else json.dumps(cell, default=str)


def _explain_empty(filtered: Sequence[Record], only: Mapping[str, str]) -> str:
    if not filtered:
        return "The file names columns, but has no votes."
    wanted = " and ".join(f"{name}={value}" for name, value in only.items())
    values = sorted({f"{name}={quote_value(_write_cell(record, name))}" for record in filtered for name in only})
    there = ", ".join(values[:10]) + (f" and {len(values) - 10} more" if len(values) > 10 else "")
    return f"No line has {wanted}. The file has {there}; upper and lower case count."


def _build_frame(votes: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    dtypes = dict.fromkeys(("line", "content", *COLUMNS), "str") | {"line": "int64", "time": "datetime64[us, UTC]"}
    values = zip(*votes, strict=True) if votes else ((),) * len(dtypes)
    return pd.DataFrame(
        {name: pd.Series(column, dtype=dtypes[name]) for name, column in zip(dtypes, values, strict=True)}
    )


class _VoteCheck:
    """Rules across columns and lines: two different models, one name per model, no duplicate votes."""

    def __init__(self, table: Table, sources: Mapping[str, str]) -> None:
        self._unit = table.unit
        self._identified = _identifies_votes(sources)
        self._timed = "time" in sources
        # Times are compared as instants, the other columns as text.
        self._compared = [name for name in table.columns if name != sources.get("time")]
        # itemgetter needs a name; in a file without columns no line is valid.
        self._get_compared = itemgetter(*(self._compared or COLUMNS))
        self._names: dict[str, tuple[str, int]] = {}
        self._votes: dict[tuple[object, ...], int] = {}

    def accept(self, record: Record, row: VoteRow) -> tuple[Any, ...]:
        """The vote as a row of VoteFile.rows. Raises InvalidLineError."""
        if self._timed and row.time is None:
            _fail("time is missing")
        if self._identified and not self._timed and not (row.rater.strip() and row.prompt.strip()):
            _fail("rater or prompt is empty; in a file without times, every vote needs both")
        self._check_models(row)
        if self._identified:
            self._check_repetition(record, row)
        for name in (row.model_a, row.model_b):
            self._names.setdefault(make_slug(name), (name, record.line))
        return (record.line, record.content, *_get_values(row))

    def _check_models(self, row: VoteRow) -> None:
        if row.model_a == row.model_b:
            _fail(f"model_a and model_b are both {quote_value(row.model_a)}")
        slugs = [_read_slug(row.model_a), _read_slug(row.model_b)]
        for name, slug in zip((row.model_a, row.model_b), slugs, strict=True):
            other, line = self._names.get(slug, (name, 0))
            if other != name:
                names = f"{quote_value(name)} and {quote_value(other)} ({self._unit} {line})"
                _fail(f"{names} would both be the model {slug}")
        if slugs[0] == slugs[1]:
            names = f"{quote_value(row.model_a)} and {quote_value(row.model_b)}"
            _fail(f"{names} would both be the model {slugs[0]}")

    def _check_repetition(self, record: Record, row: VoteRow) -> None:
        try:
            earlier = self._votes.setdefault((row.time, self._get_compared(record.cells)), record.line)
        except (KeyError, TypeError):  # a cell is missing or is a list, which JSON lines allow
            texts = tuple(_write_cell(record, name) for name in self._compared)
            earlier = self._votes.setdefault((row.time, texts), record.line)
        if earlier != record.line:
            _fail(f"the same vote as {self._unit} {earlier}: equal in every column")


def _read_slug(name: str) -> str:
    try:
        return make_slug(name)
    except ValueError as error:
        raise InvalidLineError(f"the name {quote_value(name)} cannot be that of a model: {error}") from error


def _identifies_votes(used: Iterable[str]) -> bool:
    return "time" in used or {"rater", "prompt"} <= set(used)


def _fail(reason: str) -> Never:
    raise InvalidLineError(reason)
