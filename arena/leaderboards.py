"""From votes to a stored table: counts by SQL, ratings by the engine, an immutable snapshot."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, cast

from django.db import transaction
from django.db.models import Count, Max

from arena.models import Board, Leaderboard, Rating, Vote
from evaluation.ratings.bradley_terry import BradleyTerry, fit_bradley_terry
from evaluation.ratings.components import find_components
from evaluation.ratings.counts import BOTH_BAD, TIE, Counts, count_rows
from evaluation.ratings.ranks import rank_ranges


def rate_board(board: Board) -> Leaderboard | None:
    """Compute the board's ratings and store them as a new snapshot; None when they are those of the newest one."""
    with transaction.atomic():
        # One at a time per board, so that two computations never store the same table twice.
        Board.objects.select_for_update().get(pk=board.pk)
        last_vote_id = Vote.objects.filter(board=board).aggregate(last=Max("id"))["last"] or 0
        votes = Vote.objects.filter(board=board, id__lte=last_vote_id)
        rows = sorted(
            votes.countable().values_list("model_a", "model_b", "winner").annotate(votes=Count("id")).order_by()
        )
        leaderboard, ratings = _rate(board, rows)
        newest = Leaderboard.objects.newest(board)
        if newest and newest.digest == leaderboard.digest:
            return None
        leaderboard.last_vote_id = last_vote_id
        leaderboard.n_raters = votes.countable().aggregate(n=Count("rater", distinct=True))["n"]
        leaderboard.n_set_aside = votes.count() - leaderboard.n_votes
        leaderboard.save()
        Rating.objects.bulk_create(ratings)
        return leaderboard


def _rate(board: Board, rows: Sequence[tuple[int, int, str, int]]) -> tuple[Leaderboard, list[Rating]]:
    model_ids = sorted({pk for row in rows for pk in row[:2]} | set(board.contestants.values_list("pk", flat=True)))
    counts = count_rows(model_ids, rows)
    components = find_components(counts)
    rated = counts.select(components.rated)
    fit = fit_bradley_terry(rated) if components.rated else None
    leaderboard = Leaderboard(
        board=board,
        parameters=_describe(fit) | {"preliminary_below": board.preliminary_below},
        counts=rows,
        n_votes=counts.n_votes,
    )
    ratings = [
        _tally(leaderboard, counts, i, board.preliminary_below, unrated=components.unrated.get(i, ""))
        for i in range(len(model_ids))
    ]
    if fit:
        best, worst = rank_ranges(fit.ci_low, fit.ci_high)
        for position, i in enumerate(components.rated):
            row = ratings[i]
            row.value, row.ci_low, row.ci_high = (float(x[position]) for x in (fit.ratings, fit.ci_low, fit.ci_high))
            row.rank_best, row.rank_worst = int(best[position]), int(worst[position])
    leaderboard.digest = _digest(leaderboard, ratings)
    return leaderboard, ratings


def _describe(fit: BradleyTerry | None) -> dict[str, Any]:
    described: dict[str, Any] = {"method": "bradley_terry", "ties": "half", "both_bad": "half", "interval": "sandwich"}
    if fit:
        described |= {name: getattr(fit, name) for name in ("scale", "base", "center", "confidence")}
    return described


def _tally(leaderboard: Leaderboard, counts: Counts, i: int, preliminary_below: int, *, unrated: str) -> Rating:
    n_votes = int(counts.meetings[i].sum())
    return Rating(
        leaderboard=leaderboard,
        model_id=cast(int, counts.models[i]),
        unrated=unrated,
        preliminary=n_votes < preliminary_below,
        n_votes=n_votes,
        wins=int(counts.wins[i].sum()),
        losses=int(counts.wins[:, i].sum()),
        ties=int(counts.drawn(TIE)[i].sum()),
        both_bad=int(counts.drawn(BOTH_BAD)[i].sum()),
    )


def _digest(leaderboard: Leaderboard, ratings: Sequence[Rating]) -> str:
    content = {
        "parameters": leaderboard.parameters,
        "counts": leaderboard.counts,
        "ratings": [[r.model_id, r.value, r.ci_low, r.ci_high, r.unrated, r.preliminary] for r in ratings],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
