"""Command that exports a board's votes to a file, for other tools or for import_votes."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.management.board_argument import find_board
from arena.votes.exports import WRITERS, export_votes

HELP = f"""
Write the votes of a board that count to a file ({", ".join(WRITERS)}), one vote per line, with pseudonyms for raters.
import_votes reads the file back: it gives the same votes and ratings.
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--board", required=True, metavar="SLUG")
        parser.add_argument(
            "--with-excluded",
            action="store_true",
            help="also export the votes that do not count, with their reasons in the column exclusions",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        board = find_board(options["board"])
        file: Path = options["file"]
        if file.suffix.lower() not in WRITERS:
            raise CommandError(f"{str(file)!r} has no known extension. Use one of {', '.join(WRITERS)}.")
        try:
            made = export_votes(board, file, with_excluded=options["with_excluded"])
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{board.title}: {made.n_votes:,} votes written to {file}.")
        if made.n_left_out:
            self.stdout.write(
                f"{made.n_left_out:,} excluded votes are left out, because they do not count; --with-excluded exports"
                " them, too."
            )
