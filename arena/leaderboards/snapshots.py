"""Snapshots: leaderboards computed from the counts of a board and stored for good."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from django.db import transaction
from django.db.models import Q

from arena.leaderboards.matchup_counts import pack_counts
from arena.models import Board, Leaderboard, Rating, VoteCursor
from arena.read_transaction import read_transaction
from arena.votes.clusters import read_clusters
from arena.votes.counts import BoardCounts, advance_counts, read_counts, rebuild_counts
from arena.votes.exclusions import digest_exclusions
from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.components import Components, find_components
from evaluation.ratings.counts import Counts
from evaluation.ratings.jackknife import TooFewClustersError
from evaluation.ratings.outcomes import BOTH_BAD, TIE
from evaluation.ratings.ranks import find_rank_probabilities, find_rank_sets, rank_ranges
from evaluation.ratings.ratings import Ratings
from evaluation.ratings.scales import Scale
from evaluation.ratings.usable_rates import UsableRates, fit_usable_rates
from evaluation.ratings.votes import Votes

SCALE: Final = Scale()
CONFIDENCE: Final = 0.95
# Rank sets and the probability of being first come from simulated draws, with a fixed seed.
DRAWS: Final = {"draws": 2000, "seed": 0}


def rate_board(board: Board, *, rebuild: bool = False) -> Leaderboard | None:
    """Compute the board's ratings and store them as a new snapshot.

    The votes are read without a lock and the ratings fitted outside any transaction, so that votes go on meanwhile.
    All that is read is of one state of the database: counts, clusters and exclusions belong together.

    Args:
        board: The board.
        rebuild: Recount all votes first.

    Returns:
        The snapshot; None if the newest one has the same votes, or if another process stored one meanwhile.
    """
    (rebuild_counts if rebuild else advance_counts)(board)
    with read_transaction():
        newest = Leaderboard.objects.filter(board=board).order_by("-id").first()
        counted = read_counts(board)
        leaderboard = _make_leaderboard(board, counted)
        leaderboard.exclusions_digest = digest_exclusions(board)
        if newest and _is_same(newest, leaderboard):
            return None
        clusters = read_clusters(board, counted.models, counted.last_vote_id)
    ratings = _rate(leaderboard, counted, clusters)
    return _store(leaderboard, ratings, newest)


def preview_ratings(board: Board, without: Q | None = None) -> list[Rating]:
    """Compute the ratings of all models, as if votes were excluded, and store nothing.

    Args:
        board: The board.
        without: The condition on Vote of the votes to exclude.
    """
    with read_transaction():
        counted = read_counts(board, without)
        clusters = read_clusters(board, counted.models, counted.last_vote_id, without)
    return _rate(_make_leaderboard(board, counted), counted, clusters)


def _make_leaderboard(board: Board, counted: BoardCounts) -> Leaderboard:
    return Leaderboard(
        board=board,
        parameters=_describe(board),
        counts=pack_counts(counted.counts),
        last_vote_id=counted.last_vote_id,
        n_votes=counted.counts.n_votes,
        n_raters=counted.n_raters,
        excluded={reason: excluded.n_votes for reason, excluded in counted.excluded.items()},
    )


def _store(leaderboard: Leaderboard, ratings: Sequence[Rating], newest: Leaderboard | None) -> Leaderboard | None:
    """Store the snapshot; None if ``newest`` is not the board's newest snapshot any more."""
    snapshots = Leaderboard.objects.filter(board=leaderboard.board, pk__gt=newest.pk if newest else 0)
    with transaction.atomic():
        VoteCursor.objects.select_for_update().get(board=leaderboard.board)
        if snapshots.exists():
            return None
        leaderboard.save()
        Rating.objects.bulk_create(ratings)
    return leaderboard


def _is_same(newest: Leaderboard, leaderboard: Leaderboard) -> bool:
    """Whether both have the same content except for the interval, which follows from the votes."""
    interval = {name: leaderboard.parameters[name] for name in ("interval", "no_interval")}
    same = all(
        getattr(newest, name) == getattr(leaderboard, name) for name in ("counts", "excluded", "exclusions_digest")
    )
    return same and newest.parameters | interval == leaderboard.parameters


def _describe(board: Board) -> dict[str, Any]:
    """The parameters of the ratings. ``interval`` is the one used; none if ``no_interval`` says why."""
    return {
        "method": "bradley_terry",
        "ties": "half",
        "both_bad": "half",
        "interval": board.interval,
        "interval_wanted": board.interval,
        "no_interval": "",
        "covariance": "sandwich" if board.interval == Board.Interval.SANDWICH else "cluster jackknife",
        "scale": SCALE.scale,
        "base": SCALE.base,
        "center": SCALE.center,
        "anchor": None,
        "confidence": CONFIDENCE,
        "rank_draws": DRAWS,
        "preliminary_below": board.preliminary_below,
    }


def _rate(leaderboard: Leaderboard, counted: BoardCounts, clusters: Votes | None) -> list[Rating]:
    """Make the rows of the snapshot, and set its digests."""
    counts = counted.counts
    components = find_components(counts)
    ratings = _make_rows(leaderboard, counted, components)
    if components.rated:
        rated, rows = counts.select(components.rated), [ratings[i] for i in components.rated]
        try:
            fit = _fit(rated, "sandwich", clusters.select(components.rated) if clusters else None)
            reason = "" if fit.shows_variance else "too few decided votes for an interval"
        except TooFewClustersError as error:
            # An interval that ignores the clusters would be too narrow: rather none.
            fit, reason = _fit(rated, "inverse_hessian", None), f"too few {error.column}s for an interval"
        _write_values(rows, fit)
        if reason:
            leaderboard.parameters |= {"interval": "none", "no_interval": reason}
        else:
            _write_intervals(rows, fit)
            leaderboard.covariance_digest = hashlib.sha256(fit.covariance.astype("<f8").tobytes()).hexdigest()
    if counts.n_votes:
        try:
            _write_usable_rates(ratings, fit_usable_rates(counts, clusters=clusters, confidence=CONFIDENCE))
        except TooFewClustersError:
            _write_usable_rates(ratings, fit_usable_rates(counts, confidence=CONFIDENCE))
            for row in ratings:
                row.usable_low = row.usable_high = None
    leaderboard.digest = _digest(leaderboard, counts, ratings)
    return ratings


def _fit(counts: Counts, interval: Literal["sandwich", "inverse_hessian"], clusters: Votes | None) -> Ratings:
    return fit_bradley_terry(
        counts,
        ties="half",
        both_bad="half",
        interval=interval,
        clusters=clusters,
        scale=SCALE,
        confidence=CONFIDENCE,
    )


def _make_rows(leaderboard: Leaderboard, counted: BoardCounts, components: Components) -> list[Rating]:
    """A row per model, still without a rating."""
    counts = counted.counts
    excluded = {reason: excluded.meetings.sum(axis=1).tolist() for reason, excluded in counted.excluded.items()}
    columns = [
        counts.wins.sum(axis=1),
        counts.wins.sum(axis=0),
        counts.drawn(TIE).sum(axis=1),
        counts.drawn(BOTH_BAD).sum(axis=1),
    ]
    below = leaderboard.parameters["preliminary_below"]
    return [
        Rating(
            leaderboard=leaderboard,
            model_id=model_id,
            unrated=components.unrated.get(i, ""),
            preliminary=sum(outcome_counts) < below,
            n_votes=sum(outcome_counts),
            wins=outcome_counts[0],
            losses=outcome_counts[1],
            ties=outcome_counts[2],
            both_bad=outcome_counts[3],
            excluded={reason: votes[i] for reason, votes in excluded.items() if votes[i]},
        )
        for i, (model_id, outcome_counts) in enumerate(zip(counted.models, np.transpose(columns).tolist(), strict=True))
    ]


def _write_values(rows: Sequence[Rating], fit: Ratings) -> None:
    """Set the ratings in the rows of the rated models."""
    for row, value in zip(rows, fit.values.tolist(), strict=True):
        row.value = value


def _write_intervals(rows: Sequence[Rating], fit: Ratings) -> None:
    """Set intervals and ranks in the rows of the rated models."""
    best, worst = rank_ranges(fit.ci_low, fit.ci_high)
    sets = find_rank_sets(fit, confidence=CONFIDENCE, **DRAWS)
    names = ("ci_low", "ci_high", "rank_best", "rank_worst", "rank_set_best", "rank_set_worst", "p_first")
    first = find_rank_probabilities(fit, **DRAWS).best
    columns = (fit.ci_low, fit.ci_high, best, worst, sets.best, sets.worst, first)
    for row, values in zip(rows, zip(*(column.tolist() for column in columns), strict=True), strict=True):
        for name, value in zip(names, values, strict=True):
            setattr(row, name, value)


def _write_usable_rates(rows: Sequence[Rating], rates: UsableRates) -> None:
    """Set the usable rates in the rows of all models that have votes."""
    for row, *rate in zip(rows, rates.values.tolist(), rates.ci_low.tolist(), rates.ci_high.tolist(), strict=True):
        if row.n_votes:
            row.usable, row.usable_low, row.usable_high = rate


def _digest(leaderboard: Leaderboard, counts: Counts, ratings: Sequence[Rating]) -> str:
    content = {
        "parameters": leaderboard.parameters,
        "models": counts.models,
        "counts": hashlib.sha256(counts.table.astype("<i8").tobytes()).hexdigest(),
        "excluded": leaderboard.excluded,
        "covariance": leaderboard.covariance_digest,
        "ratings": [[r.model_id, r.value, r.ci_low, r.ci_high, r.unrated, r.preliminary] for r in ratings],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
