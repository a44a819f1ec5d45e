"""Retention of battles and derivatives: battles without a vote, and images for the browser that nothing reads now."""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from arena.models import Battle, Vote
from generators.pruning import Pruned, delete_rows, delete_unused_files, read_days


def prune_battles(*, dry_run: bool) -> Iterator[Pruned]:
    """Delete battles without a vote, open or closed. A battle with a vote always stays."""
    if (keep := read_days(settings.KEEP_BATTLES_DAYS)) is None:
        return
    unanswered = ~Exists(Vote.objects.filter(battle=OuterRef("pk")))
    yield from delete_rows(Battle.objects.filter(unanswered, opened_at__lt=timezone.now() - keep), dry_run=dry_run)


def prune_derivatives(*, dry_run: bool) -> Iterator[Pruned]:
    """Delete derivatives that were not read for a while. Each is made again from its original when it is needed."""
    folder = Path(settings.MEDIA_ROOT) / "derivatives"
    yield from delete_unused_files(folder, settings.KEEP_DERIVATIVES_DAYS, dry_run=dry_run)
