"""Vote files: CSV, JSON or Parquet with one vote per line, read into checked rows and faults.

This module does not use the database. Columns are those of VoteRow; other columns are ignored. Winners are read as
``arena/votes/winners.py`` says.

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

from arena.models import Exclusion, Vote
from arena.votes.winners import WinnerWords, merge_one_hot
from generators.input_files.cells import Filled, Text, Time, one_of, parsed
from generators.input_files.csv_jsonl import TEXT_READERS, Record, Table, read_table
from generators.input_files.faults import InputFileError, InvalidLineError, LineFault, quote_value
from generators.input_files.fields import check_characters
from generators.input_files.parquet import read_parquet
from generators.input_files.rows import Row, check_columns, describe_columns, read_rows
from generators.input_files.slugs import is_slug, make_slug

READERS: Final = {**TEXT_READERS, ".parquet": read_parquet}


def _parse_seconds(text: str) -> float | None:
    if text and not 0 <= float(text) <= Vote.LONGEST_SHOWN:
        raise ValueError(text)
    return float(text) if text else None


def _parse_exclusions(text: str) -> str:
    if not set(text.split()) <= set(Exclusion.Reason.values):
        raise ValueError(text)
    return " ".join(reason for reason in Exclusion.Reason.values if reason in text.split())


class VoteRow(Row):
    """A line of a vote file. A missing text is "".

    With a name, a model's text in ``model_a`` or ``model_b`` is its slug. Prompts with equal texts are the same prompt,
    unless a ``prompt_key`` says which prompt it is. ``exclusions`` are the reasons for which the vote does not count.
    """

    model_a: Annotated[str, Field(max_length=200), Filled]
    model_b: Annotated[str, Field(max_length=200), Filled]
    winner: Annotated[Text, Filled]
    rater: Annotated[str, Field(max_length=200)] = ""
    prompt: Text = ""
    time: Time | None = None
    language: Annotated[str, Field(max_length=35)] = ""
    category: Annotated[str, Field(max_length=50)] = ""
    prompt_key: Annotated[str, Field(max_length=200)] = ""
    how: Annotated[str, one_of(["", *Vote.How.values])] = ""
    seconds_shown: Annotated[
        float | None, parsed(_parse_seconds, f"a number from 0 to {Vote.LONGEST_SHOWN:.0f}, or nothing")
    ] = None
    model_a_name: Annotated[str, Field(max_length=200)] = ""
    model_b_name: Annotated[str, Field(max_length=200)] = ""
    exclusions: Annotated[
        str, parsed(_parse_exclusions, f"{', '.join(Exclusion.Reason.values)}, with spaces between, or nothing")
    ] = ""


COLUMNS: Final = VoteRow.list_columns()
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
    file: Path,
    *,
    columns: Mapping[str, str] | None = None,
    only: Mapping[str, str] | None = None,
    winners: Mapping[str, str] | None = None,
) -> VoteFile:
    """Read and check a vote file.

    Args:
        file: A file that ends in one of READERS.
        columns: The file's name of a column, by its name in COLUMNS.
        only: Values by column; lines with other values are skipped unchecked. Values are compared as the file writes
            them (true in JSON, True in Parquet).
        winners: The meaning of further winner words, or another meaning of known ones: one of WINNERS.

    Raises:
        InputFileError: The file cannot be read as votes, or no line has the values of ``only``.
    """
    columns, only = columns or {}, only or {}
    words = WinnerWords(winners or {}, columns.get("model_a", "model_a"), columns.get("model_b", "model_b"))
    table = read_table(file, READERS)
    if columns.get("winner", "winner") not in table.columns:
        table = merge_one_hot(table, words)
    sources = _match_columns(table.columns, columns, only)
    renamed = None if all(name == theirs for name, theirs in sources.items()) else sources
    filtered: list[Record] = []
    check = _VoteCheck(table, sources, words)
    votes, faults = read_rows(_select_records(table, only, filtered), VoteRow, check.accept, renamed)
    if not votes and not faults:
        raise InputFileError(_explain_empty(filtered, only))
    return VoteFile(
        rows=_build_frame(votes, sources),
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
        f" If a column has another name, give it with --column {REQUIRED[0]}=THEIRS.",
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
        return "The file has no votes."
    wanted = " and ".join(f"{name}={value}" for name, value in only.items())
    values = sorted({f"{name}={quote_value(_write_cell(record, name))}" for record in filtered for name in only})
    there = ", ".join(values[:10]) + (f" and {len(values) - 10} more" if len(values) > 10 else "")
    return f"No line has {wanted}. The file has {there}; upper and lower case count."


def _list_others(used: Iterable[str]) -> list[str]:
    """The columns of VoteFile.rows that a line has besides its number, its text and its winner."""
    return [name for name in COLUMNS if name in used and name != "winner"]


def _build_frame(votes: Sequence[tuple[Any, ...]], used: Iterable[str]) -> pd.DataFrame:
    """The frame of VoteFile.rows, with the defaults in the columns that the file does not have."""
    filled = ("line", "content", "winner", *_list_others(used))
    values = dict(zip(filled, zip(*votes, strict=True) if votes else ((),) * len(filled), strict=True))
    defaults = {"time": None, "seconds_shown": None}
    dtypes = {"line": "int64", "time": "datetime64[us, UTC]", "seconds_shown": "float64"}
    return pd.DataFrame(
        {
            name: pd.Series(
                values.get(name, defaults.get(name, "")), index=range(len(votes)), dtype=dtypes.get(name, "str")
            )
            for name in ("line", "content", *COLUMNS)
        }
    )


class _VoteCheck:
    """Rules across columns and lines: the winner, two different models, one name per model, no duplicate votes."""

    def __init__(self, table: Table, sources: Mapping[str, str], words: WinnerWords) -> None:
        self._unit = table.unit
        self._words = words
        self._identified = _identifies_votes(sources)
        self._timed = "time" in sources
        # Times are compared as instants, the other columns as text.
        self._compared = [name for name in table.columns if name != sources.get("time")]
        # itemgetter needs a name; in a file without columns no line is valid.
        self._get_compared = itemgetter(*(self._compared or COLUMNS))
        self._get_values = attrgetter(*_list_others(sources))
        self._get_judged = attrgetter("model_a", "model_b", "winner", "model_a_name", "model_b_name")
        self._judged: dict[tuple[str, ...], str] = {}
        # By slug and by key: what was written first, and its line.
        self._models: dict[str, tuple[tuple[str, str], int]] = {}
        self._prompts: dict[str, tuple[str, int]] = {}
        self._votes: dict[tuple[object, ...], int] = {}

    def accept(self, record: Record, row: VoteRow) -> tuple[Any, ...]:
        """The vote as a row of VoteFile.rows. Raises InvalidLineError."""
        if self._timed and row.time is None:
            _fail("time is missing")
        if self._identified and not self._timed and not (row.rater.strip() and row.prompt.strip()):
            _fail("rater or prompt is empty; in a file without times, every vote needs both")
        judged = self._get_judged(row)
        # The rules about models and winner are checked once for all lines that have the same.
        winner = self._judged.get(judged) or self._check_judged(row)
        if row.prompt_key:
            self._check_prompt(row)
        if self._identified:
            self._check_repetition(record, row)
        if judged not in self._judged:
            self._judged[judged] = winner
            for model in _list_models(row):
                self._models.setdefault(_read_slug(*model), (model, record.line))
        if row.prompt_key:
            self._prompts.setdefault(row.prompt_key, (row.prompt, record.line))
        return (record.line, record.content, winner, *self._get_values(row))

    def _check_judged(self, row: VoteRow) -> str:
        self._check_models(row, {_read_slug(*model): model for model in _list_models(row)})
        # Where slugs and names are apart, as in an export, a winner is never the name of a model.
        models = ("", "") if row.model_a_name and row.model_b_name else (row.model_a, row.model_b)
        return self._words.read(row.winner, *models)

    def _check_models(self, row: VoteRow, models: Mapping[str, tuple[str, str]]) -> None:
        if row.model_a == row.model_b:
            _fail(f"model_a and model_b are both {quote_value(row.model_a)}")
        for slug, model in models.items():
            other, line = self._models.get(slug, (model, 0))
            if other != model:
                names = f"{_quote_model(model)} and {_quote_model(other)} ({self._unit} {line})"
                _fail(f"{names} would both be the model {slug}")
        if len(models) == 1:
            names = f"{quote_value(row.model_a)} and {quote_value(row.model_b)}"
            _fail(f"{names} would both be the model {next(iter(models))}")

    def _check_prompt(self, row: VoteRow) -> None:
        if not row.prompt:
            _fail(f"prompt_key is {quote_value(row.prompt_key)}, but prompt is empty")
        text, line = self._prompts.get(row.prompt_key, (row.prompt, 0))
        if text != row.prompt:
            _fail(
                f"the prompt {quote_value(row.prompt_key)} is {quote_value(row.prompt)}, but {quote_value(text)} in "
                f"{self._unit} {line}"
            )

    def _check_repetition(self, record: Record, row: VoteRow) -> None:
        try:
            earlier = self._votes.setdefault((row.time, self._get_compared(record.cells)), record.line)
        except (KeyError, TypeError):  # a cell is missing or is a list, which JSON lines allow
            texts = tuple(_write_cell(record, name) for name in self._compared)
            earlier = self._votes.setdefault((row.time, texts), record.line)
        if earlier != record.line:
            _fail(f"the same vote as {self._unit} {earlier}: equal in every column")


def _list_models(row: VoteRow) -> tuple[tuple[str, str], tuple[str, str]]:
    """(text, name) of both models; the name is "" if the file has none."""
    return (row.model_a, row.model_a_name), (row.model_b, row.model_b_name)


def _read_slug(text: str, name: str) -> str:
    """The slug of a model. With a name, the text is the slug."""
    if name and not is_slug(text):
        _fail(f"the model {quote_value(text)} has the name {quote_value(name)}; wanted a slug beside a name")
    try:
        # Beside a slug, a name may be any that can be declared.
        return text if check_characters(name, "name") else make_slug(text)
    except ValueError as error:
        raise InvalidLineError(f"the name {quote_value(name or text)} cannot be that of a model: {error}") from error


def _quote_model(model: tuple[str, str]) -> str:
    text, name = model
    return f"{quote_value(text)}, named {quote_value(name)}," if name else quote_value(text)


def _identifies_votes(used: Iterable[str]) -> bool:
    return "time" in used or {"rater", "prompt"} <= set(used)


def _fail(reason: str) -> Never:
    raise InvalidLineError(reason)
