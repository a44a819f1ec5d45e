"""Declare models, prompt sets and boards from a TOML file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from pydantic import ValidationError

from arena.boards import UnknownDeclaration, seed
from generators.adapters.base import AdapterError
from generators.declarations import PromptSetChanged


class Command(BaseCommand):
    help = "Declare models, prompt sets and boards from a TOML file. Running it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            boards = seed(options["file"])
        except (OSError, ValueError, ValidationError, UnknownDeclaration, PromptSetChanged, AdapterError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        for board in boards:
            self.stdout.write(f"{board.slug}: {board.title} ({board.contestants.count()} models)")
