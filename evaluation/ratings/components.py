"""Components of the vote graph: which models the votes put on one scale.

A Bradley-Terry maximum-likelihood rating is finite if and only if the models cannot be split in two groups where one
never lost to the other: the directed graph "i beat j, or they drew" must be strongly connected (Ford 1957, "Solution
of a ranking problem from binary comparisons"; Hunter 2004, assumption 1).
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.counts import Counts
from evaluation.ratings.outcomes import BOTH_BAD, TIE, check_treatment


class Unrated(StrEnum):
    """Why a model has no finite rating on the scale of the largest group."""

    NO_VOTES = "no_votes"
    DISCONNECTED = "disconnected"
    UNBEATEN = "unbeaten"
    WINLESS = "winless"


class DisconnectedModelsError(ValueError):
    """The votes do not put all models on one finite scale. ``unrated`` maps those left out to the reason."""

    def __init__(self, unrated: dict[Hashable, Unrated]) -> None:
        named = ", ".join(f"{model} ({reason.value})" for model, reason in unrated.items())
        super().__init__(
            f"The votes give no finite rating to {named}. Rate the other models alone: find_components lists them."
        )
        self.unrated = unrated


@dataclass(frozen=True)
class Components:
    """``rated``: indices of the largest group with one finite scale (empty if no two models have one).

    ``unrated`` maps each other index to the reason.
    """

    rated: tuple[int, ...]
    unrated: dict[int, Unrated]


def find_components(counts: Counts, *, ties: str = "half", both_bad: str = "half") -> Components:
    """Find the group with the most votes that has one finite scale, and why each other model is not in it.

    ``ties`` and ``both_bad`` are "half" if the fit counts such votes, "drop" if it ignores them.
    """
    check_type("counts", counts, Counts)
    check_treatment(ties=ties, both_bad=both_bad)
    beats = counts.wins > 0
    meetings = counts.wins + counts.wins.T
    for treatment, outcome in ((ties, TIE), (both_bad, BOTH_BAD)):
        if treatment == "half":
            beats = beats | (counts.drawn(outcome) > 0)
            meetings = meetings + counts.drawn(outcome)
    m = len(counts.models)
    if m > 1 and _reachable(beats, 0).all() and _reachable(beats.T, 0).all():
        return Components(tuple(range(m)), {})
    return _split(beats, meetings)


def _split(beats: NDArray[np.bool_], meetings: NDArray[Any]) -> Components:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n_groups, group_of = connected_components(csr_array(beats.astype(np.int8)), directed=True, connection="strong")
    votes_of_group = [float(meetings[np.ix_(group_of == g, group_of == g)].sum()) for g in range(n_groups)]
    largest = int(np.argmax(votes_of_group)) if n_groups else 0
    rated = tuple(np.flatnonzero(group_of == largest).tolist()) if n_groups and votes_of_group[largest] else ()
    above, below = (_reachable(graph, rated[0]) if rated else np.zeros(len(beats), bool) for graph in (beats.T, beats))
    unrated: dict[int, Unrated] = {}
    for i in sorted(set(range(len(beats))) - set(rated)):
        if not meetings[i].any():
            unrated[i] = Unrated.NO_VOTES
        elif above[i]:
            unrated[i] = Unrated.UNBEATEN
        elif below[i]:
            unrated[i] = Unrated.WINLESS
        else:
            unrated[i] = Unrated.DISCONNECTED
    return Components(rated, unrated)


def _reachable(beats: NDArray[np.bool_], start: int) -> NDArray[np.bool_]:
    """(M,): the models that can be reached from ``start`` along wins, including itself."""
    reached = np.zeros(len(beats), dtype=bool)
    reached[start] = True
    frontier = reached.copy()
    while frontier.any():
        frontier = beats[frontier].any(axis=0) & ~reached
        reached |= frontier
    return reached
