"""Command build_reference: builds a reference set from images."""

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
Build the statistics of a reference set from the images in a folder (with its subfolders) or a .zip or .tar archive.
Images are files ending in {", ".join(sorted(SUFFIXES))}. Unreadable images are listed and skipped, and duplicate files
count once. An interrupted build can be repeated: features are kept. A reference set never changes, so other images need
another name.
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="name of the reference set, as used in suites")
        parser.add_argument("folder", type=Path, help="folder or archive of images")
        parser.add_argument(
            "--extractor", default="inception-v3/clean", metavar="SPEC", help="extractor (default %(default)s)"
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
            raise CommandError(f"No reference set was built. {error}") from error
        for name, reason in summary.skipped:
            self.stdout.write(f"Skipped {name}: {reason}")
        self.stdout.write(
            f"{'New' if made else 'Unchanged'}: {row}, {row.n:,} images ({len(summary.skipped):,} skipped,"
            f" {summary.n_copies:,} duplicates). Digest {row.digest}"
        )
        if summary.statistics.rows is None:
            self.stdout.write(
                "Features of so many images are not kept. The set can be used for fid, but not for kid or precision."
            )
