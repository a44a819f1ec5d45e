"""Declare models, prompt sets and boards from a TOML file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.boards import InvalidDeclarationError, UnknownDeclarationError, seed
from generators.adapters.base import AdapterError
from generators.declarations import ModelChangedError
from generators.prompts.packs import PromptSetChangedError

FAULTS = (
    OSError,
    ValueError,
    UnknownDeclarationError,
    InvalidDeclarationError,
    PromptSetChangedError,
    ModelChangedError,
    AdapterError,
)


class Command(BaseCommand):
    help = "Declare models, prompt sets and boards from a TOML file. Running it again changes nothing."
    # The checks find models that this may be there to mend.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            boards = seed(options["file"])
        except FAULTS as error:
            raise CommandError(f"{options['file']}: {error}") from error
        for board in boards:
            self.stdout.write(f"{board.slug}: {board.title} ({board.image_models.count()} models)")
