"""Command build_reference: builds a reference set from images."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.feature_store import FeatureStore
from evaluation.extractors.registry import load_extractor
from evaluation.reference_sets.references import ReferenceSetError, store_reference, summarize_images
from generators.images.archives import ImageArchiveError, count_files, describe_left_out
from generators.images.decoding import FOLDER_FORMATS

HELP = f"""
Build the statistics of a reference set from the images in a folder (with its subfolders) or a .zip or .tar archive.
Every file that is one still image by its content is read, whatever its name is:
{", ".join(one.name for one in FOLDER_FORMATS)}. Equal files count once. Files that are left out are counted and named.
If more than 5 % of the images cannot be read, nothing is built. An interrupted build can be repeated: features are
kept. A reference set never changes, so other images need another name.
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="name of the reference set, as used in suites")
        parser.add_argument("folder", type=Path, help="folder or archive of images")
        parser.add_argument(
            "--extractor", default="inception-v3/clean", metavar="SPEC", help="extractor (default %(default)s)"
        )
        parser.add_argument(
            "--allow-unreadable", action="store_true", help="leave out images that cannot be read, however many"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        specification: str = options["extractor"]
        store = FeatureStore(Path(settings.MEDIA_ROOT) / "features")
        try:
            extractor = load_extractor(specification, Path(settings.WEIGHTS))
            identity = extractor.identity
            with tqdm(total=count_files(folder), unit="file", disable=None) as bar:
                summary = summarize_images(
                    folder, extractor, store, bar.update, allow_unreadable=options["allow_unreadable"]
                )
            source = f"{folder.name}, {len(summary.statistics.digests):,} images"
            if n_unreadable := len(summary.unreadable):
                source += f", {n_unreadable:,} unreadable"
            row, made = store_reference(options["name"], specification, identity, summary.statistics, source)
        except (ReferenceSetError, ImageArchiveError, MissingWeightsError, ValueError, OSError) as error:
            raise CommandError(f"No reference set was built. {error}") from error
        for sentence in describe_left_out(summary.unreadable, summary.no_images, summary.n_images):
            self.stdout.write(sentence)
        self.stdout.write(
            f"{'New' if made else 'Unchanged'}: {row}, {row.n:,} images ({n_unreadable:,} unreadable,"
            f" {len(summary.no_images):,} no images, {summary.n_copies:,} duplicates). Digest {row.digest}"
        )
        if summary.statistics.rows is None:
            self.stdout.write(
                "Features of so many images are not kept. The set can be used for fid, but not for kid or precision."
            )
