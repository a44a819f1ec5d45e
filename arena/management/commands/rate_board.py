"""Command that computes a board's leaderboard, prints it, and can write it to a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import F

from arena.leaderboards import exports
from arena.leaderboards.snapshots import rate_board
from arena.management.board_argument import find_board
from arena.models import Board, Leaderboard, Rating


class Command(BaseCommand):
    help = "Compute a board's ratings from its votes, store them as a snapshot if they changed, and print them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--board", required=True, metavar="SLUG")
        parser.add_argument("--rebuild", action="store_true", help="recount all votes instead of adding the new ones")
        parser.add_argument(
            "--output", type=Path, metavar="FILE", help=f"also write the table to a file: {_list_extensions()}"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        board = find_board(options["board"])
        output: Path | None = options["output"]
        if output:
            _expect_writable(output)
        made = rate_board(board, rebuild=options["rebuild"])
        leaderboard = made or Leaderboard.objects.newest(board)
        if leaderboard is None:
            raise CommandError("Another process deleted the snapshot meanwhile. Run the command again.")
        self.stdout.write(
            f"{board.title}: {leaderboard.n_votes:,} votes ({board.get_origin_display()}), "
            f"{'new' if made else 'unchanged'} snapshot {leaderboard.pk}, digest {leaderboard.digest[:12]}"
        )
        if leaderboard.excluded:
            self.stdout.write(leaderboard.describe_excluded())
        self.stdout.write(format_table(leaderboard))
        if output:
            try:
                output.write_bytes(exports.write(leaderboard, output.suffix[1:].lower()))
            except OSError as error:
                raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
            self.stdout.write(f"Written to {output}.")


def format_table(leaderboard: Leaderboard) -> str:
    """The snapshot as a text table, best model first. Rows without a rating end with the reason.

    A line below the table says why there are no intervals, or what they ignore.
    """
    rows = leaderboard.ratings.select_related("model").order_by(F("value").desc(nulls_last=True), "model__name")
    interval = f"{100 * leaderboard.parameters['confidence']:g} % interval"
    table = align_columns([("rank", "model", "rating", interval, "votes", "win rate", ""), *map(format_row, rows)])
    return "\n".join([table, *describe_interval(leaderboard)])


def describe_interval(leaderboard: Leaderboard) -> list[str]:
    """A sentence if the ratings have no interval, or one that ignores that raters vote more than once."""
    if leaderboard.no_interval:
        return [f"No intervals and no ranks: {leaderboard.no_interval}."]
    if leaderboard.parameters["interval"] == Board.Interval.SANDWICH:
        return ["These intervals ignore that raters vote more than once, as the board's interval is 'sandwich'."]
    return []


def align_columns(cells: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines: the second column and the last one begin at one place, the others end at one."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        padded = [text.rjust(width) for text, width in zip(line, widths, strict=True)]
        padded[1], padded[-1] = line[1].ljust(widths[1]), line[-1]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def format_row(row: Rating) -> tuple[str, ...]:
    """The cells of rank, model, rating, interval, votes, win rate, and a remark."""
    won = "-" if row.win_rate is None else f"{100 * row.win_rate:.1f} %"
    votes = f"{row.n_votes:,}"
    if row.value is None:
        return "-", row.model.name, "-", "-", votes, won, row.get_unrated_display()
    rank = interval = "-"
    if row.ci_low is not None and row.ci_high is not None:
        rank = str(row.rank_best) if row.rank_best == row.rank_worst else f"{row.rank_best}-{row.rank_worst}"
        interval = f"{row.ci_low:.0f} to {row.ci_high:.0f}"
    return rank, row.model.name, f"{row.value:.0f}", interval, votes, won, "preliminary" if row.preliminary else ""


def _list_extensions() -> str:
    return ", ".join(f".{kind}" for kind in exports.MEDIA_TYPES)


def _expect_writable(output: Path) -> None:
    """Checked before the ratings are computed, not after."""
    if output.suffix[1:].lower() not in exports.MEDIA_TYPES:
        raise CommandError(f"{str(output)!r} has no known extension. Use one of {_list_extensions()}.")
    if not output.parent.is_dir() or output.is_dir():
        raise CommandError(f"{output} cannot be written: {output.parent} is not a folder, or {output.name} is one.")
