"""Votes on single images, for the human-preference metrics."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final, Literal

from django.db.models import OuterRef, Q, Subquery

from arena.models import Leaderboard, Rating, Vote
from arena.votes.exclusions import keep_countable
from evaluation.metrics.base import VoteInputs

Outcome = Literal["win", "loss", "tie", "both_bad"]
# By the winner of a vote: the outcome for side a and for side b.
OUTCOMES: Final[dict[str, tuple[Outcome, Outcome]]] = {
    Vote.Winner.MODEL_A: ("win", "loss"),
    Vote.Winner.MODEL_B: ("loss", "win"),
    Vote.Winner.TIE: ("tie", "tie"),
    Vote.Winner.BOTH_BAD: ("both_bad", "both_bad"),
}
# Columns of a side: generation, model, and the model's slug.
SIDE: Final = ("battle__generation_{}", "model_{}", "model_{}__slug")


def count_preferences(generation_ids: Collection[int]) -> dict[int, tuple[VoteInputs, ...]]:
    """The countable votes on each generation, oldest first. Generations without votes have no key.

    An opponent's rating comes from the newest leaderboard of the board where the vote was cast. Two queries.
    """
    wanted = set(generation_ids)
    votes = _read_votes(wanted)
    ratings = _read_ratings({board for board, *_ in votes})
    found: dict[int, list[VoteInputs]] = defaultdict(list)
    for board, winner, *sides in votes:
        for own, other, outcome in zip(sides, reversed(sides), OUTCOMES[winner], strict=True):
            if own[0] in wanted:
                found[own[0]].append(
                    VoteInputs(outcome=outcome, opponent=other[2], opponent_rating=ratings.get((board, other[1])))
                )
    return {pk: tuple(votes) for pk, votes in found.items()}


def _read_votes(generation_ids: Collection[int]) -> list[tuple[Any, ...]]:
    """(board, winner, side a, side b), each side as (generation, model, slug)."""
    took_part = Q(battle__generation_a__in=generation_ids) | Q(battle__generation_b__in=generation_ids)
    columns = [name.format(side) for side in "ab" for name in SIDE]
    votes = keep_countable(Vote.objects.filter(took_part)).order_by("pk").values_list("board", "winner", *columns)
    return [(board, winner, sides[:3], sides[3:]) for board, winner, *sides in votes]


def _read_ratings(boards: Collection[int]) -> dict[tuple[int, int], float | None]:
    """Ratings by (board, model) in the newest leaderboard of each board."""
    newest = Leaderboard.objects.filter(board=OuterRef("leaderboard__board")).order_by("-id").values("pk")[:1]
    rows = Rating.objects.filter(leaderboard__board__in=boards, leaderboard=Subquery(newest))
    return {(board, model): value for board, model, value in rows.values_list("leaderboard__board", "model", "value")}
