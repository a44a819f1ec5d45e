"""Import the statistics of a reference set that another program computed."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.registry import load_extractor
from evaluation.reference_sets.references import MADE_BY, MAKERS, ReferenceSetError, import_statistics, store_reference

HELP = """
Import statistics (.npz) that pytorch-fid or clean-fid wrote, as a reference set. Their files do not say how they were
made: say which program it was, and with --extractor the features, where they are not that program's own default.
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="of the reference set, as suites say it")
        parser.add_argument("file", type=Path)
        parser.add_argument("--made-by", required=True, choices=sorted(MAKERS), help="the program that wrote the file")
        parser.add_argument("--n", type=int, help="how many images they are of, which these files do not say")
        defaults = ", ".join(f"{specification} for {provider}" for provider, specification in MAKERS.items())
        parser.add_argument("--extractor", metavar="SPEC", help=f"whose features these are (default: {defaults})")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        specification: str = options["extractor"] or MAKERS[options["made_by"]]
        try:
            identity = load_extractor(specification, Path(settings.WEIGHTS)).identity
            statistics = import_statistics(file, options["n"])
            made_by = {**identity, MADE_BY: options["made_by"]}
            row, made = store_reference(options["name"], specification, made_by, statistics, file.name)
        except (ReferenceSetError, MissingWeightsError, ValueError, OSError) as error:
            raise CommandError(f"Nothing was imported. {error}") from error
        n = "an unknown number of" if row.n is None else f"{row.n:,}"
        self.stdout.write(f"{'New' if made else 'Unchanged'}: {row}, {n} images, as {row.identity[MADE_BY]} says.")
