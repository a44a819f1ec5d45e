"""retry_generations: requests images again that ended in a refusal or a failure."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Count, Sum

from generators.dollars import format_dollars
from generators.generations import retry_generations
from generators.management.dispatching import DispatchingCommand
from generators.management.model_argument import MODEL_HELP, read_model
from generators.models import Charge, Generation, GenerationQuerySet
from generators.workers.stale_claims import dispatch_due


class Command(DispatchingCommand):
    help = "Request failed and refused images again, of one model or with one reason. Earlier charges stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--model", metavar="MODEL", help=MODEL_HELP)
        parser.add_argument("--reason", help="of the generation: refused, timeout, quota, budget, ...")
        parser.add_argument("--dry-run", action="store_true", help="print what would be requested, and request nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        model, reason = options["model"], options["reason"]
        ended = Generation.objects.filter(status__in=[Generation.Status.REFUSED, Generation.Status.FAILED])
        if model:
            ended = ended.filter(model=read_model(model))
        if reason:
            ended = ended.filter(reason=reason)
        lines = describe_ended(ended)
        if not model and not reason:
            # A request for all, refusals included, would be a mistake that may cost money.
            raise CommandError("\n  ".join(["Give --model or --reason. Generations without an image:", *lines]))
        for line in lines:
            self.stdout.write(line)
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was requested.")
        else:
            self.stdout.write(f"{retry_generations(ended)} requested again.")
            dispatch_due()


def describe_ended(ended: GenerationQuerySet) -> list[str]:
    """One line per reason: the number of generations and what was charged for them."""
    counts = ended.order_by("reason").values_list("reason").annotate(count=Count("pk"))
    charges = Charge.objects.filter(generation__in=ended).order_by().values_list("generation__reason")
    charged = dict(charges.annotate(amount=Sum("amount")))
    lines = []
    for reason, count in counts:
        cost = f", {format_dollars(charged[reason])} charged so far" if reason in charged else ""
        lines.append(f"{reason}: {count}{cost}")
    return lines or ["none"]
