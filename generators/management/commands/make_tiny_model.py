"""Command make_tiny_model: writes a small diffusers pipeline with random weights."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generators.adapters.diffusers.tiny import make_tiny_pipeline


class Command(BaseCommand):
    help = "Write a tiny diffusion model with random weights. It has 0.5 MB and draws coloured noise on any machine."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--seed", type=int, default=0, help="of the random weights")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            make_tiny_pipeline(options["folder"], options["seed"])
        except OSError as error:
            raise CommandError(f"Nothing was written. {error}") from error
        self.stdout.write(f"Written to {options['folder']}. Declare a model with adapter diffusers and this path.")
