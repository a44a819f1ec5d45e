"""near_duplicates: how much a model repeats itself, or images in a folder."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from generators.images import originals
from generators.images.archives import (
    ImageArchiveError,
    NoImageError,
    UnreadableImageError,
    count_files,
    describe_left_out,
    walk_images,
)
from generators.images.decoding import UnusableImageError
from generators.images.near_duplicates import MAX_DISTANCE, DejaVu, deja_vu_rate, hash_image, repetition_rates
from generators.management.model_argument import MODEL_HELP, read_model
from generators.models import Generation, ImageModel


class Command(BaseCommand):
    help = "Count the images of a model that are near-duplicates of its other images, or of images in a folder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--model", required=True, metavar="MODEL", help=MODEL_HELP)
        parser.add_argument(
            "--reference",
            type=Path,
            metavar="FOLDER",
            help="compare with the images of a folder or archive",
        )
        parser.add_argument(
            "--distance",
            type=int,
            choices=range(65),
            default=MAX_DISTANCE,
            metavar="BITS",
            help="bits of 64 in which near-duplicates differ at most (default %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        model = read_model(options["model"])
        images = self._hash_generations(model)
        own, distance = [generation.phash for generation in images], options["distance"]
        prompts = [(image.prompt.text, *image.prompt.sources, image.prompt.mask) for image in images]
        self.stdout.write(
            f"{model.name}: {len(images):,} images for {len(set(prompts)):,} prompts. "
            f"Near images differ in at most {distance} of 64 bits."
        )
        names = [f"generation {image.pk} ({image.prompt.key}, seed {image.seed})" for image in images]
        repetition = repetition_rates(own, prompts, max_distance=distance)
        self._print("near another image of the model, other prompt", repetition.other_prompts, names, names)
        self._print("near another image of the model, same prompt", repetition.same_prompt, names, names)
        if folder := options["reference"]:
            try:
                files = self._hash_reference(folder)
            except ImageArchiveError as error:
                raise CommandError(str(error)) from error
            seen = deja_vu_rate(own, list(files.values()), max_distance=distance)
            self._print(f"near one of the {len(files):,} images in {folder}", seen, names, list(files))

    def _hash_generations(self, model: ImageModel) -> list[Generation]:
        """The images of the model that have a hash. Missing hashes are computed and saved."""
        rows = Generation.objects.ready().filter(model=model).select_related("prompt").order_by("pk")
        images = []
        for generation in tqdm(rows, disable=None, leave=False):
            if not generation.phash:
                read = partial(originals.read, generation.original)
                generation.phash = self._hash(f"generation {generation.pk}", read)
                generation.save(update_fields=["phash"])
            if generation.phash:
                images.append(generation)
        return images

    def _hash(self, name: str, read: Callable[[], bytes]) -> str:
        """The hash of an image; empty, with a warning, if it is gone or damaged."""
        try:
            return hash_image(read())
        except (FileNotFoundError, ValueError) as error:
            self.stderr.write(f"Skipped: {name}: {error}")
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error}") from error
        return ""

    def _hash_reference(self, path: Path) -> dict[str, str]:
        """The hashes of all images in a folder or archive, by name. Prints which files are left out."""
        hashes: dict[str, str] = {}
        unreadable: list[tuple[str, str]] = []
        no_images: list[tuple[str, str]] = []
        for name, content in tqdm(walk_images(path), total=count_files(path), disable=None, leave=False):
            if isinstance(content, NoImageError):
                no_images.append((name, str(content)))
            elif isinstance(content, UnreadableImageError):
                unreadable.append((name, str(content)))
            else:
                try:
                    hashes[name] = hash_image(content)
                except UnusableImageError as error:
                    unreadable.append((name, str(error)))
        for sentence in describe_left_out(unreadable, no_images, len(hashes) + len(unreadable)):
            self.stderr.write(sentence)
        return hashes

    def _print(self, title: str, found: DejaVu, own: Sequence[str], seen: Sequence[str]) -> None:
        if found.rate is None:
            self.stdout.write(f"{title}: unknown, there is nothing to compare")
            return
        self.stdout.write(f"{title}: {100 * found.rate:.1f} % ({found.n_near:,} of {found.n:,})")
        printed = set()
        for pair in found.pairs:
            both = frozenset((own[pair.index], seen[pair.seen]))
            if both not in printed:
                self.stdout.write(f"  {own[pair.index]}  {seen[pair.seen]}  {pair.distance}")
            printed.add(both)
