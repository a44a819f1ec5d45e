"""Which models the votes put on one scale.

A Bradley-Terry maximum-likelihood rating is finite if and only if the models cannot be split in two groups where one
never lost to the other: the directed graph "i beat j, or they drew" must be strongly connected (Ford 1957, "Solution
of a ranking problem from binary comparisons"; Hunter 2004, assumption 1).
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from evaluation.ratings.counts import BOTH_BAD, TIE, Counts


class Unrated(StrEnum):
    """Why a model has no finite rating on the scale of the largest group."""

    NO_VOTES = "no_votes"
    DISCONNECTED = "disconnected"
    UNBEATEN = "unbeaten"
    WINLESS = "winless"


@dataclass(frozen=True)
class Components:
    """``rated``: indices of the largest group with one finite scale (empty when no two models have one)."""

    rated: tuple[int, ...]
    unrated: dict[int, Unrated]


def find_components(counts: Counts) -> Components:
    """Split the models into the group with the most votes that has one finite scale, and the rest with reasons."""
    meetings = counts.meetings
    beats = csr_array(counts.wins + counts.drawn(TIE) + counts.drawn(BOTH_BAD))
    n_groups, group_of = connected_components(beats, directed=True, connection="strong")
    votes_of_group = [int(meetings[np.ix_(group_of == g, group_of == g)].sum()) for g in range(n_groups)]
    largest = int(np.argmax(votes_of_group)) if n_groups else 0
    rated = tuple(np.flatnonzero(group_of == largest).tolist()) if n_groups and votes_of_group[largest] else ()
    above, below = (_reachable(graph, rated) for graph in (csr_array(beats.T), beats))
    unrated: dict[int, Unrated] = {}
    for i in sorted(set(range(len(counts.models))) - set(rated)):
        if not meetings[i].any():
            unrated[i] = Unrated.NO_VOTES
        elif i in above:
            unrated[i] = Unrated.UNBEATEN
        elif i in below:
            unrated[i] = Unrated.WINLESS
        else:
            unrated[i] = Unrated.DISCONNECTED
    return Components(rated, unrated)


def _reachable(graph: csr_array, start: tuple[int, ...]) -> set[int]:
    if not start:
        return set()
    return set(breadth_first_order(graph, start[0], directed=True, return_predecessors=False).tolist())
