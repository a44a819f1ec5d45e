"""Import a file of votes onto a board."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from arena.models import Board
from arena.votes.files import COLUMNS, REQUIRED, VoteFile, model_slug, read_vote_file
from arena.votes.imports import VoteImport, VoteImportError, import_votes
from evaluation.ratings.outcomes import WINNERS
from generators.input_files.faults import InputFileError, describe_faults, write_faults
from generators.models import ImageModel

HELP = f"""
Import votes made elsewhere: a CSV (.csv), JSON lines (.jsonl, .ndjson) or Parquet (.parquet) file in UTF-8, a vote a
line. Columns: {", ".join(REQUIRED)}; optional {", ".join(COLUMNS[3:])}. A winner is one of {", ".join(WINNERS)}; a time
is ISO 8601 or seconds since 1970. A file with any fault is refused as a whole. Lines that are equal in every column are
one vote written twice when the file has times, or raters and prompts; otherwise they are separate votes, and the file
only goes to a board without votes.
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--board", required=True, metavar="SLUG", help="an imported board; made where there is none"
        )
        parser.add_argument("--title", default="", help="of a new board (default: its slug)")
        parser.add_argument("--task", default="", choices=Board.Task.values, help="of a new board")
        parser.add_argument(
            "--keep-valid", action="store_true", help="import the valid lines; the others go to FILE.rejected.csv"
        )
        parser.add_argument(
            "--only", action="append", default=[], metavar="COLUMN=VALUE", help="take the lines with this value alone"
        )
        parser.add_argument(
            "--column", action="append", default=[], metavar="WANTED=THEIRS", help="the file's own name for a column"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        only, columns = (_read_pairs(f"--{name}", options[name]) for name in ("only", "column"))
        rejected = file.with_name(file.name + ".rejected.csv")
        try:
            votes = read_vote_file(file, columns=columns, only=only)
            if votes.unused:
                self.stdout.write(f"Columns that are not used: {', '.join(votes.unused)}")
            # What was rejected is on disk before the rest is in the database for good.
            with transaction.atomic():
                made = import_votes(
                    votes,
                    options["board"],
                    title=options["title"],
                    task=options["task"],
                    keep_valid=options["keep_valid"],
                )
                if made.rejected:
                    write_faults(rejected, made.rejected)
        except (InputFileError, VoteImportError, OSError) as error:
            raise CommandError(f"Nothing was imported from {file.name}. {error}") from error
        if made.rejected:
            self.stdout.write(describe_faults(made.rejected, votes.unit))
            self.stdout.write(f"These are in {rejected}, each with its reason.")
        self.stdout.write(describe_import(votes, made, only))
        self.stdout.write(f"Next: paragone rate_board --board {made.board.slug}")


def describe_import(votes: VoteFile, made: VoteImport, only: dict[str, str]) -> str:
    lines = [
        f"{made.board.title}: {made.n_votes:,} votes imported onto the "
        f"{'new ' if made.board_is_new else ''}board {made.board.slug} ({made.board.get_task_display()})",
        f"  models   {len(made.new_models)} new, {len(made.reused_models)} known before",
        f"  raters   {made.n_raters:,}",
        f"  prompts  {made.n_prompts:,}",
    ]
    if made.reused_models:
        reused = ", ".join(_name_model(model) for model in made.reused_models)
        lines.insert(2, f"  known before, so used again: {reused}")
    if votes.n_filtered:
        lines.append(f"  left out {votes.n_filtered:,}, without {' and '.join(map('='.join, only.items()))}")
    if not votes.identifies_votes:
        lines.append("  Equal lines were counted as separate votes: the file has no times, nor raters and prompts.")
    return "\n".join(lines)


def _name_model(model: ImageModel) -> str:
    return model.slug if model_slug(model.name) == model.slug else f"{model.slug} (here named {model.name})"


def _read_pairs(option: str, pairs: Sequence[str]) -> dict[str, str]:
    read: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CommandError(f"{option} {pair}: wanted a name, an equals sign and a value.")
        if name in read:
            raise CommandError(f"{option} names {name} twice.")
        read[name] = value
    return read
