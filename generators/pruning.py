"""Pruning: what every kind of retention shares. A kind yields what it deleted, batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
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
