"""Which votes of a board belong together: those of one rater, those on one prompt.

Intervals that respect it need more than the counts: every vote's rater and prompt. That takes some seconds and 200 MB
for each million votes, so a board of very many may ask for the plain sandwich instead.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from django.db.models import Case, Count, F, IntegerField, Value, When
from django.db.models.functions import Coalesce

from arena.models import Board, Vote
from evaluation.ratings.outcomes import WINNERS
from evaluation.ratings.votes import Votes

# Fewer clusters, or no more than there are models, and the clustered covariance is noise or even singular.
FEWEST = 10


def read_clusters(board: Board, models: Sequence[int], last_vote_id: int) -> Votes | None:
    """The countable votes between ``models`` (ascending) up to ``last_vote_id``, equal ones as one row with a weight.

    The columns of clusters are those of ``board.interval``; None where it asks for none. A vote that names no rater (or
    prompt) is a cluster of its own, with a number below zero.
    """
    if board.interval == Board.Interval.SANDWICH:
        return None
    names = board.interval.split("+")
    winner = Case(*(When(winner=name, then=Value(k)) for k, name in enumerate(WINNERS)), output_field=IntegerField())
    clusters = {f"{name}_cluster": Coalesce(f"{name}_id", -F("id")) for name in names}
    rows = Vote.objects.filter(board=board, id__lte=last_vote_id).countable().order_by().annotate(**clusters)
    grouped = rows.values_list("model_a", "model_b", winner, *clusters).annotate(votes=Count("id"))
    found = np.fromiter(grouped.iterator(chunk_size=100_000), dtype=np.dtype((np.int64, 4 + len(names)))).T
    # A model may have come since the models were listed.
    found = found[:, np.isin(found[:2], models).all(axis=0)]
    model_a, model_b = np.searchsorted(models, found[:2])
    columns = dict(zip(names, found[3:-1], strict=True))
    return Votes(tuple(models), model_a, model_b, found[2], found[-1].astype(np.float64), columns)


def keep_telling(votes: Votes) -> Votes | None:
    """The votes with those columns that have clusters enough for all their models; None where no column has."""
    wanted = max(FEWEST, len(votes.models) + 1)
    telling = {name: labels for name, labels in votes.clusters.items() if len(np.unique(labels[labels >= 0])) >= wanted}
    return replace(votes, clusters=telling) if telling else None
