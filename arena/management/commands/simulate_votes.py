"""Command that adds simulated votes to a simulated board."""

import argparse
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.models import Board, Origin
from arena.simulation import SimulationError, StrengthModel, simulate_votes
from generators.management.progress import Progress


class Command(BaseCommand):
    help = "Add simulated votes to a simulated board. They follow the strength model that the board declares."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--board", required=True, metavar="SLUG")
        parser.add_argument("--votes", required=True, type=_read_count)
        parser.add_argument("--raters", default=50, type=_read_count)
        parser.add_argument(
            "--seed", default=0, type=_read_seed, help="the same seed on the same board gives the same votes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        board = Board.objects.filter(slug=options["board"]).first()
        if board is None:
            known = ", ".join(Board.objects.filter(origin=Origin.SIMULATED).values_list("slug", flat=True))
            raise CommandError(f"There is no board {options['board']!r}. Simulated boards: {known or 'none yet'}.")
        try:
            with Progress("vote") as progress:
                model = simulate_votes(
                    board,
                    n_votes=options["votes"],
                    n_raters=options["raters"],
                    seed=options["seed"],
                    on_batch=partial(progress.show, "simulating"),
                )
        except SimulationError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{board.title}: {options['votes']:,} simulated votes by {options['raters']:,} raters, "
            f"seed {options['seed']}. Strength model:"
        )
        self.stdout.write(describe_strengths(model))
        self.stdout.write(f"Next: paragone rate_board --board {board.slug}")


def describe_strengths(model: StrengthModel) -> str:
    width = max(len(slug) for slug in model.strengths)
    strongest_first = sorted(model.strengths.items(), key=lambda item: -item[1])
    return "\n".join(
        [
            *(f"  {slug:<{width}}  {strength:7.1f} points" for slug, strength in strongest_first),
            f"  ties of equals {100 * model.tie:.0f} %, both bad between the weakest {100 * model.both_bad:.0f} %, "
            f"standard deviation of a rater's taste {model.taste:g} points, advantage of side A {model.side:g} points",
        ]
    )


def _read_count(text: str) -> int:
    return _read_number(text, at_least=1)


def _read_seed(text: str) -> int:
    return _read_number(text, at_least=0)


def _read_number(text: str, *, at_least: int) -> int:
    if not text.isdecimal() or int(text) < at_least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {at_least}.")
    return int(text)
