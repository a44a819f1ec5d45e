"""sync_models: declares models, prices, rate limits of providers and budgets from a TOML file."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generators.fixtures import UnknownFixtureError, find_fixture
from generators.model_files import Change, ModelFileError, read_model_file, sync_models


class Command(BaseCommand):
    help = "Declare models, rate limits of providers and budgets from a TOML file, all or nothing. Prints the changes."
    # The checks may fail on models that this command repairs.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="a TOML file, or the name of one in PARAGONE_FIXTURES")
        parser.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            file = find_fixture(options["file"])
            sync = sync_models(read_model_file(file), dry_run=options["dry_run"])
        except UnknownFixtureError as error:
            raise CommandError(str(error)) from error
        except ModelFileError as faulty:
            count = f"{len(faulty.faults)} fault{'s' if len(faulty.faults) > 1 else ''}, so nothing was changed"
            raise CommandError("\n  ".join([f"{file}: {count}:", *faulty.faults])) from faulty
        for change in sync.changes:
            self.stdout.write(format_change(change))
        self.stdout.write(f"{len(sync.changes)} new or changed, {sync.n_unchanged} unchanged.")
        if sync.not_in_the_file:
            self.stdout.write(f"Not in the file and unchanged: {', '.join(sync.not_in_the_file)}.")
        if sync.without_key:
            self.stdout.write(
                f"Called without a key, because the server is not the provider's own and the settings have no key_env:"
                f" {', '.join(sync.without_key)}."
            )
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was changed.")


def format_change(change: Change) -> str:
    """One line for the row, and one for each field with its old and new value."""
    made = not change.before
    lines = [f"{'new' if made else 'changed'}: {change.row}"]
    for field in change.fields:
        before, after = change.before.get(field, ""), change.after.get(field, "") or "none"
        lines.append(f"  {field}: {after}" if made else f"  {field}: {before or 'none'} -> {after}")
    return "\n".join(lines)
