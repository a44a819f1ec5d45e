"""CSV exports: every one is written here, so that no text becomes a formula when a spreadsheet opens the file.

A text that a spreadsheet may take for a formula gets an apostrophe before it. Numbers are written as they are. In a
file that can be imported again, the column ``guarded_columns`` names the columns of each row that got one, separated by
spaces, and ``read_csv`` removes exactly those: a text that begins with an apostrophe of its own keeps it.

Source: OWASP, "CSV Injection".
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Final

GUARD: Final = "'"
GUARDED_COLUMNS: Final = "guarded_columns"

# Spreadsheets cut off blanks and characters without width.
_UNSEEN: Final = re.compile("[\\s\u00ad\u200b-\u200f\u2060\ufeff]*")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take the text for a formula: it begins with = + - @, a wide form of them, or a break.

    Breaks are tabs, carriage returns and line feeds.
    """
    start = _UNSEEN.match(text).end()  # type: ignore[union-attr]  # the pattern matches nothing too
    first = unicodedata.normalize("NFKC", text[start : start + 1])
    return first[:1] in {"=", "+", "-", "@"} or text[:1] in {"\t", "\r", "\n"}


def guard_text(text: str) -> str:
    """The text, after an apostrophe if it could be taken for a formula."""
    return GUARD + text if is_formula(text) else text


def write_csv(
    stream: IO[str], columns: Sequence[str], rows: Iterable[Sequence[object]], *, restorable: bool = False
) -> None:
    """Write a CSV file. Text is guarded and in quotation marks; None is an empty cell.

    Args:
        stream: A text file that was opened with ``newline=""``.
        columns: The names of the columns.
        rows: The cells of each row, in the order of the columns.
        restorable: Write the column ``guarded_columns``, so that ``read_csv`` returns the same texts.
    """
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([*columns, *[GUARDED_COLUMNS] * restorable])
    for row in rows:
        cells = [guard_text(cell) if isinstance(cell, str) else cell for cell in row]
        if restorable:
            named = zip(columns, row, cells, strict=True)
            cells.append(" ".join(name for name, cell, guarded in named if cell != guarded))
        writer.writerow(cells)


def restore_texts(cells: Mapping[str, str]) -> dict[str, str]:
    """The texts of a row of ``write_csv`` as they were, without the column ``guarded_columns``."""
    guarded = cells.get(GUARDED_COLUMNS, "").split(" ")
    return {
        name: cell.removeprefix(GUARD) if name in guarded else cell
        for name, cell in cells.items()
        if name != GUARDED_COLUMNS
    }
