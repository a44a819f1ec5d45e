"""Command run_suite: runs a suite on a model, from a terminal or a pipeline."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from evaluation.management.waiting import WaitingCommand
from evaluation.runs import lifecycle
from evaluation.runs.lifecycle import RunError
from evaluation.suites.obstacles import find_obstacles
from evaluation.suites.suite import load_suite
from generators.fixtures import UnknownFixtureError, find_fixture
from generators.input_files.declared_files import DeclaredFileError
from generators.management.model_argument import MODEL_HELP, read_model
from generators.prompts.packs import PromptSetChangedError


class Command(WaitingCommand):
    help = "Draw the images of a suite with a model, score and judge them. Repeat the command to resume a run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("suite", metavar="SUITE", help="name of a suite, or a TOML file")
        parser.add_argument("--model", required=True, metavar="MODEL", help=MODEL_HELP)
        parser.add_argument(
            "--baseline", metavar="MODEL", help="a model to compare with, on the same prompts and seeds"
        )
        parser.add_argument("--commit", default="", help="commit of the training code; each has its own run")
        self.add_waiting_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        waiting = {"wait": options["wait"], "report": options["report"]}
        self.expect_wait(**waiting)
        model, baseline_model = read_model(options["model"]), options["baseline"] and read_model(options["baseline"])
        try:
            suite = load_suite(find_fixture(options["suite"], "suites"))
            baseline = lifecycle.start(suite, baseline_model) if baseline_model else None
            run = lifecycle.start(suite, model, baseline=baseline, commit=options["commit"])
        except (UnknownFixtureError, DeclaredFileError, RunError, PromptSetChangedError, OSError) as error:
            raise CommandError(str(error)) from error
        for obstacle in find_obstacles(suite, Path(settings.WEIGHTS)):
            self.stderr.write(f"Warning: {obstacle}")
        self.stdout.write(f"Run {run.key}: {suite.title}, {suite.n_samples:,} images of {model.name}.")
        self.conclude(run, **waiting)
