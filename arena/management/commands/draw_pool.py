"""Have the workers draw a board's images ahead of the raters."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.models import Board
from arena.pools import fill_pool, watch_pool


class Command(BaseCommand):
    help = "Dispatch every image that the board can show and that is not drawn yet; --wait shows the progress."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--board", required=True, metavar="SLUG")
        parser.add_argument("--wait", action="store_true", help="stay until all are drawn or have failed")

    def handle(self, *args: Any, **options: Any) -> None:
        board = Board.objects.filter(slug=options["board"]).first()
        if board is None:
            known = ", ".join(Board.objects.values_list("slug", flat=True)) or "none"
            raise CommandError(f"There is no board {options['board']!r}. Known: {known}.")
        pool = fill_pool(board)
        self.stdout.write(f"{len(pool)} images in the pool of {board.slug}.")
        if options["wait"]:
            tally = watch_pool(pool)
            self.stdout.write(", ".join(f"{count} {status}" for status, count in tally.items()))
