"""Import of the prompts of a public benchmark."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from pydantic import ValidationError

from generators.input_files.faults import InputFileError
from generators.input_files.slugs import make_slug
from generators.prompts.benchmarks import FORMATS, format_prompt_set, read_prompts
from generators.prompts.packs import PromptSetChangedError, declare_prompt_set

HELP = """
Import the prompts of a benchmark's published file (.tsv, .csv, .json, .jsonl or .ndjson; for DPG-Bench also the folder
of .txt files, one a prompt) as a prompt set, or with --out as a prompt file that suites and boards can name. If a row
is invalid, nothing is imported. Importing the same file again changes nothing.
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("format", choices=sorted(FORMATS))
        parser.add_argument("file", type=Path)
        parser.add_argument("--slug", help="slug of the prompt set (default: the file's name)")
        parser.add_argument(
            "--out", type=Path, metavar="FILE.toml", help="write a prompt file and leave the database unchanged"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        out: Path | None = options["out"]
        try:
            declared = read_prompts(options["format"], file, options["slug"] or _name_prompt_set(file))
            if out:
                out.write_text(format_prompt_set(declared), encoding="utf-8")
            else:
                declare_prompt_set(declared.model_dump())
        except PromptSetChangedError as error:
            raise CommandError(f"{error} Or choose another --slug.") from error
        except ValidationError as error:
            raise CommandError(f"Nothing was imported from {file.name}. {error.errors()[0]['msg']}.") from error
        except (InputFileError, OSError) as error:
            raise CommandError(f"Nothing was imported from {file.name}. {error}") from error
        where = out or f"prompt set {declared.slug} {declared.version}"
        self.stdout.write(f"{len(declared.prompts):,} prompts of {declared.title} are in {where}.")


def _name_prompt_set(file: Path) -> str:
    try:
        return make_slug(file.stem, "prompts")
    except ValueError as error:
        raise CommandError(f"{file.name} gives the prompt set no slug: {error}. Give it with --slug.") from error
