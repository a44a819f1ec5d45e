"""Declare models, prompt sets and boards from a TOML file."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from pydantic import ValidationError

from arena.boards import InvalidDeclarationError, UnknownDeclarationError, seed
from generators.adapters.base import AdapterError
from generators.declarations import ModelChangedError
from generators.fixtures import UnknownFixtureError, find_fixture
from generators.input_files.declared_files import DeclaredFileError
from generators.prompts.packs import PromptSetChangedError

ERRORS = (
    OSError,
    ValueError,
    UnknownFixtureError,
    UnknownDeclarationError,
    InvalidDeclarationError,
    PromptSetChangedError,
    ModelChangedError,
    AdapterError,
)


class Command(BaseCommand):
    help = "Declare the models, prompt sets and boards of a TOML file. Running it again changes nothing."
    # The checks report models that the file may correct.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help='a TOML file, or the name of one: "demo" is shipped')

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            boards = seed(find_fixture(options["file"]))
        except DeclaredFileError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
            raise CommandError("\n  ".join([f"{options['file']}: {error.title} is invalid:", *faults])) from error
        except ERRORS as error:
            raise CommandError(f"{options['file']}: {error}") from error
        for board in boards:
            self.stdout.write(f"{board.slug}: {board.title} ({board.image_models.count()} models)")
