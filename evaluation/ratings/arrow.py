"""Votes from Arrow columns and Parquet files, without a Python object per vote."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.counts import Counts, count_votes, tabulate
from evaluation.ratings.outcomes import WINNERS
from evaluation.ratings.votes import Votes, code_columns, sort_names

if TYPE_CHECKING:
    import pyarrow as pa

SIDES = ("model_a", "model_b")
# Rows counted at a time, so that memory does not grow with the file.
BATCH_ROWS = 1 << 20


def code_arrow(
    table: "pa.Table | pa.RecordBatch", models: Sequence[Hashable] | None = None, *, clusters: str | Sequence[str] = ()
) -> Votes:
    """Votes from the columns model_a, model_b, winner, the cluster columns and, where present, weight.

    Dictionary-encoded columns are read by their codes. ``models`` names the models and their order (default: all that
    occur, sorted). Raises ValueError for a missing column, and, with the row, for a missing value and an unknown model
    or winner.
    """
    import pyarrow as pa

    if not isinstance(table, pa.RecordBatch):
        check_type("table", table, pa.Table)
    columns = [*SIDES, "winner", *_list_columns(clusters)]
    names = table.schema.names
    _check_columns(names, columns)
    coded = {name: _code_column(table[name]) for name in columns}
    return code_columns(coded, models, weight=_read_weight(table["weight"]) if "weight" in names else None)


def code_parquet(
    path: Path | str, models: Sequence[Hashable] | None = None, *, clusters: str | Sequence[str] = ()
) -> Votes:
    """All votes of a Parquet file; columns and errors as in ``code_arrow``."""
    clusters = _list_columns(clusters)
    file = _open(path, clusters)
    return code_arrow(file.read(_present(file, clusters)), models, clusters=clusters)


def count_parquet(path: Path | str, models: Sequence[Hashable] | None = None) -> Counts:
    """The counts of a Parquet file's votes, read in batches; columns and errors as in ``code_arrow``.

    An error names the row within its batch, and the row of the file at which the batch starts.
    """
    file = _open(path, ())
    total: Counts | None = None
    start = 0
    for batch in file.iter_batches(BATCH_ROWS, columns=_present(file, ())):
        try:
            counts = _count_batch(batch, models)
        except ValueError as error:
            raise ValueError(f"{path}, in the batch from row {start}: {error}") from error
        start += batch.num_rows
        total = counts if total is None else _add(total, counts)
    return total or count_votes(code_columns(dict.fromkeys((*SIDES, "winner"), (np.zeros(0, int), [])), models))


def _count_batch(batch: "pa.RecordBatch", models: Sequence[Hashable] | None) -> Counts:
    """The counts of a batch, by its own codes: names are sorted once for each cell, not once for each vote."""
    if "weight" in batch.schema.names or any(batch[name].null_count for name in (*SIDES, "winner")):
        return count_votes(code_arrow(batch, models))
    codes, names = zip(*(_code_column(batch[name]) for name in (*SIDES, "winner")), strict=True)
    raw = tabulate(codes, tuple(map(len, names)))
    used = [np.flatnonzero(raw.any(axis=axes)).tolist() for axes in ((1, 2), (0, 2), (0, 1))]
    found = [[axis[k] for k in places] for axis, places in zip(names, used, strict=True)]
    known = sort_names(found[0] + found[1]) if models is None else models
    unique = all(len(set(axis)) == len(axis) for axis in found)
    if not (unique and {*found[0], *found[1]} <= set(known) and set(found[2]) <= set(WINNERS)):
        return count_votes(code_arrow(batch, models))  # raises for an unknown name, with its row
    places = [[axis.index(name) for name in part] for axis, part in zip((known, known, WINNERS), found, strict=True)]
    table = np.zeros((len(known), len(known), len(WINNERS)), dtype=np.int64)
    table[np.ix_(*places)] = raw[np.ix_(*used)]
    if table[np.arange(len(known)), np.arange(len(known))].any():
        return count_votes(code_arrow(batch, models))
    return Counts(tuple(known), table)


def _add(total: Counts, counts: Counts) -> Counts:
    """The sum of two tables, over the models of both."""
    if total.models == counts.models:
        return total + counts
    models = sort_names([*total.models, *counts.models])
    return _extend(total, models) + _extend(counts, models)


def _extend(counts: Counts, models: Sequence[Hashable]) -> Counts:
    place = [models.index(model) for model in counts.models]
    cut = np.ix_(place, place)

    def extend(table: NDArray[Any]) -> NDArray[Any]:
        larger = np.zeros((len(models), len(models), table.shape[2]), table.dtype)
        larger[cut] = table
        return larger

    squares = None if counts.squares is None else extend(counts.squares)
    return Counts(tuple(models), extend(counts.table), squares)


def _open(path: Path | str, clusters: Sequence[str]) -> Any:
    # pyarrow.parquet.read_table would import the whole dataset module.
    from pyarrow.parquet import ParquetFile

    if not isinstance(path, str):
        check_type("path", path, Path)
    metadata = ParquetFile(path).metadata
    columns = [*SIDES, "winner", *clusters]
    _check_columns(metadata.schema.names, columns)
    return ParquetFile(path, metadata=metadata, read_dictionary=columns)


def _list_columns(clusters: str | Sequence[str]) -> Sequence[str]:
    return [clusters] if isinstance(clusters, str) else clusters


def _check_columns(names: list[str], columns: list[str]) -> None:
    if missing := [name for name in columns if name not in names]:
        raise ValueError(f"The table has no column {', '.join(missing)}; it has {', '.join(names)}.")


def _present(file: Any, clusters: Sequence[str]) -> list[str]:
    columns = {*SIDES, "winner", "weight", *clusters}
    return [name for name in file.schema_arrow.names if name in columns]


def _code_column(column: Any) -> tuple[NDArray[np.integer[Any]], list[Hashable]]:
    """Codes (N,) of a column, -1 for a missing value, and the names that they index."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    indices = column.indices
    if indices.null_count:
        return indices.fill_null(-1).to_numpy(), column.dictionary.to_pylist()
    codes = np.frombuffer(indices.buffers()[1] or b"", dtype=indices.type.to_pandas_dtype())
    return codes[indices.offset : indices.offset + len(indices)], column.dictionary.to_pylist()


def _read_weight(column: Any) -> NDArray[np.float64]:
    if column.null_count:
        raise ValueError(f"{column.null_count} votes have no weight.")
    weight: NDArray[np.float64] = column.to_numpy().astype(np.float64)
    return weight
