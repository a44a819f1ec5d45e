"""Let an account sign in again at once, after failed attempts have delayed it."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.raters import sign_in


class Command(BaseCommand):
    help = "Forget the failed sign-in attempts of an account."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        if not get_user_model()._default_manager.filter(username=name).exists():
            raise CommandError(f"There is no account {name!r}. Names are case-sensitive.")
        n_failures = sign_in.forget_failures(sign_in.account_counter(name))
        self.stdout.write(f"{n_failures} failed attempts of {name} are forgotten. It can sign in now.")
