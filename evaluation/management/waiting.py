"""Waiting for a run: commands that show its progress, print its report and exit with its verdict."""

import time
from pathlib import Path

from django.core.management.base import CommandError, CommandParser

from evaluation.models import Run
from evaluation.reports.html import to_html
from evaluation.reports.json import to_json
from evaluation.reports.junit import to_junit
from evaluation.reports.markdown import to_markdown
from evaluation.runs import lifecycle
from evaluation.runs.activity import describe_activity, describe_progress
from evaluation.runs.reports import make_report
from evaluation.runs.sample_inputs import UNREAD
from evaluation.suites.gate import EXIT_CODES
from generators.images import originals
from generators.management.dispatching import DispatchingCommand
from generators.management.progress import Progress
from generators.management.standstill import Standstill
from generators.workers.stale_claims import sweep_if_due

POLL_SECONDS = 0.5


class WaitingCommand(DispatchingCommand):
    """A command with the options --wait and --report."""

    def add_waiting_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait",
            action="store_true",
            help="wait for the verdict; the exit status is 0 (PASS), 1 (FAIL) or 2 (INCONCLUSIVE)",
        )
        parser.add_argument("--report", type=Path, metavar="FOLDER", help="with --wait: folder for the reports")

    def expect_wait(self, *, wait: bool, report: Path | None) -> None:
        """Raise CommandError if there is a folder for reports and no wait."""
        if report and not wait:
            raise CommandError("--report needs --wait: the reports are written when the run is done.")

    def conclude(self, run: Run, *, wait: bool, report: Path | None) -> None:
        """With ``wait``, wait for the run, print its report and exit with its verdict."""
        if wait:
            self._wait(run)
            self._write_report(run, report)
        elif run.is_open:
            self.stdout.write("Beat takes it further. Without beat, repeat the command with --wait.")

    def _wait(self, run: Run) -> None:
        standstill = Standstill(lambda: describe_activity(run))
        with Progress() as progress:
            while True:
                lifecycle.advance()
                # Beat may not run: this command then sends messages, and those that are lost again.
                sweep_if_due()
                run.refresh_from_db()
                if not run.is_open:
                    return
                state = describe_progress(run)
                progress.show(state.stage, state.done, state.total)
                standstill.note(state)
                time.sleep(POLL_SECONDS)

    def _write_report(self, run: Run, folder: Path | None) -> None:
        report = make_report(run)
        self.stdout.write(to_markdown(report))
        if run.record.get(UNREAD):
            # In Markdown its underscore is escaped.
            self.stdout.write(f"To score the images that could not be read: paragone resume_run {run.key} --wait")
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            pages = {"json": to_json(report), "md": to_markdown(report), "xml": to_junit(report)}
            for ending, text in {**pages, "html": to_html(report, originals.read)}.items():
                (folder / f"{run.suite}-{run.model.slug}.{ending}").write_text(text, encoding="utf-8")
        if run.status == Run.Status.FAILED:
            raise CommandError(f"The run failed: {run.message}", returncode=EXIT_CODES["inconclusive"])
        if report.verdict and (code := EXIT_CODES[report.verdict.outcome]):
            raise SystemExit(code)
