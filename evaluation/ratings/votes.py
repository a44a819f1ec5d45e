"""Votes as columns of small codes, from arrays, pandas or Arrow."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.outcomes import WINNERS

if TYPE_CHECKING:
    import pandas as pd

# Votes compared at a time: the results stay in the cache.
BLOCK = 1 << 17


@dataclass(frozen=True, eq=False)
class Votes:
    """N votes. ``model_a`` and ``model_b`` (N,) index ``models``; ``winner`` (N,) indexes WINNERS.

    ``weight`` (N,), finite and 0 or more, is how much a vote counts (default 1), or how many equal votes a row holds.
    ``clusters`` names columns (N,) of whole numbers: votes with the same number belong together ("rater", "prompt").
    Raises ValueError, naming the first bad value and its row.
    """

    models: tuple[Hashable, ...]
    model_a: NDArray[np.integer[Any]]
    model_b: NDArray[np.integer[Any]]
    winner: NDArray[np.integer[Any]]
    weight: NDArray[np.float64] | None = None
    clusters: Mapping[str, NDArray[np.integer[Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.models)) != len(self.models):
            raise ValueError("Each model must be named once.")
        check_type("clusters", self.clusters, Mapping)
        m, n = len(self.models), len(self.winner)
        limits = {"model_a": m, "model_b": m, "winner": len(WINNERS)} | dict.fromkeys(self.clusters, None)
        for name, limit in limits.items():
            _check_codes(name, self._column(name), n, limit)
        for start in range(0, n, BLOCK):
            same = self.model_a[start : start + BLOCK] == self.model_b[start : start + BLOCK]
            if same.any():
                row = start + int(same.argmax())
                raise ValueError(f"Row {row}: {self.models[int(self.model_a[row])]!r} meets itself.")
        if self.weight is not None:
            weight = np.asarray(self.weight)
            if weight.shape != (n,) or weight.dtype.kind not in "fiu":
                raise ValueError(f"Expected {n} weights, got shape {weight.shape} of {weight.dtype}.")
            bad = ~(np.isfinite(weight) & (weight >= 0))
            if bad.any():
                raise ValueError(f"Row {bad.argmax()}: weight {weight[bad][0]}; weights must be finite and 0 or more.")

    def __len__(self) -> int:
        return len(self.winner)

    def select(self, indices: Sequence[int]) -> "Votes":
        """The votes between these models only."""
        place = np.full(len(self.models), -1, dtype=np.int64)
        place[list(indices)] = np.arange(len(indices))
        model_a, model_b = place[self.model_a], place[self.model_b]
        keep = (model_a >= 0) & (model_b >= 0)
        return Votes(
            tuple(self.models[i] for i in indices),
            model_a[keep],
            model_b[keep],
            self.winner[keep],
            None if self.weight is None else self.weight[keep],
            {name: codes[keep] for name, codes in self.clusters.items()},
        )

    def only(self, *columns: str) -> "Votes":
        """The same votes with these columns of clusters alone. Raises ValueError for a column that they do not have."""
        for column in columns:
            check_type("column", column, str)
            if column not in self.clusters:
                known = ", ".join(self.clusters) or "none"
                raise ValueError(f"The votes have no clusters {column!r}; they have {known}.")
        return replace(self, clusters={name: self.clusters[name] for name in columns})

    def merge(self) -> "Votes":
        """The same votes, with equal rows merged into one row that carries their total weight."""
        columns = [self.model_a, self.model_b, self.winner, *self.clusters.values()]
        rows = np.stack([column.astype(np.int64) for column in columns])
        rows, place = np.unique(rows, axis=1, return_inverse=True)
        weight = np.bincount(place.ravel(), self.weight, rows.shape[1]).astype(np.float64)
        return Votes(self.models, rows[0], rows[1], rows[2], weight, dict(zip(self.clusters, rows[3:], strict=True)))

    def _column(self, name: str) -> NDArray[np.integer[Any]]:
        return self.clusters[name] if name in self.clusters else getattr(self, name)


def _check_codes(name: str, codes: NDArray[Any], n: int, limit: int | None) -> None:
    if not isinstance(codes, np.ndarray) or codes.shape != (n,) or codes.dtype.kind not in "iu":
        got = f"shape {codes.shape} of {codes.dtype}" if isinstance(codes, np.ndarray) else type(codes).__name__
        raise ValueError(f"{name} must be an array of {n} whole numbers, got {got}.")
    if limit is None or not n:
        return
    # Viewed as unsigned, a negative code is a very large one.
    if codes.view(f"u{codes.itemsize}").max() >= limit:
        row = int(((codes < 0) | (codes >= limit)).argmax())
        raise ValueError(f"Row {row}: {name} is {codes[row]}; expected 0 to {limit - 1}.")


def code_frame(
    frame: "pd.DataFrame", models: Sequence[Hashable] | None = None, *, clusters: str | Sequence[str] = ()
) -> Votes:
    """Votes from a DataFrame with columns model_a, model_b, winner, the cluster columns and, optionally, weight.

    Categoricals are read by their codes, anything else by its values. ``models`` names the models and their order
    (default: all that occur, sorted). Raises ValueError for a missing column or value, or an unknown model or winner.
    """
    import pandas as pd

    check_type("frame", frame, pd.DataFrame)
    columns = ["model_a", "model_b", "winner", *([clusters] if isinstance(clusters, str) else clusters)]
    if missing := [name for name in columns if name not in frame.columns]:
        raise ValueError(f"The frame has no column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}.")
    coded = {name: code_series(frame[name]) for name in columns}
    return code_columns(coded, models, weight=frame["weight"].to_numpy() if "weight" in frame.columns else None)


def code_columns(
    columns: Mapping[str, tuple[NDArray[np.integer[Any]], Sequence[Hashable]]],
    models: Sequence[Hashable] | None = None,
    *,
    weight: NDArray[np.float64] | None = None,
) -> Votes:
    """Votes from columns of (codes, names): codes (N,) index the names, -1 is a missing value.

    Columns other than model_a, model_b and winner are clusters. Their codes are kept.
    """
    if models is None:
        models = sort_names(name for side in ("model_a", "model_b") for name in _find_used(side, *columns[side]))
    model_a, model_b = (recode(side, *columns[side], models) for side in ("model_a", "model_b"))
    clusters = {name: codes for name, (codes, _) in columns.items() if name not in {"model_a", "model_b", "winner"}}
    for name, codes in clusters.items():
        _check_present(name, codes)
    return Votes(tuple(models), model_a, model_b, recode("winner", *columns["winner"], WINNERS), weight, clusters)


def sort_names(names: Iterable[Hashable]) -> list[Hashable]:
    """Each name once, sorted; names of different types are sorted by type first."""
    return sorted(set(names), key=lambda name: (type(name).__name__, name))


def _find_used(column: str, codes: NDArray[np.integer[Any]], names: Sequence[Hashable]) -> list[Hashable]:
    _check_present(column, codes)
    return [names[k] for k in np.flatnonzero(np.bincount(codes)).tolist()]


def _check_present(column: str, codes: NDArray[np.integer[Any]]) -> None:
    if len(codes) and codes.min() < 0:
        raise ValueError(f"Row {(codes < 0).argmax()}: {column} is missing.")


def recode(
    column: str, codes: NDArray[np.integer[Any]], names: Sequence[Hashable], known: Sequence[Hashable]
) -> NDArray[np.integer[Any]]:
    """Convert codes into ``names`` to codes into ``known``. Raises ValueError for an unknown name, with its row."""
    place = {name: k for k, name in enumerate(known)}
    table = np.array([place.get(name, -1) for name in names] + [-1], dtype=np.min_scalar_type(-max(len(known), 1)))
    _check_present(column, codes)
    coded: NDArray[np.integer[Any]] = table[codes]
    if len(coded) and coded.min() < 0:
        row = int((coded < 0).argmax())
        few = ", ".join(map(str, known[:12])) + (", ..." if len(known) > 12 else "")
        raise ValueError(f"Row {row}: unknown {column} {names[int(codes[row])]!r}; expected one of {few}.")
    return coded


def code_series(series: "pd.Series[Any]") -> tuple[NDArray[np.integer[Any]], Sequence[Hashable]]:
    """Codes (N,) of a column, -1 for a missing value, and the names that they index.

    Raises ValueError for several columns of one name, which pandas returns as a frame.
    """
    import pandas as pd

    if isinstance(series, pd.DataFrame):
        n, name = series.shape[1], series.columns[0]
        raise ValueError(f"The frame has {n} columns {name}; one is needed. Drop the others.")  # noqa: TRY004
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.cat.codes.to_numpy(), series.cat.categories.tolist()
    codes, names = pd.factorize(series)
    return codes, names.tolist()
