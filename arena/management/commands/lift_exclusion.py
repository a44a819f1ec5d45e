"""Command that lifts an exclusion, so that its votes count again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count

from arena.models import Exclusion, Vote
from arena.votes.exclusions import ExclusionError, keep_countable, lift_exclusion

# Exclusions that the message about an unknown one lists, newest first.
SHOWN = 10


class Command(BaseCommand):
    help = "Lift an exclusion. Its votes count again from the next rating on, unless another exclusion has them too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("exclusion", type=int, metavar="ID", help="number that exclude_votes printed")
        parser.add_argument("--by", required=True, metavar="WHO", help="who decides it")

    def handle(self, *args: Any, **options: Any) -> None:
        exclusion = Exclusion.objects.select_related("board").filter(pk=options["exclusion"]).first()
        if exclusion is None:
            raise CommandError(f"There is no exclusion {options['exclusion']}. In force: {_list_in_force()}.")
        try:
            lift_exclusion(exclusion, lifted_by=options["by"])
        except ExclusionError as error:
            raise CommandError(str(error)) from error
        votes = Vote.objects.filter(excluded_votes__exclusion=exclusion)
        n_votes, n_countable = votes.count(), keep_countable(votes).count()
        self.stdout.write(
            f"Exclusion {exclusion.pk} on the board {exclusion.board.slug} is lifted. {n_countable:,} of its "
            f"{n_votes:,} votes count again, from the next rating on."
        )


def _list_in_force() -> str:
    newest = Exclusion.objects.in_force().annotate(n_votes=Count("excluded_votes")).order_by("-id")
    listed = newest.values_list("pk", "board__slug", "n_votes", "reason")[:SHOWN]
    return "; ".join(f"{pk} ({board}: {n_votes:,} votes, {reason})" for pk, board, n_votes, reason in listed) or "none"
