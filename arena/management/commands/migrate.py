"""Command that applies migrations and installs the triggers: Django's own, with the error of a locked table."""

from typing import Any

from django.core.checks import Tags
from django.core.management.base import CommandError
from django.core.management.commands import migrate

from arena.trigger_installation import TableLockedError


class Command(migrate.Command):
    """Django's command, which needs the database and nothing else: no media folder, keys or broker."""

    requires_system_checks = (Tags.database, Tags.models)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except TableLockedError as error:
            raise CommandError(str(error)) from error
