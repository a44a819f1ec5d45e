"""Retention of leaderboards: all of the last days, then the last one of each hour, then the last one of each day.

The first and the newest snapshot of a board always stay. Snapshots are read only as the newest of their board, and no
other row names one; votes and their counts are never touched, so any earlier rating can be derived again.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from django.conf import settings
from django.db.models import Sum, TextField
from django.db.models.functions import Cast, Length
from django.utils import timezone

from arena.models import Board, Leaderboard
from generators.pruning import BATCH, Pruned, delete_rows


def prune_leaderboards(*, dry_run: bool) -> Iterator[Pruned]:
    """Delete the superfluous snapshots of all boards, with their ratings."""
    if not settings.KEEP_LEADERBOARDS_DAYS:
        return
    for board in Board.objects.order_by("pk"):
        made = Leaderboard.objects.filter(board=board).order_by("pk").values_list("pk", "computed_at")
        superfluous = choose_superfluous(
            list(made),
            timezone.now(),
            all_days=settings.KEEP_LEADERBOARDS_DAYS,
            hourly_days=settings.KEEP_HOURLY_LEADERBOARDS_DAYS,
        )
        for start in range(0, len(superfluous), BATCH):
            rows = Leaderboard.objects.filter(pk__in=superfluous[start : start + BATCH])
            size = rows.aggregate(size=Sum(Length(Cast("counts", TextField()))))["size"] or 0
            yield sum(delete_rows(rows, dry_run=dry_run), Pruned(0, size))


def choose_superfluous(
    snapshots: Sequence[tuple[int, datetime]], now: datetime, *, all_days: int, hourly_days: int
) -> list[int]:
    """The snapshots to delete, of the (id, time) of one board in the order of ids. Hours and days are those of UTC.

    ``all_days``: days in which all stay; ``hourly_days``: days before them in which one of each hour stays, 0 for all
    time before.
    """
    all_since = now - timedelta(days=all_days)
    hourly_since = all_since - timedelta(days=hourly_days)
    superfluous = []
    for (pk, made), (_, next_made) in pairwise(snapshots[1:]):
        period = "%Y-%m-%d %H" if made >= hourly_since or not hourly_days else "%Y-%m-%d"
        if made < all_since and next_made.strftime(period) == made.strftime(period):
            superfluous.append(pk)
    return superfluous
