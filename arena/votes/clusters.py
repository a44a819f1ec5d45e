"""Clusters of a board's votes: the votes of one rater, or on one prompt, may depend on each other.

Clustered intervals need every vote's rater and prompt, not only the counts. Reading and rating them takes some 11 s and
350 MB per million votes, so a very large board may use the plain sandwich instead.
"""

from collections.abc import Sequence

import numpy as np
from django.db.models import Case, Count, F, IntegerField, Q, Value, When
from django.db.models.functions import Coalesce

from arena.models import Board, Vote
from arena.read_transaction import read_transaction
from arena.votes.exclusions import keep_countable
from evaluation.ratings.outcomes import WINNERS
from evaluation.ratings.votes import Votes


def read_clusters(board: Board, models: Sequence[int], last_vote_id: int, without: Q | None = None) -> Votes | None:
    """The countable votes between ``models`` (ascending ids) up to ``last_vote_id``. Equal votes are one weighted row.

    The cluster columns are those of ``board.interval``; None for "sandwich", which has none. A vote without a rater (or
    prompt) is a cluster of its own, with a negative label. ``without`` is a condition on votes to leave out.
    """
    if board.interval == Board.Interval.SANDWICH:
        return None
    names = board.interval.split("+")
    winner = Case(*(When(winner=name, then=Value(k)) for k, name in enumerate(WINNERS)), output_field=IntegerField())
    clusters = {f"{name}_cluster": Coalesce(f"{name}_id", -F("id")) for name in names}
    votes = keep_countable(Vote.objects.filter(board=board, id__lte=last_vote_id), without).annotate(**clusters)
    grouped = votes.order_by().values_list("model_a", "model_b", winner, *clusters).annotate(votes=Count("id"))
    with read_transaction():
        found = np.fromiter(grouped.iterator(chunk_size=100_000), dtype=np.dtype((np.int64, 4 + len(names)))).T
    # A model may have joined since the models were listed.
    found = found[:, np.isin(found[:2], models).all(axis=0)]
    model_a, model_b = np.searchsorted(models, found[:2])
    columns = dict(zip(names, found[3:-1], strict=True))
    return Votes(tuple(models), model_a, model_b, found[2], found[-1].astype(np.float64), columns)
