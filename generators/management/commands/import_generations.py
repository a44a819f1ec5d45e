"""Import of images generated elsewhere."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generators.imports.manifests import Entry, ImageImportError, read_manifest
from generators.imports.write import ImportPlan, plan_import, write_import
from generators.input_files.faults import NAMED, InputFileError, describe_faults, write_faults
from generators.models import Generation

HELP = f"""
Import images generated elsewhere, for models without an API. The manifest is CSV (.csv) or JSON (.json, .jsonl,
.ndjson) in UTF-8 with one image per line or object; the image files (PNG, JPEG, WebP, AVIF) lie beside it. Columns:
{", ".join(Entry.list_columns())}. Required are model, prompt or prompt_key, and file or, for a prompt that the provider
refused, refused=yes. If a line is invalid, nothing is imported. Images that are already there are skipped.
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("manifest", type=Path)
        prompts = parser.add_mutually_exclusive_group(required=True)
        name = '"SLUG VERSION"'
        prompts.add_argument("--prompt-set", metavar=name, help="the prompt set that has all the prompts")
        prompts.add_argument("--new-prompt-set", metavar=name, help="create a prompt set from the manifest's prompts")
        parser.add_argument("--make-models", action="store_true", help="create unknown models")
        parser.add_argument(
            "--keep-valid",
            action="store_true",
            help="import the valid lines, record which files cannot be used, and write the others to FILE.rejected.csv",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="check the manifest and its images, and write nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["manifest"]
        dry_run: bool = options["dry_run"]
        try:
            manifest = read_manifest(file)
            if manifest.unused:
                self.stdout.write(f"Unused columns: {', '.join(manifest.unused)}")
            plan = plan_import(
                manifest,
                options["prompt_set"] or options["new_prompt_set"],
                declare=bool(options["new_prompt_set"]),
                make_models=options["make_models"],
                store=not dry_run,
            )
            if plan.faults:
                self._reject(file, plan, keep_valid=options["keep_valid"], dry_run=dry_run)
            new_models = plan.new_models
            shared = write_import(plan, keep=not dry_run)
        except (InputFileError, ImageImportError, OSError) as error:
            raise CommandError(f"Nothing was imported from {file.name}. {error}") from error
        self.stdout.write(describe_import(plan, [model.slug for model in new_models], shared))
        if dry_run:
            self.stdout.write("This was a dry run: nothing was written.")

    def _reject(self, file: Path, plan: ImportPlan, *, keep_valid: bool, dry_run: bool) -> None:
        """Report the invalid lines. Raises ImageImportError if the others are not to be imported."""
        described = describe_faults(plan.faults, plan.unit)
        if not keep_valid:
            raise ImageImportError(f"{described}\nWith --keep-valid the other lines are imported.")
        if not plan.rows and not plan.n_known:
            raise ImageImportError(f"The manifest has no valid line. {described}")
        self.stdout.write(described)
        if not dry_run:
            # The rejected lines are written before the others are committed.
            rejected = file.with_name(file.name + ".rejected.csv")
            write_faults(rejected, plan.faults)
            self.stdout.write(f"The invalid lines are in {rejected}, with their reasons.")


def describe_import(plan: ImportPlan, new_models: list[str], shared: list[int]) -> str:
    rows = list(plan.rows.values())
    n_images = sum(row.status == Generation.Status.OK for row in rows)
    lines = [f"{n_images:,} images and {len(rows) - n_images:,} refusals imported for the prompt set {plan.prompt_set}"]
    if rows:
        slugs = {row.model.slug: f"{row.model.slug}{' (new)' * (row.model.slug in new_models)}" for row in rows}
        lines += [
            f"  models   {', '.join(slugs.values())}",
            f"  prompts  {len({row.prompt.key for row in rows}):,}",
            f"  seeds    up to {max(row.seed for row in rows)}; a board shows seeds below its number of seeds",
        ]
    if plan.unusable:
        lines.append(f"  missing  {len(plan.unusable):,} images whose file cannot be used; runs count them as unscored")
    if plan.n_known:
        lines.append(f"  skipped  {plan.n_known:,} lines, which are already imported")
    if shared:
        lines.append(f"Warning: {len(shared):,} images also belong to another model or prompt:")
        lines += [f"  {plan.unit} {line}: {plan.rows[line].reported['file']}" for line in shared[:NAMED]]
        lines += [f"  ... and {len(shared) - NAMED:,} more"] if len(shared) > NAMED else []
    return "\n".join(lines)
