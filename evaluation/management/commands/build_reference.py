"""Build a reference set from images."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.feature_store import FeatureStore
from evaluation.extractors.registry import load_extractor
from evaluation.reference_sets.image_archives import SUFFIXES, ImageArchiveError, count_images
from evaluation.reference_sets.references import ReferenceSetError, store_reference, summarize_images

HELP = f"""
Stream the images of a folder, of any depth, or of a .zip or .tar archive into the statistics that runs are held
against. Images are the files that end in {", ".join(sorted(SUFFIXES))}; those that cannot be read are named and left
out, and equal files count once. What was stopped goes on from where it was: features are kept. The same images again
change nothing; other ones under the same name are refused.
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="of the reference set, as suites say it")
        parser.add_argument("folder", type=Path, help="or archive")
        parser.add_argument(
            "--extractor", default="inception-v3/clean", metavar="SPEC", help="specification (default %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        specification: str = options["extractor"]
        store = FeatureStore(Path(settings.MEDIA_ROOT) / "features")
        try:
            extractor = load_extractor(specification, Path(settings.WEIGHTS))
            identity = extractor.identity
            with tqdm(total=count_images(folder), unit="image", disable=None) as bar:
                summary = summarize_images(folder, extractor, store, bar.update)
            source = f"{folder.name}, {len(summary.statistics.digests):,} images"
            row, made = store_reference(options["name"], specification, identity, summary.statistics, source)
        except (ReferenceSetError, ImageArchiveError, MissingWeightsError, ValueError, OSError) as error:
            raise CommandError(f"No reference set was made. {error}") from error
        for name, reason in summary.faults:
            self.stdout.write(f"Left out: {name}: {reason}")
        self.stdout.write(
            f"{'New' if made else 'Unchanged'}: {row}, {row.n:,} images; {len(summary.faults):,} left out,"
            f" {summary.n_copies:,} copies of others. {row.digest}"
        )
        if summary.statistics.rows is None:
            self.stdout.write(
                "Features of so many images are not kept: it serves fid, and not kid, precision and the like."
            )
