"""Records of Parquet files, their values written as text."""

import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from generators.input_files.csv_jsonl import Record, Table
from generators.input_files.faults import InputFileError


def read_parquet(content: bytes) -> Table:
    """A table whose records are called rows. A cell of bytes or of a nested column is the column's type, not text.

    Raises:
        InputFileError: The file is not Parquet, is damaged, or has no column of text or numbers.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        schema = file.schema_arrow
        # Image bytes and nested columns are not read: they may be far larger than memory.
        plain = [column.name for column in schema if not _is_opaque(column.type)]
        table = file.read(columns=plain)
        table.validate()
        values = {name: table[name].to_pylist() for name in plain}
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        raise InputFileError(f"The file cannot be read as Parquet: {error}") from error
    if not plain:
        raise InputFileError("The file has no column of text or numbers.")
    cells = {
        column.name: [_write_value(value) for value in values[column.name]]
        if column.name in values
        else [column.type] * table.num_rows
        for column in schema
    }
    return Table("row", schema.names, _name_values(list(cells), zip(*cells.values(), strict=True)))


def _is_opaque(kind: pa.DataType) -> bool:
    return pa.types.is_nested(kind) or "binary" in str(kind)


def _write_value(value: object) -> Any:
    if isinstance(value, str):
        return value
    # pandas writes a missing number as NaN.
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, int | float | Decimal) else value


def _name_values(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[Record]:
    for number, row in enumerate(rows, start=1):
        if any(row):
            cells = dict(zip(columns, row, strict=True))
            yield Record(number, json.dumps(cells, ensure_ascii=False, default=str), cells)
