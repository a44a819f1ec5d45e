"""Orphaned originals: files that no row names are deleted when they have not been stored for a while.

A file is stored before its row is written, and storing it again renews its age (``originals.store``). So an import or a
drawing in progress keeps its files, also those that were there before.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from django.utils import timezone

from generators.images import originals
from generators.models import Generation, Prompt
from generators.pruning import Pruned, read_days


def prune_originals(keep_days: int, *, dry_run: bool, forget: Callable[[str], None]) -> Iterator[Pruned]:
    """Delete originals that no generation and no prompt names. ``forget`` is called with each deleted digest."""
    if (keep := read_days(keep_days)) is None:
        return
    before = timezone.now() - keep
    edits = Prompt.objects.exclude(sources=[]).values_list("sources", "mask")
    sources = {digest for sources, mask in edits.iterator() for digest in (*sources, mask)}
    for digests in originals.list_stored():
        yield _prune_folder(sorted(set(digests) - sources), before, dry_run=dry_run, forget=forget)


def _prune_folder(digests: Sequence[str], before: datetime, *, dry_run: bool, forget: Callable[[str], None]) -> Pruned:
    pruned = Pruned()
    drawn = set(Generation.objects.filter(original__in=digests).values_list("original", flat=True))
    for digest in digests:
        if digest in drawn:
            continue
        size = originals.find_size(digest, before) if dry_run else originals.remove(digest, before)
        if size is not None:
            pruned += Pruned(1, size)
            if not dry_run:
                forget(digest)
    return pruned
