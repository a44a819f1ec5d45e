"""Preview of an exclusion: the leaderboard with and without some votes. Nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from arena.leaderboards.snapshots import preview_ratings
from arena.models import Board, Rating
from arena.read_transaction import read_transaction
from arena.votes.exclusions import keep_countable
from generators.models import ImageModel


@dataclass(frozen=True)
class ExclusionPreview:
    """The ratings ``before`` and ``after`` the exclusion of ``votes`` (ids), cast by ``n_raters`` raters.

    ``n_countable`` of the votes are under no other exclusion. The ratings are of the same models, in the same order.
    """

    votes: Sequence[int]
    n_countable: int
    n_raters: int
    before: Sequence[Rating]
    after: Sequence[Rating]


def preview_exclusion(board: Board, condition: Q) -> ExclusionPreview:
    """The effect that the exclusion of the board's votes with this condition would have at this moment."""
    with read_transaction():
        votes = board.votes.filter(condition).order_by("id")
        before, after = preview_ratings(board), preview_ratings(board, condition)
        models = ImageModel.objects.in_bulk([rating.model_id for rating in before])
        for rating in (*before, *after):
            rating.model = models[rating.model_id]
        return ExclusionPreview(
            votes=list(votes.values_list("pk", flat=True)),
            n_countable=keep_countable(votes).count(),
            n_raters=votes.order_by().exclude(rater=None).values("rater").distinct().count(),
            before=before,
            after=after,
        )
