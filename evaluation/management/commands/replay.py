"""Command replay: measures a run again and lists differences."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evaluation.extractors.base import UnavailableInputError
from evaluation.management.run_argument import find_run
from evaluation.runs.replays import ReplayError, replay
from generators.management.progress import Progress


class Command(BaseCommand):
    help = "Measure a finished run again from stored originals and features, and list everything that differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", metavar="RUN", help="key of the run, or its first characters")

    def handle(self, *args: Any, **options: Any) -> None:
        run = find_run(options["run"])
        try:
            with Progress() as progress:
                differences = replay(run, on_progress=progress.show)
        except (ReplayError, UnavailableInputError) as error:
            raise CommandError(str(error)) from error
        n = run.results.count()
        if not differences:
            self.stdout.write(f"All {n} metrics of run {run.key} are reproduced bit for bit.")
            return
        for difference in differences:
            self.stdout.write(f"{difference.where}: was {difference.stored!r}, is {difference.found!r}")
        raise CommandError(f"{len(differences)} values differ from those stored for run {run.key}.")
