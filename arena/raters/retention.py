"""Retention of what limits count, and of sessions: rows that have expired and mean nothing any more."""

from collections.abc import Iterator

from django.contrib.sessions.models import Session
from django.utils import timezone

from arena.raters import networks, rates, sign_in
from generators.pruning import Pruned, delete_rows


def prune_counters(*, dry_run: bool) -> Iterator[Pruned]:
    """Delete expired rate counts, failed sign-in attempts and network keys."""
    for rows in (rates.list_expired_counts(), sign_in.list_expired_failures(), networks.list_expired_keys()):
        n = rows.count() if dry_run else rows.delete()[0]
        yield Pruned(n)


def prune_sessions(*, dry_run: bool) -> Iterator[Pruned]:
    yield from delete_rows(Session.objects.filter(expire_date__lt=timezone.now()), dry_run=dry_run)
