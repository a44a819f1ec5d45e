"""Pruning: what every kind of retention shares. A kind yields what it deleted, batch by batch."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

# Rows deleted in one transaction.
BATCH: Final = 500


@dataclass(frozen=True)
class Pruned:
    """What was deleted, or would be: rows or files, and their bytes as far as they are known."""

    n: int = 0
    bytes: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        return Pruned(self.n + other.n, self.bytes + other.bytes)


def read_days(number: int) -> timedelta | None:
    """The time that a setting in days stands for; None for 0, which keeps everything."""
    return timedelta(days=number) if number else None


def delete_rows(rows: "QuerySet[Any]", *, dry_run: bool) -> Iterator[Pruned]:
    """Delete the rows of a query in batches, each in a transaction that locks the rows and looks at them again."""
    if dry_run:
        yield Pruned(rows.count())
        return
    everything, last = rows.model._default_manager.all(), None
    while True:
        ahead = rows if last is None else rows.filter(pk__gt=last)
        if not (pks := list(ahead.order_by("pk").values_list("pk", flat=True)[:BATCH])):
            return
        last = pks[-1]
        with transaction.atomic():
            locked = [row.pk for row in everything.filter(pk__in=pks).select_for_update().only("pk")]
            found = list(rows.filter(pk__in=locked).values_list("pk", flat=True))
            everything.filter(pk__in=found).delete()
        yield Pruned(len(found))


def delete_unused_files(root: Path, keep_days: int, *, dry_run: bool) -> Iterator[Pruned]:
    """Delete the files in the folders two levels below ``root`` that were not read or written for these days.

    The folders come in random order: a pass that is ended early must not leave out the same ones every day.
    """
    if (keep := read_days(keep_days)) is None:
        return
    before = time.time() - keep.total_seconds()
    folders = [folder for folder in root.glob("*/*") if folder.is_dir()]
    random.shuffle(folders)
    for folder in folders:
        yield sum((_delete_unused(file, before, dry_run=dry_run) for file in folder.iterdir()), Pruned())


def _delete_unused(file: Path, before: float, *, dry_run: bool) -> Pruned:
    try:
        known = file.stat()
        if max(known.st_atime, known.st_mtime) >= before:
            return Pruned()
        if not dry_run:
            file.unlink()
    except FileNotFoundError:
        return Pruned()
    return Pruned(1, known.st_size)
