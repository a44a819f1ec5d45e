"""prune: deletes what retention does not keep, and prints how much of each kind."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.retention import KindReport, prune


class Command(BaseCommand):
    help = "Delete rows and files that are older than the settings PARAGONE_KEEP_... say. Beat does the same every day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="print what would be deleted, and delete nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        reports = prune(dry_run=options["dry_run"])
        for report in reports:
            self.stdout.write(format_report(report))
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was deleted.")
        if faults := [report.kind for report in reports if report.error]:
            raise CommandError(f"Not everything could be pruned: {', '.join(faults)}. See the errors above.")


def format_report(report: KindReport) -> str:
    size = f" {report.pruned.bytes / 1e6:,.1f} MB" if report.pruned.bytes else ""
    error = f"  failed: {report.error}" if report.error else ""
    return f"{report.kind:<14}{report.pruned.n:>10,}{size}{error}"
