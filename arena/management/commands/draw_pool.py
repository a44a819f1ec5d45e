"""Draw the images of a board before raters need them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.core.management.base import CommandParser

from arena.battles.pools import count_missing, fill_pool, watch_pool
from arena.management.board_argument import find_board
from generators.adapters.registry import is_provider
from generators.management.dispatching import DispatchingCommand
from generators.management.progress import Progress
from generators.management.standstill import Standstill
from generators.models import Generation, ImageModel
from generators.providers.budgets import spent_on
from generators.providers.charges import estimate_cost
from generators.workers.presence import describe_drawing


class Command(DispatchingCommand):
    help = "Request every image that the board can show and that is not drawn yet."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--board", required=True, metavar="SLUG")
        parser.add_argument(
            "--dry-run", action="store_true", help="print the missing images and their highest cost, and draw nothing"
        )
        parser.add_argument("--wait", action="store_true", help="show the progress until all are drawn or have failed")

    def handle(self, *args: Any, **options: Any) -> None:
        board = find_board(options["board"])
        if options["dry_run"]:
            missing = count_missing(board)
            for model, n_images in missing.items():
                self.stdout.write(describe_missing(model, n_images))
            self.stdout.write(f"{missing.total()} images are missing. This was a dry run: nothing was requested.")
            return
        with Progress("image") as progress:
            pool = fill_pool(board, partial(progress.show, "requesting"))
        self.stdout.write(f"{len(pool)} images in the pool of {board.slug}.")
        if options["wait"]:
            with Progress("image") as progress:
                outcome_counts = watch_pool(pool, partial(_show, progress, _watch_workers(pool)))
            self.stdout.write(", ".join(f"{count} {status}" for status, count in outcome_counts.items()))


def _watch_workers(pool: Sequence[int]) -> Standstill:
    # By range, since a pool may have more ids than a query takes. Rows of other boards in between hardly matter here.
    open_rows = Generation.objects.filter(pk__range=(min(pool, default=0), max(pool, default=0)))
    return Standstill(lambda: describe_drawing(open_rows))


def _show(progress: Progress, standstill: Standstill, n_done: int, total: int) -> None:
    progress.show("drawing", n_done, total)
    standstill.note(n_done)


def describe_missing(model: ImageModel, n_images: int) -> str:
    line = f"{model.slug}: {n_images} images"
    if not is_provider(model.adapter):
        return line
    cost = estimate_cost(model, n_images)
    if cost is None:
        return f"{line}; without a price for today they cannot be drawn"
    left = "" if model.budget is None else f", ${model.budget - spent_on(model):.2f} left in its budget"
    return f"{line}, ${cost:.2f} at most{left}"
