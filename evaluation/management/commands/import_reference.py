"""Command import_reference: imports the statistics of a reference set from another program."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.registry import load_extractor
from evaluation.reference_sets.references import (
    MADE_BY,
    STATISTICS_PROGRAMS,
    ReferenceSetError,
    import_statistics,
    store_reference,
)

HELP = """
Import statistics (.npz) written by pytorch-fid or clean-fid as a reference set. The files do not name their program or
features: give the program, and --extractor if the features are not the program's default.
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="name of the reference set, as used in suites")
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--made-by", required=True, choices=sorted(STATISTICS_PROGRAMS), help="program that wrote it"
        )
        parser.add_argument("--n", type=int, help="number of images, which the files do not state")
        defaults = ", ".join(f"{specification} for {program}" for program, specification in STATISTICS_PROGRAMS.items())
        parser.add_argument("--extractor", metavar="SPEC", help=f"extractor of the features (default: {defaults})")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        specification: str = options["extractor"] or STATISTICS_PROGRAMS[options["made_by"]]
        try:
            extractor = load_extractor(specification, Path(settings.WEIGHTS))
            statistics = import_statistics(file, extractor, options["n"])
            made_by = {**extractor.identity, MADE_BY: options["made_by"]}
            row, made = store_reference(options["name"], specification, made_by, statistics, file.name)
        except (ReferenceSetError, MissingWeightsError, ValueError, OSError) as error:
            raise CommandError(f"Nothing was imported. {error}") from error
        n = "an unknown number of" if row.n is None else f"{row.n:,}"
        self.stdout.write(f"{'New' if made else 'Unchanged'}: {row}, {n} images, from {row.identity[MADE_BY]}.")
