"""Which votes of a board belong together: those of one rater, those on one prompt.

Intervals that respect it need more than the counts: every vote's rater and prompt. That takes some seconds and 200 MB
for each million votes, so a board of very many may ask for the plain sandwich instead.
"""

from collections.abc import Sequence

import numpy as np
from django.db.models import Case, Count, F, IntegerField, Value, When
from django.db.models.functions import Coalesce

from arena.models import Board, Vote
from evaluation.ratings.outcomes import WINNERS
from evaluation.ratings.votes import Votes

# Fewer clusters, or no more than there are models, and the clustered covariance is noise or even singular.
FEWEST = 10


def read_clusters(board: Board, models: Sequence[int], last_vote_id: int) -> Votes | None:
    """The countable votes up to ``last_vote_id``, equal ones as one row that weighs as many.

    The columns are those of ``board.interval`` that have enough clusters; None where none has. A vote that names no
    rater (or prompt) is a cluster of its own.
    """
    names = [] if board.interval == Board.Interval.SANDWICH else board.interval.split("+")
    winner = Case(*(When(winner=name, then=Value(k)) for k, name in enumerate(WINNERS)), output_field=IntegerField())
    clusters = {f"{name}_cluster": Coalesce(f"{name}_id", -F("id")) for name in names}
    rows = Vote.objects.filter(board=board, id__lte=last_vote_id).countable().order_by().annotate(**clusters)
    grouped = rows.values_list("model_a", "model_b", winner, *clusters).annotate(votes=Count("id"))
    rows_as_they_come = grouped.iterator(chunk_size=100_000) if names else []
    found = np.fromiter(rows_as_they_come, dtype=np.dtype((np.int64, 4 + len(names)))).T
    enough = {
        name: labels
        for name, labels in zip(names, found[3:-1], strict=True)
        if len(np.unique(labels[labels >= 0])) >= max(FEWEST, len(models) + 1)
    }
    if not enough:
        return None
    model_a, model_b = np.searchsorted(models, found[:2])
    return Votes(tuple(models), model_a, model_b, found[2], found[-1].astype(np.float64), enough)
