"""Compute a board's leaderboard now and print it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import F

from arena.leaderboards import rate_board
from arena.models import Board, Leaderboard, Rating


class Command(BaseCommand):
    help = "Compute a board's ratings from its votes, store them as a snapshot (when they changed) and print them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--board", required=True, metavar="SLUG")

    def handle(self, *args: Any, **options: Any) -> None:
        board = Board.objects.filter(slug=options["board"]).first()
        if board is None:
            known = ", ".join(Board.objects.values_list("slug", flat=True)) or "none"
            raise CommandError(f"There is no board {options['board']!r}. Known: {known}.")
        made = rate_board(board)
        leaderboard = made or Leaderboard.objects.newest(board)
        if leaderboard is None:
            raise CommandError("Another process removed the snapshot. Run this again.")
        self.stdout.write(
            f"{board.title}: {leaderboard.n_votes:,} votes ({board.get_origin_display()}), "
            f"{'new' if made else 'unchanged'} snapshot {leaderboard.pk}, digest {leaderboard.digest[:12]}"
        )
        self.stdout.write(format_table(leaderboard))


def format_table(leaderboard: Leaderboard) -> str:
    """The snapshot as fixed-width text."""
    rows = leaderboard.ratings.select_related("model").order_by(F("value").desc(nulls_last=True), "model__name")
    width = max((len(row.model.name) for row in rows), default=5)
    lines = [f"{'rank':>7}  {'model':<{width}}  {'rating':>6}  {'95 % interval':>15}  {'votes':>9}"]
    return "\n".join([*lines, *(_format_row(row, width) for row in rows)])


def _format_row(row: Rating, width: int) -> str:
    note = "  preliminary" if row.preliminary else ""
    if row.value is None:
        return (
            f"{'-':>7}  {row.model.name:<{width}}  {'-':>6}  {'-':>15}  {row.n_votes:>9,}  {row.get_unrated_display()}"
        )
    rank = str(row.rank_best) if row.rank_best == row.rank_worst else f"{row.rank_best}-{row.rank_worst}"
    interval = f"{row.ci_low:.0f} to {row.ci_high:.0f}"
    return f"{rank:>7}  {row.model.name:<{width}}  {row.value:>6.0f}  {interval:>15}  {row.n_votes:>9,}{note}"
