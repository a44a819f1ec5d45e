"""Files of lines that people write: CSV rows and JSON objects, each with the line on which it starts."""

import csv
from collections.abc import Iterator, Sequence
from typing import Any

from generators.input_files.faults import quote_value


def walk_csv(physical: Sequence[str]) -> Iterator[tuple[int, str, list[str] | str]]:
    """(first line, content, fields or what is wrong) of each row. A quoted field may hold line breaks."""
    reader = csv.reader(physical, strict=True)
    while True:
        start = reader.line_num
        fields: list[str] | str
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fields = f"it is not CSV: {error} (is a quotation mark left open, or not doubled inside a field?)"
        if fields:
            yield start + 1, "".join(physical[start : reader.line_num]).rstrip("\r\n"), fields


def read_object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object (``object_pairs_hook``). ValueError for a name that stands twice: one value would be lost."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"{quote_value(max(names, key=names.count))} is there twice")
    return dict(pairs)
