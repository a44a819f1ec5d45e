"""Exclusions: the votes that do not count, by reason. The one definition for counts, clusters and preferences.

A vote is excluded for the first reason whose condition holds, and counts if none does.
"""

from typing import Final

from django.db.models import Q, QuerySet, Value

from arena.models import Board, Vote

# The reasons, as negative numbers for the SQL of arena/votes/counts.py.
EXCLUDED: Final = -1
CUSTOM_PROMPT: Final = -2
# Each condition needs the vote's battle, excludes the reasons above it, and has a partial index on battles that finds
# its few rows.
EXCLUSIONS: Final[dict[int, Q]] = {
    EXCLUDED: Q(battle__exclusion__gt=""),
    CUSTOM_PROMPT: Q(battle__exclusion="", battle__custom_prompt=True)
    & ~Q(board__rater_prompts=Board.RaterPrompts.COUNTED),
}


def keep_countable(votes: QuerySet[Vote]) -> QuerySet[Vote]:
    """Leave out the excluded votes."""
    for condition in EXCLUSIONS.values():
        votes = votes.filter(~condition)
    return votes


def list_excluded(board: Board) -> QuerySet[Vote]:
    """The board's excluded votes as dictionaries: ``kind`` is the reason, beside the columns that counting needs."""
    columns = ("kind", "id", "rater_id", "model_a_id", "model_b_id", "winner")
    first, *others = (
        # By the board of the battle, which the partial indexes hold.
        Vote.objects.filter(condition, battle__board=board).order_by().annotate(kind=Value(kind)).values(*columns)
        for kind, condition in EXCLUSIONS.items()
    )
    excluded: QuerySet[Vote] = first.union(*others, all=True)
    return excluded
