"""Readers of odd files: the command that imports each kind, and the rows that are stored afterwards."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from django.core.management import call_command
from PIL import Image

from arena.battles.blinding import blind
from arena.models import Board, Vote
from evaluation.metrics.features.reference import ReferenceStatistics
from evaluation.models import ReferenceSet
from evaluation.reference_sets.references import find_reference
from generators.images import originals
from generators.models import Generation, ImageModel, Prompt
from tests.evaluation.mean_color import MeanColor

Rows = list[dict[str, Any]]


class Reader(NamedTuple):
    """``command`` imports a file with further arguments, and returns what it prints. ``rows`` are those stored."""

    command: Callable[..., str]
    rows: Callable[[], Rows]


def call(name: str, *arguments: str | Path) -> str:
    out = io.StringIO()
    call_command(name, *map(str, arguments), stdout=out)
    return out.getvalue()


def import_votes(file: Path, *options: str) -> str:
    return call("import_votes", file, "--board", "odd", *options)


def list_votes() -> Rows:
    return [
        {
            "model_a": vote.model_a.name,
            "slug_a": vote.model_a.slug,
            "model_b": vote.model_b.name,
            "slug_b": vote.model_b.slug,
            "winner": vote.winner,
            "rater": vote.rater and vote.rater.name,
            "prompt": vote.prompt and vote.prompt.text,
            "time": vote.cast_at.isoformat(),
            "language": vote.language,
            "category": vote.category,
        }
        for vote in Vote.objects.select_related("model_a", "model_b", "rater", "prompt").order_by("pk")
    ]


def import_manifest(file: Path, *options: str) -> str:
    return call("import_generations", file, "--new-prompt-set", "odd 1", "--make-models", *options)


def list_generations() -> Rows:
    """The imported images. ``color`` is the mean colour (R, G, B) of what a rater sees."""
    return [
        {
            "model": row.model.name,
            "slug": row.model.slug,
            "version": row.model.revision,
            "prompt": row.prompt.text,
            "seed": row.seed,
            "status": row.status,
            "media_type": row.media_type,
            "width": row.width,
            "height": row.height,
            "color": measure_color(row),
        }
        for row in Generation.objects.select_related("model", "prompt").order_by("pk")
    ]


def measure_color(row: Generation) -> list[float] | None:
    if not row.original:
        return None
    seen = Image.open(io.BytesIO(blind(originals.read(row.original), row.width, row.height)))
    color: list[float] = np.asarray(seen).mean(axis=(0, 1)).tolist()
    return color


def import_image(file: Path, *options: str) -> str:
    manifest = file.with_name(f"{file.name} manifest.csv")
    with manifest.open("w", newline="") as stream:
        csv.writer(stream).writerows([("model", "prompt", "file"), ("imagen", "A cat", file.name)])
    return import_manifest(manifest, *options)


def import_prompts(file: Path, *options: str) -> str:
    benchmark, *others = options
    return call("import_prompts", benchmark, file, "--slug", "odd", *others)


def list_prompts() -> Rows:
    return [
        {
            "key": prompt.key,
            "prompt": prompt.text,
            "category": prompt.category,
            "language": prompt.language,
            "tags": prompt.tags,
            "targets": prompt.targets,
        }
        for prompt in Prompt.objects.order_by("pk")
    ]


def build_reference(folder: Path, *options: str) -> str:
    return call("build_reference", "odd", folder, "--extractor", "mean-color", *options)


def import_reference(file: Path, *options: str) -> str:
    return call("import_reference", "odd", file, "--made-by", "clean-fid", "--extractor", "mean-color", *options)


def list_references() -> Rows:
    """The reference sets: number of images, and numbers per image."""
    return [{"n": row.n, "d": len(load(row).moments.mean)} for row in ReferenceSet.objects.order_by("pk")]


def load(row: ReferenceSet) -> ReferenceStatistics:
    return find_reference(row.name, row.extractor, MeanColor("", Path()).identity)[0]


def sync_models(file: Path, *options: str) -> str:
    return call("sync_models", file, *options)


def list_models() -> Rows:
    return list(ImageModel.objects.order_by("pk").values("slug", "name"))


def seed(file: Path, *options: str) -> str:
    return call("seed", file, *options)


def list_boards() -> Rows:
    return list(Board.objects.order_by("pk").values("slug", "title"))


READERS: Final = {
    "votes": Reader(import_votes, list_votes),
    "manifests": Reader(import_manifest, list_generations),
    "prompts": Reader(import_prompts, list_prompts),
    "images": Reader(import_image, list_generations),
    "reference_images": Reader(build_reference, list_references),
    "statistics": Reader(import_reference, list_references),
    "models": Reader(sync_models, list_models),
    "boards": Reader(seed, list_boards),
}
