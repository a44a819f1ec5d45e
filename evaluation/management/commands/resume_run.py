"""Command resume_run: resumes a run that has ended, by its key."""

from typing import Any

from django.core.management.base import CommandParser

from evaluation.management.run_argument import find_run
from evaluation.management.waiting import WaitingCommand
from evaluation.runs import lifecycle


class Command(WaitingCommand):
    help = "Draw the failed images of a run that has ended again, and score what could not be scored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", metavar="RUN", help="key of the run, or its first characters")
        self.add_waiting_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        waiting = {"wait": options["wait"], "report": options["report"]}
        self.expect_wait(**waiting)
        run = find_run(options["run"])
        if lifecycle.resume(run):
            self.stdout.write(f"Run {run.key} is resumed.")
        elif run.is_open:
            self.stdout.write(f"Run {run.key} has not ended: it is {run.status}.")
        else:
            self.stdout.write(f"Run {run.key} has nothing to resume: each image and metric has its result.")
        self.conclude(run, **waiting)
