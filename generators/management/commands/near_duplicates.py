"""near_duplicates: how much a model repeats itself, or images in a folder."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from generators.images import originals
from generators.images.near_duplicates import MAX_DISTANCE, DejaVu, deja_vu_rate, hash_image, repetition_rates
from generators.management.model_argument import MODEL_HELP, read_model
from generators.models import Generation, ImageModel


class Command(BaseCommand):
    help = "Count the images of a model that are near-duplicates of its other images, or of images in a folder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--model", required=True, metavar="MODEL", help=MODEL_HELP)
        parser.add_argument("--reference", type=_folder, metavar="FOLDER", help="compare with these images")
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
            files = self._hash_folder(folder)
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

    def _hash_folder(self, folder: Path) -> dict[str, str]:
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        hashes = {
            str(file.relative_to(folder)): self._hash(str(file), file.read_bytes) for file in tqdm(files, disable=None)
        }
        return {name: digits for name, digits in hashes.items() if digits}

    def _hash(self, name: str, read: Callable[[], bytes]) -> str:
        """The hash of an image; empty, with a warning, if it is gone or damaged."""
        try:
            return hash_image(read())
        except (FileNotFoundError, ValueError) as error:
            self.stderr.write(f"Skipped: {name}: {error}")
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error}") from error
        return ""

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


def _folder(name: str) -> Path:
    if not Path(name).is_dir():
        raise ArgumentTypeError(f"{name!r} is not a folder")
    return Path(name)
