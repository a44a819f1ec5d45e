"""Retention of battles and derivatives: battles without a vote, and images for the browser that nothing reads now."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from arena.models import Battle, Vote
from generators.pruning import Pruned, delete_rows, read_days


def prune_battles(*, dry_run: bool) -> Iterator[Pruned]:
    """Delete battles without a vote, open or closed. A battle with a vote always stays."""
    if (keep := read_days(settings.KEEP_BATTLES_DAYS)) is None:
        return
    unanswered = ~Exists(Vote.objects.filter(battle=OuterRef("pk")))
    yield from delete_rows(Battle.objects.filter(unanswered, opened_at__lt=timezone.now() - keep), dry_run=dry_run)


def prune_derivatives(*, dry_run: bool) -> Iterator[Pruned]:
    """Delete derivatives that were not read for a while. Each is made again from its original when it is needed."""
    if (keep := read_days(settings.KEEP_DERIVATIVES_DAYS)) is None:
        return
    before = time.time() - keep.total_seconds()
    folders = list((Path(settings.MEDIA_ROOT) / "derivatives").glob("*/*"))
    random.shuffle(folders)  # a pass that is ended early must not leave out the same folders every day
    for folder in folders:
        yield sum((_remove_unused(file, before, dry_run=dry_run) for file in folder.glob("*.jpg")), Pruned())


def _remove_unused(file: Path, before: float, *, dry_run: bool) -> Pruned:
    try:
        known = file.stat()
        if max(known.st_atime, known.st_mtime) >= before:
            return Pruned()
        if not dry_run:
            file.unlink()
    except FileNotFoundError:
        return Pruned()
    return Pruned(1, known.st_size)
