"""Votes as a table: how often each pair of models met, and with which outcome."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.outcomes import WINNERS

MODEL_A, MODEL_B, TIE, BOTH_BAD = range(len(WINNERS))


@dataclass(frozen=True)
class Counts:
    """``table[i, j, k]``: votes with ``models[i]`` as A, ``models[j]`` as B and outcome ``WINNERS[k]``.

    Shape (M, M, 4), int64. The side is kept, so that a preference for a side can be measured later.
    """

    models: tuple[Hashable, ...]
    table: NDArray[np.int64]

    def __post_init__(self) -> None:
        m = len(self.models)
        if len(set(self.models)) != m:
            raise ValueError("Models must be named once each.")
        if self.table.shape != (m, m, len(WINNERS)):
            raise ValueError(f"The table of {m} models has shape ({m}, {m}, {len(WINNERS)}), got {self.table.shape}.")
        if not np.issubdtype(self.table.dtype, np.integer) or (self.table < 0).any():
            raise ValueError(f"Counts are whole numbers, 0 or more; got {self.table.dtype} from {self.table.min()} up.")
        if self.table[np.arange(m), np.arange(m)].any():
            raise ValueError("A model cannot meet itself: the diagonal must be zero.")

    def __add__(self, other: "Counts") -> "Counts":
        if self.models != other.models:
            raise ValueError("Only tables of the same models, in the same order, can be added.")
        return Counts(self.models, self.table + other.table)

    @property
    def n_votes(self) -> int:
        return int(self.table.sum())

    @property
    def meetings(self) -> NDArray[np.int64]:
        """(M, M), symmetric: votes between each two models, whatever the side and outcome."""
        sides: NDArray[np.int64] = self.table.sum(axis=2)
        return sides + sides.T

    @property
    def wins(self) -> NDArray[np.int64]:
        """(M, M): how often the row's model beat the column's, from either side."""
        won: NDArray[np.int64] = self.table[:, :, MODEL_A] + self.table[:, :, MODEL_B].T
        return won

    def drawn(self, outcome: int) -> NDArray[np.int64]:
        """(M, M), symmetric: votes with the given undecided outcome (TIE or BOTH_BAD)."""
        sides = self.table[:, :, outcome]
        return sides + sides.T

    def select(self, indices: Sequence[int]) -> "Counts":
        """The table of these models only."""
        chosen = list(indices)
        return Counts(tuple(self.models[i] for i in chosen), self.table[np.ix_(chosen, chosen)])


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
            raise ValueError(f"Row {number}: unknown winner {winner!r}; known are {', '.join(WINNERS)}.")
        if votes < 0:
            raise ValueError(f"Row {number}: {votes} votes; a count is 0 or more.")
        table[model_index[model_a], model_index[model_b], winner_index[winner]] += votes
    return Counts(tuple(models), table)
