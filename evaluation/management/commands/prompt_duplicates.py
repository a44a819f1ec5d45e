"""Command prompt_duplicates: finds prompts with nearly the same meaning."""

from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from evaluation.extractors.base import ExtractionError, MissingWeightsError
from evaluation.extractors.registry import load_extractor
from generators.fixtures import UnknownFixtureError, find_fixture
from generators.input_files.declared_files import DeclaredFileError
from generators.prompts.packs import PromptDeclaration, read_pack


class Command(BaseCommand):
    help = "List pairs of prompts in a prompt file with nearly the same meaning, the most similar first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="a prompt file, or the name of a prompt pack")
        parser.add_argument(
            "--cosine",
            type=float,
            default=0.9,
            help="least similarity of their sentences (default %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            prompts = read_pack(find_fixture(options["file"], "prompts")).declared.prompts
            pairs = find_similar(prompts, options["cosine"], Path(settings.WEIGHTS))
        except (UnknownFixtureError, DeclaredFileError, MissingWeightsError, ExtractionError) as error:
            raise CommandError(str(error)) from error
        for cosine, a, b in pairs:
            self.stdout.write(f"{cosine:.3f}  {a.key}: {a.text}\n       {b.key}: {b.text}")
        self.stdout.write(f"{len(pairs):,} of {len(prompts) * (len(prompts) - 1) // 2:,} pairs are similar.")


def find_similar(
    prompts: list[PromptDeclaration], least: float, weights: Path
) -> list[tuple[float, PromptDeclaration, PromptDeclaration]]:
    """(cosine, prompt, prompt) of each pair at ``least`` or above. Raises MissingWeightsError and ExtractionError."""
    extractor = load_extractor("sentence", weights)
    vectors = []
    for prompt in prompts:
        (vector,) = extractor.extract([extractor.prepare(prompt.text)])
        if not isinstance(vector, np.ndarray):
            raise vector if isinstance(vector, ExtractionError) else TypeError("sentences have vectors")
        vectors.append(vector / np.linalg.norm(vector))
    cosines = np.array(vectors) @ np.array(vectors).T
    rows, columns = np.nonzero(np.triu(cosines >= least, k=1))
    pairs = [(float(cosines[i, j]), prompts[i], prompts[j]) for i, j in zip(rows, columns, strict=True)]
    return sorted(pairs, key=lambda pair: -pair[0])
