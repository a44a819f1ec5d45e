"""Import of a vote file onto a board."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from arena.models import Board
from arena.votes.files import COLUMNS, REQUIRED, VoteFile, read_vote_file
from arena.votes.imports import VoteImport, VoteImportError, import_votes
from evaluation.ratings.outcomes import WINNERS
from evaluation.ratings.pair_choice import judge_pair_choice
from evaluation.ratings.votes import code_frame
from generators.input_files.faults import InputFileError, describe_faults, write_faults
from generators.management.progress import Progress
from generators.models import ImageModel

HELP = f"""
Import votes from a CSV (.csv), JSON (.json, .jsonl, .ndjson) or Parquet (.parquet) file in UTF-8, one vote per line or
object. Required columns: {", ".join(REQUIRED)}; optional: {", ".join(COLUMNS[len(REQUIRED) :])}. A winner is one of
{", ".join(WINNERS)}, a word that docs/votes.md lists, a word of --winner, or the name of a model of the line. A time
is ISO 8601, or seconds or milliseconds since 1970. If a line is invalid, nothing is imported. If the file has times, or
raters and prompts, a line that equals an earlier one in every column is invalid; otherwise equal lines are separate
votes, and the board must have no votes yet.
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--board", required=True, metavar="SLUG", help="a board of imported votes; created if it does not exist"
        )
        parser.add_argument("--title", default="", help="title of a new board (default: its slug)")
        parser.add_argument("--task", default="", choices=Board.Task.values, help="task of a new board")
        parser.add_argument(
            "--keep-valid", action="store_true", help="import the valid lines and write the others to FILE.rejected.csv"
        )
        parser.add_argument(
            "--only", action="append", default=[], metavar="COLUMN=VALUE", help="import only lines with this value"
        )
        parser.add_argument(
            "--column", action="append", default=[], metavar="WANTED=THEIRS", help="the file's name of a column"
        )
        parser.add_argument(
            "--winner",
            action="append",
            default=[],
            metavar="WORD=WINNER",
            help=f"what a word in the column winner means: {', '.join(WINNERS)}",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        only, columns, winners = (_read_pairs(f"--{name}", options[name]) for name in ("only", "column", "winner"))
        rejected = file.with_name(file.name + ".rejected.csv")
        try:
            votes = read_vote_file(file, columns=columns, only=only, winners=winners)
            if votes.unused:
                self.stdout.write(f"Unused columns: {', '.join(votes.unused)}")
            # The rejected lines are written before the others are committed.
            with transaction.atomic(), Progress("vote") as progress:
                made = import_votes(
                    votes,
                    options["board"],
                    title=options["title"],
                    task=options["task"],
                    keep_valid=options["keep_valid"],
                    on_batch=partial(progress.show, "importing"),
                )
                if made.rejected:
                    write_faults(rejected, made.rejected)
        except (InputFileError, VoteImportError, OSError) as error:
            raise CommandError(f"Nothing was imported from {file.name}. {error}") from error
        if made.rejected:
            self.stdout.write(describe_faults(made.rejected, votes.unit))
            self.stdout.write(f"The invalid lines are in {rejected}, with their reasons.")
        self.stdout.write(describe_import(votes, made, only))
        if warning := describe_pair_choice(votes):
            self.stdout.write(warning)
        self.stdout.write(f"Next: paragone rate_board --board {made.board.slug}")


def describe_import(votes: VoteFile, made: VoteImport, only: dict[str, str]) -> str:
    lines = [
        f"{made.board.title}: {made.n_votes:,} votes imported onto the "
        f"{'new ' if made.board_is_new else ''}board {made.board.slug} ({made.board.get_task_display()})",
        f"  models   {len(made.new_models)} new, {len(made.reused_models)} existing",
        f"  raters   {made.n_raters:,}",
        f"  prompts  {made.n_prompts:,}",
    ]
    if made.n_excluded:
        lines.append(f"  excluded {made.n_excluded:,} of the votes, for the reasons in the file")
    if made.reused_models:
        reused = ", ".join(_name_model(model) for model in made.reused_models)
        lines.insert(2, f"  existing models: {reused}")
    if votes.n_filtered:
        lines.append(f"  skipped  {votes.n_filtered:,} lines without {' and '.join(map('='.join, only.items()))}")
    if not votes.identifies_votes:
        lines.append("  Equal lines count as separate votes: the file has neither times nor raters and prompts.")
    return "\n".join(lines)


def describe_pair_choice(votes: VoteFile) -> str:
    """A warning if the pairs look as if they were chosen by looking at the ratings; "" if they do not.

    Votes are taken in the order of their times, or of the file if it has none.
    """
    rule = judge_pair_choice(code_frame(votes.rows.sort_values("time", kind="stable"))).rule
    return rule and (
        f"Warning: the pairs look as if they were chosen by looking at the ratings ({rule}), which makes intervals too "
        'narrow by any method; see "Pairs that were chosen by rating" in docs/ratings.md.'
    )


def _name_model(model: ImageModel) -> str:
    return model.slug if model.name == model.slug else f"{model.slug} (named {model.name})"


def _read_pairs(option: str, pairs: Sequence[str]) -> dict[str, str]:
    read: dict[str, str] = {}
    for pair in pairs:
        # A winner word may have an equals sign (A=B), and so may the value of another option.
        name, equals, value = pair.rpartition("=") if option == "--winner" else pair.partition("=")
        if not equals or not name:
            raise CommandError(f"{option} {pair}: wanted NAME=VALUE.")
        if name in read:
            raise CommandError(f"{option} gives {name} twice.")
        read[name] = value
    return read
