"""Counts of votes: how often each pair of models met, and with which outcome."""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.outcomes import BOTH_BAD, MODEL_A, MODEL_B, TIE, WINNERS
from evaluation.ratings.votes import Votes

# Votes counted at a time: their cell numbers fit the fastest cache. Larger and smaller blocks are slower.
BLOCK = 1 << 18


@dataclass(frozen=True, eq=False)
class Counts:
    """``table[i, j, k]``: votes with ``models[i]`` as A, ``models[j]`` as B and outcome ``WINNERS[k]``.

    Shape (M, M, 4): whole numbers, or with weighted votes the sums of their weights, and then ``squares`` (M, M, 4)
    holds the sums of the squared weights. The side is kept, so that a preference for a side can be measured.
    """

    models: tuple[Hashable, ...]
    table: NDArray[Any]
    squares: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        m = len(self.models)
        if len(set(self.models)) != m:
            raise ValueError("Each model must be named once.")
        kinds = "iu" if self.squares is None else "f"
        for name, table in {"table": self.table, "squares": self.squares}.items():
            if table is None:
                continue
            if not isinstance(table, np.ndarray) or table.shape != (m, m, len(WINNERS)):
                got = getattr(table, "shape", type(table).__name__)
                raise ValueError(f"The {name} of {m} models must have shape ({m}, {m}, {len(WINNERS)}), got {got}.")
            if table.dtype.kind not in kinds:
                expected = "whole numbers" if kinds == "iu" else "floats, with squares"
                raise ValueError(f"Counts must be {expected}; got {name} of {table.dtype}.")
            if table.size and not (table.min() >= 0 and np.isfinite(table.max())):
                raise ValueError(
                    f"Counts must be finite and 0 or more; got {name} from {table.min()} to {table.max()}."
                )
        if self.table[np.arange(m), np.arange(m)].any():
            raise ValueError("A model cannot meet itself: the diagonal must be zero.")

    def __add__(self, other: "Counts") -> "Counts":
        check_type("The other table", other, Counts)
        if self.models != other.models:
            raise ValueError("Only tables of the same models, in the same order, can be added.")
        if self.squares is None and other.squares is None:
            return Counts(self.models, self.table + other.table)
        return Counts(self.models, self.table.astype(float) + other.table, self.squared_weights + other.squared_weights)

    @property
    def squared_weights(self) -> NDArray[np.float64]:
        """(M, M, 4): the sum of squared weights of each cell. For votes without weights, the counts themselves."""
        return self.table.astype(np.float64) if self.squares is None else self.squares

    @property
    def n_votes(self) -> int | float:
        """Number of votes, or the sum of their weights."""
        total: int | float = self.table.sum().item()
        return total

    @property
    def meetings(self) -> NDArray[Any]:
        """(M, M), symmetric: votes between each pair of models, on either side and with any outcome."""
        sides: NDArray[Any] = self.table.sum(axis=2)
        both: NDArray[Any] = sides + sides.T
        return both

    @property
    def wins(self) -> NDArray[Any]:
        """(M, M): how often the row's model beat the column's, from either side."""
        won: NDArray[Any] = self.table[:, :, MODEL_A] + self.table[:, :, MODEL_B].T
        return won

    def drawn(self, outcome: int) -> NDArray[Any]:
        """(M, M), symmetric: votes with the given undecided outcome (TIE or BOTH_BAD)."""
        if outcome not in {TIE, BOTH_BAD}:
            raise ValueError(f"Undecided outcomes are {TIE} (tie) and {BOTH_BAD} (both_bad), got {outcome}.")
        sides = self.table[:, :, outcome]
        both: NDArray[Any] = sides + sides.T
        return both

    def select(self, indices: Sequence[int]) -> "Counts":
        """The table of these models only."""
        chosen = list(indices)
        cut = np.ix_(chosen, chosen)
        squares = None if self.squares is None else self.squares[cut]
        return Counts(tuple(self.models[i] for i in chosen), self.table[cut], squares)


def count_votes(votes: Votes) -> Counts:
    """The table of ``votes``; with weights, the table of their sums. A vote of weight 0 does not count."""
    check_type("votes", votes, Votes)
    m = len(votes.models)
    columns, shape = (votes.model_a, votes.model_b, votes.winner), (m, m, len(WINNERS))
    if votes.weight is None:
        return Counts(votes.models, tabulate(columns, shape))
    weight = votes.weight.astype(np.float64)
    return Counts(votes.models, tabulate(columns, shape, weight), tabulate(columns, shape, weight**2))


def check_clusters(clusters: Votes, counts: Counts) -> None:
    """Raise ValueError unless ``clusters`` are the votes of ``counts``, with columns of clusters."""
    if clusters.models != counts.models:
        raise ValueError("The clusters and the counts must have the same models in the same order.")
    if not clusters.clusters:
        raise ValueError("The votes have no clusters. Name the rater or the prompt of each vote in Votes.clusters.")
    counted = count_votes(clusters).table
    if not np.allclose(counted, counts.table, rtol=1e-9, atol=1e-9):
        raise ValueError(
            f"The clusters and the counts hold different votes: {counted.sum():g} in the clusters, "
            f"{counts.n_votes:g} in the counts."
        )


def tabulate(
    columns: Sequence[NDArray[np.integer[Any]]], shape: tuple[int, ...], weight: NDArray[np.float64] | None = None
) -> NDArray[Any]:
    """Number of rows, or sum of ``weight`` (N,), in each cell of ``shape``; each column (N,) indexes one axis."""
    size, n = math.prod(shape), len(columns[0])
    table = np.zeros(size, dtype=np.int64 if weight is None else np.float64)
    # Arithmetic is faster on small integers, but bincount needs intp. Both buffers are reused: to allocate them for
    # each block costs more than the counting.
    small: NDArray[Any] = np.empty(min(BLOCK, n), dtype=np.int32 if size < 2**31 else np.int64)
    large = np.empty(len(small), dtype=np.intp)
    for start in range(0, n, BLOCK):
        block = slice(start, min(start + BLOCK, n))
        cell, index = small[: block.stop - start], large[: block.stop - start]
        cell[:] = columns[0][block]
        for length, codes in zip(shape[1:], columns[1:], strict=True):
            cell *= length
            # uint64 is the only integer type that has no common type with signed ones.
            cell += codes[block].astype(cell.dtype) if codes.dtype == np.uint64 else codes[block]
        index[:] = cell
        table += np.bincount(index, None if weight is None else weight[block], size)
    return table.reshape(shape)


def count_rows(models: Sequence[Hashable], rows: Iterable[tuple[Hashable, Hashable, str, int]]) -> Counts:
    """A table from rows of (model_a, model_b, winner, votes).

    Raises ValueError for a model that is not in ``models``, an unknown winner or a negative number, naming the row.
    """
    model_index = {model: i for i, model in enumerate(models)}
    winner_index: dict[str, int] = {winner: k for k, winner in enumerate(WINNERS)}
    table = np.zeros((len(model_index), len(model_index), len(WINNERS)), dtype=np.int64)
    for number, (model_a, model_b, winner, votes) in enumerate(rows):
        for model in (model_a, model_b):
            if model not in model_index:
                raise ValueError(f"Row {number}: unknown model {model!r}.")
        if winner not in winner_index:
            raise ValueError(f"Row {number}: unknown winner {winner!r}; expected one of {', '.join(WINNERS)}.")
        if not isinstance(votes, int | np.integer) or votes < 0:
            raise ValueError(f"Row {number}: {votes} votes; a count must be a whole number, 0 or more.")
        table[model_index[model_a], model_index[model_b], winner_index[winner]] += votes
    return Counts(tuple(models), table)
