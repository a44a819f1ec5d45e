"""Command run_suite: runs a suite on a model, from a terminal or a pipeline."""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from evaluation.models import Run
from evaluation.reports.html import to_html
from evaluation.reports.json import to_json
from evaluation.reports.junit import to_junit
from evaluation.reports.markdown import to_markdown
from evaluation.runs import lifecycle
from evaluation.runs.lifecycle import RunError
from evaluation.runs.reports import make_report
from evaluation.suites.gate import EXIT_CODES
from evaluation.suites.suite import load_suite
from generators.fixtures import UnknownFixtureError, find_fixture
from generators.images import originals
from generators.input_files.declared_files import DeclaredFileError
from generators.management.dispatching import DispatchingCommand
from generators.management.model_argument import MODEL_HELP, read_model
from generators.management.progress import Progress
from generators.prompts.packs import PromptSetChangedError
from generators.workers.stale_claims import sweep_if_due

POLL_SECONDS = 0.5
# Without progress for this long, the command suggests that no worker is running.
QUIET_SECONDS = 60.0


class Command(DispatchingCommand):
    help = "Draw the images of a suite with a model, score and judge them. Repeat the command to resume a run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("suite", metavar="SUITE", help="name of a suite, or a TOML file")
        parser.add_argument("--model", required=True, metavar="MODEL", help=MODEL_HELP)
        parser.add_argument(
            "--baseline", metavar="MODEL", help="a model to compare with, on the same prompts and seeds"
        )
        parser.add_argument("--commit", default="", help="commit of the training code; each has its own run")
        parser.add_argument(
            "--wait",
            action="store_true",
            help="wait for the verdict; the exit status is 0 (PASS), 1 (FAIL) or 2 (INCONCLUSIVE)",
        )
        parser.add_argument("--report", type=Path, metavar="FOLDER", help="with --wait: folder for the reports")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["report"] and not options["wait"]:
            raise CommandError("--report needs --wait: the reports are written when the run is done.")
        model, baseline_model = read_model(options["model"]), options["baseline"] and read_model(options["baseline"])
        try:
            suite = load_suite(find_fixture(options["suite"], "suites"))
            baseline = lifecycle.start(suite, baseline_model) if baseline_model else None
            run = lifecycle.start(suite, model, baseline=baseline, commit=options["commit"])
        except (UnknownFixtureError, DeclaredFileError, RunError, PromptSetChangedError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Run {run.key}: {suite.title}, {suite.n_samples:,} images of {model.name}.")
        if options["wait"]:
            self._wait(run)
            self._conclude(run, options["report"])
        elif run.is_open:
            self.stdout.write("Beat takes it further. Without beat, repeat the command with --wait.")

    def _wait(self, run: Run) -> None:
        moved_at, last = time.monotonic(), None
        with Progress() as progress:
            while True:
                lifecycle.advance()
                # Beat may not run: this command then sends messages, and those that are lost again.
                sweep_if_due()
                run.refresh_from_db()
                if not run.is_open:
                    return
                state = lifecycle.describe_progress(run)
                progress.show(state.stage, state.done, state.total)
                if state != last:
                    moved_at, last = time.monotonic(), state
                elif time.monotonic() - moved_at > QUIET_SECONDS:
                    self.stderr.write(f"No progress for {QUIET_SECONDS:.0f} s ({state.stage}). Is a worker running?")
                    moved_at = time.monotonic()
                time.sleep(POLL_SECONDS)

    def _conclude(self, run: Run, folder: Path | None) -> None:
        report = make_report(run)
        self.stdout.write(to_markdown(report))
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            pages = {"json": to_json(report), "md": to_markdown(report), "xml": to_junit(report)}
            for ending, text in {**pages, "html": to_html(report, originals.read)}.items():
                (folder / f"{run.suite}-{run.model.slug}.{ending}").write_text(text, encoding="utf-8")
        if run.status == Run.Status.FAILED:
            raise CommandError(f"The run failed: {run.message}", returncode=EXIT_CODES["inconclusive"])
        if report.verdict and (code := EXIT_CODES[report.verdict.outcome]):
            raise SystemExit(code)
