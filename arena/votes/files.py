"""Reading a file of votes: CSV, JSON lines or Parquet in, checked rows and faults out. No database.

A file has the columns model_a, model_b and winner, and may have rater, prompt, time, language and category. It is
UTF-8; the columns of a CSV file are separated by commas. A time is ISO 8601 (UTC where it names no zone) or seconds
since 1970.

**When are two lines the same vote?** Lines that are equal in every column are one vote written twice (a fault) when the
file has something that tells votes apart: a time, or a rater together with a prompt. Otherwise they are separate votes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Never

import pandas as pd
from django.utils.text import slugify

from arena.votes.formats import Line, NotText, Table, UnreadableFileError, is_utf8, make_printable, read_table
from evaluation.ratings.outcomes import WINNERS
from generators.input_files.faults import InvalidLineError, LineFault, quote_value

REQUIRED: Final = ("model_a", "model_b", "winner")
COLUMNS: Final = (*REQUIRED, "rater", "prompt", "time", "language", "category")
# What the columns of the database take; a test holds them equal.
LONGEST: Final = {"model_a": 200, "model_b": 200, "rater": 200, "language": 35, "category": 50}
LONGEST_SLUG: Final = 100
# Outside these years a time is something else: milliseconds, a spreadsheet's day number, 20240212 read as seconds.
YEARS: Final = range(2000, 2100)

_SECONDS = re.compile(r"\d+(\.\d*)?([eE]\+?\d{1,2})?", re.ASCII)


class VoteFileError(ValueError):
    """The file as a whole cannot be read as votes. The message says why, and what to do."""


@dataclass(frozen=True)
class VoteFile:
    """What a file holds.

    ``rows``: one valid vote each, with ``line``, ``content`` and every name of COLUMNS: text ("" where there is none),
    but ``time`` as datetime64[us, UTC] (NaT where there is none). ``unit``: what a line is called ("line", or "row" in
    Parquet). ``used``: those of COLUMNS that the file has. ``unused``: its columns that nobody read. ``left_out``: the
    number of lines that were not asked for.
    """

    rows: pd.DataFrame
    faults: tuple[LineFault, ...]
    unit: str
    used: tuple[str, ...]
    unused: tuple[str, ...]
    left_out: int

    @property
    def tells_votes_apart(self) -> bool:
        return _tells_votes_apart(self.used)


def read_vote_file(
    file: Path, *, columns: Mapping[str, str] | None = None, only: Mapping[str, str] | None = None
) -> VoteFile:
    """Read and check ``file``.

    ``columns``: the file's own name for one of COLUMNS. ``only``: take those lines alone whose columns have these
    values, compared as text as the file has them (true in JSON, True in Parquet); a line that is not taken is not
    checked. Raises VoteFileError, and nothing else.
    """
    columns, only = columns or {}, only or {}
    try:
        table = read_table(file.read_bytes(), file.suffix)
    except OSError as error:
        raise VoteFileError(f"{file} cannot be read: {error.strerror}.") from error
    except UnreadableFileError as error:
        raise VoteFileError(f"{file.name}: {error}") from error
    sources = _match_columns(table.columns, columns, only)
    rows, faults, left_out = _check_lines(table, sources, only)
    if not rows and not faults:
        raise VoteFileError(_say_why_empty(left_out, only))
    return VoteFile(
        rows=_as_frame(rows),
        faults=tuple(faults),
        unit=table.unit,
        used=tuple(sources),
        unused=tuple(name for name in table.columns if name not in {*sources.values(), *only}),
        left_out=len(left_out),
    )


@lru_cache(maxsize=4096)
def model_slug(name: str) -> str:
    """The slug under which a model of this name is stored."""
    return slugify(name)


def _match_columns(present: Sequence[str], renamed: Mapping[str, str], only: Mapping[str, str]) -> dict[str, str]:
    """Name in COLUMNS -> the file's own name, for those that it has."""
    if unknown := [name for name in renamed if name not in COLUMNS]:
        raise VoteFileError(f"Nothing reads a column {quote_value(unknown[0])}; known are {', '.join(COLUMNS)}.")
    sources = {name: renamed.get(name, name) for name in COLUMNS}
    if not present:
        return sources  # of JSON lines none of which can be read: their faults say more than a missing column
    found = "Its columns are " + ", ".join(quote_value(name) for name in present)
    if absent := [name for name in (*renamed.values(), *only) if name not in present]:
        raise VoteFileError(f"The file has no column {quote_value(absent[0])}. {found}.")
    if missing := [sources[name] for name in REQUIRED if sources[name] not in present]:
        raise VoteFileError(
            f"The file has no column {' and no column '.join(missing)}. {found} (in CSV, separated by commas). "
            "If a column has another name, say so with --column WANTED=THEIRS."
        )
    return {name: theirs for name, theirs in sources.items() if theirs in present}


def _check_lines(
    table: Table, sources: Mapping[str, str], only: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[LineFault], list[Line]]:
    """Rows, faults, and the lines that were not asked for."""
    check = _LineCheck(table.unit, sources, [name for name in table.columns if name != sources.get("time")])
    rows: list[dict[str, Any]] = []
    faults: list[LineFault] = []
    left_out: list[Line] = []
    for line in table.lines:
        if not line.fault and any(line.cells.get(name, "") != value for name, value in only.items()):
            left_out.append(line)
            continue
        try:
            rows.append(check.as_row(line))
        except InvalidLineError as fault:
            faults.append(LineFault(line.number, str(fault), make_printable(line.content)))
    return rows, faults, left_out


def _say_why_empty(left_out: Sequence[Line], only: Mapping[str, str]) -> str:
    if not left_out:
        return "The file names columns, but has no votes."
    wanted = " and ".join(f"{name}={value}" for name, value in only.items())
    values = sorted({f"{name}={quote_value(line.cells.get(name, ''))}" for line in left_out for name in only})
    there = ", ".join(values[:10]) + (f" and {len(values) - 10} more" if len(values) > 10 else "")
    return f"No line has {wanted}. There are {there}; they are compared as text, letter by letter."


def _as_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    texts = ("content", *(name for name in COLUMNS if name != "time"))
    frame = pd.DataFrame({name: [row[name] for row in rows] for name in texts}, dtype="str")
    frame["line"] = pd.Series([row["line"] for row in rows], dtype="int64")
    frame["time"] = pd.Series([row["time"] for row in rows], dtype="datetime64[us, UTC]")
    return frame


# What a line has to be


class _LineCheck:
    """The rules for a line, and what is known of the lines before it."""

    def __init__(self, unit: str, sources: Mapping[str, str], compared: Sequence[str]) -> None:
        self._unit = unit
        self._sources = sources
        self._compared = compared
        self._names: dict[str, tuple[str, int]] = {}
        self._votes: dict[tuple[object, ...], int] = {}

    def as_row(self, line: Line) -> dict[str, Any]:
        """The line as a row of VoteFile. Raises InvalidLineError."""
        if line.fault:
            _fail(line.fault)
        row: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {"line": line.number, "content": line.content}
        row |= {name: line.cells.get(theirs, "") for name, theirs in self._sources.items()}
        _check_text(line.content, *(row[name] for name in self._sources))
        self._check_cells(row)
        row["time"] = _parse_time(row["time"]) if "time" in self._sources else None
        self._check_models(row["model_a"], row["model_b"])
        self._check_repetition(line, row["time"])
        for name in (row["model_a"], row["model_b"]):
            self._names.setdefault(model_slug(name), (name, line.number))
        return row

    def _check_cells(self, row: Mapping[str, Any]) -> None:
        for name in self._sources:
            if isinstance(row[name], NotText):
                _fail(f"{name} is {quote_value(row[name])}; wanted text")
            if name in LONGEST and len(row[name]) > LONGEST[name]:
                _fail(f"{name} has {len(row[name])} characters; at most {LONGEST[name]} can be stored")
        for name in REQUIRED:
            if not row[name].strip():
                _fail(f"{name} is empty")
        if row["winner"] not in WINNERS:
            _fail(f"the winner {quote_value(row['winner'])} is unknown; known are {', '.join(WINNERS)}")
        if "time" not in self._sources and _tells_votes_apart(self._sources):
            for name in ("rater", "prompt"):
                if not row[name].strip():
                    _fail(f"{name} is empty: where there is no time, every vote needs a rater and a prompt")

    def _check_models(self, *names: str) -> None:
        if names[0] == names[1]:
            _fail(f"the model {quote_value(names[0])} meets itself")
        for name in names:
            slug = model_slug(name)
            if not slug:
                _fail(f"the name {quote_value(name)} has none of a-z and 0-9, of which a model's address is made")
            if len(slug) > LONGEST_SLUG:
                _fail(
                    f"the address {quote_value(slug)} has {len(slug)} characters; at most {LONGEST_SLUG} can be stored"
                )
            other, number = self._names.get(slug, (name, 0))
            if other != name:
                _fail(
                    f"{quote_value(name)} and {quote_value(other)} ({self._unit} {number}) would both be the model {slug}"
                )
        if model_slug(names[0]) == model_slug(names[1]):
            _fail(f"{quote_value(names[0])} and {quote_value(names[1])} would both be the model {model_slug(names[0])}")

    def _check_repetition(self, line: Line, when: datetime | None) -> None:
        if not _tells_votes_apart(self._sources):
            return
        everything = (when, *(line.cells.get(name, "") for name in self._compared))
        earlier = self._votes.setdefault(everything, line.number)
        if earlier != line.number:
            _fail(f"the same vote as {self._unit} {earlier}: equal in every column")


def _parse_time(text: str) -> datetime:
    wanted = "wanted ISO 8601 (2024-02-12T09:30:00Z) or seconds since 1970"
    try:
        when = datetime.fromtimestamp(float(text), UTC) if _SECONDS.fullmatch(text) else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        _fail(f"time is {quote_value(text)}; {wanted}")
    if when.year not in YEARS:
        _fail(f"time is {quote_value(text)}, in the year {when.year}; {wanted}, in {YEARS[0]} to {YEARS[-1]}")
    return when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)


def _check_text(*texts: str) -> None:
    for text in texts:
        if "\0" in text:
            _fail("it has a NUL character, which cannot be stored")
        if not is_utf8(text):
            _fail("it is not UTF-8; save the file as UTF-8")


def _tells_votes_apart(used: Iterable[str]) -> bool:
    return "time" in used or {"rater", "prompt"} <= set(used)


def _fail(reason: str) -> Never:
    raise InvalidLineError(reason)
