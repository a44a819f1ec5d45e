"""Command that excludes votes of a board, and shows what changes in its leaderboard."""

from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.leaderboards.previews import ExclusionPreview, preview_exclusion
from arena.management.board_argument import find_board
from arena.management.commands.rate_board import align_columns, format_row
from arena.models import Rating
from arena.votes.exclusions import exclude_votes
from arena.votes.selections import Selection, SelectionError, find_condition

HELP = """
Exclude votes of a board, so that they do not count. They stay stored, and lift_exclusion lets them count again. Votes
are selected by rater, network, time and battle: those that fit all the options given. Votes that are cast later are
not excluded.
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("board", metavar="BOARD", help="slug of the board")
        parser.add_argument(
            "--rater", nargs="+", action="extend", default=[], metavar="RATER", help="keys of raters, names or accounts"
        )
        parser.add_argument(
            "--network", action="append", default=[], metavar="HASH", help="network that the battles were opened from"
        )
        parser.add_argument("--since", type=read_time, metavar="TIME", help="from this time on, as 2026-11-26T08:00Z")
        parser.add_argument("--until", type=read_time, metavar="TIME", help="before this time")
        parser.add_argument(
            "--battle",
            nargs="+",
            action="extend",
            default=[],
            type=read_token,
            metavar="TOKEN",
            help="addresses of battles, or their last parts",
        )
        parser.add_argument("--note", required=True, help="why the votes do not count")
        parser.add_argument("--by", default="operator", metavar="WHO", help="who decides it")
        parser.add_argument("--dry-run", action="store_true", help="show what would change, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        board = find_board(options["board"])
        if not options["note"].strip():
            raise CommandError("The note is empty. Say why the votes do not count.")
        selection = Selection(
            raters=options["rater"],
            networks=options["network"],
            since=options["since"],
            until=options["until"],
            battles=options["battle"],
        )
        try:
            preview = preview_exclusion(board, find_condition(board, selection))
        except SelectionError as error:
            raise CommandError(str(error)) from error
        if not preview.votes:
            raise CommandError(f"No vote on the board {board.slug} fits all of these options. Nothing was excluded.")
        self.stdout.write(format_preview(preview))
        if options["dry_run"]:
            self.stdout.write("Nothing was written.")
            return
        exclusion = exclude_votes(board, preview.votes, note=options["note"], made_by=options["by"])
        self.stdout.write(
            f"Excluded as exclusion {exclusion.pk}, from the next rating on. To let the votes count again: "
            f"paragone lift_exclusion {exclusion.pk} --by WHO"
        )


def read_token(text: str) -> str:
    """The token of a battle, from its address or from the token itself."""
    return text.rstrip("/").rpartition("/")[2]


def read_time(text: str) -> datetime:
    """A time in ISO 8601 with its zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a time in ISO 8601. Write it as 2026-11-26T08:00Z.") from None
    if time.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} has no time zone. Write it as {text}Z in UTC, or as {text}+02:00.")
    return time


def format_preview(preview: ExclusionPreview) -> str:
    """The numbers of votes and raters, and the table before and after, by the rating after."""
    n_votes, n_earlier = len(preview.votes), len(preview.votes) - preview.n_countable
    earlier = f", of which {n_earlier:,} {'is' if n_earlier == 1 else 'are'} excluded already" if n_earlier else ""
    votes = f"{n_votes:,} vote{'' if n_votes == 1 else 's'}"
    raters = f"{preview.n_raters:,} rater{'' if preview.n_raters == 1 else 's'}"
    pairs = sorted(
        zip(preview.before, preview.after, strict=True),
        key=lambda pair: (-(pair[1].value or float("-inf")), pair[1].model.name),
    )
    rows = [_format_change(before, after) for before, after in pairs]
    table = align_columns([("rank", "model", "rating", "95 % interval", "votes", "change", ""), *rows])
    return f"{votes} of {raters}{earlier}.\n{table}"


def _format_change(before: Rating, after: Rating) -> tuple[str, ...]:
    cells = zip(format_row(before)[:5], format_row(after)[:5], strict=True)
    change = "" if before.value is None or after.value is None else f"{after.value - before.value:+.0f}"
    remark = after.get_unrated_display()
    return *(old if old == new else f"{old} → {new}" for old, new in cells), change, remark
