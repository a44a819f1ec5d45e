"""The demo: a whole arena on one machine. ``make demo`` calls it."""

import signal
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from arena.demo.environment import enter_environment, explain, hold_lock
from arena.demo.processes import DemoError
from arena.demo.run import run_demo
from generators.management.dispatching import DispatchingCommand


class Command(DispatchingCommand):
    help = "Run a whole arena on this machine, with sketch models and files in PARAGONE_VAR. Ctrl-C stops it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--check",
            action="store_true",
            help="draw, vote over HTTP, rate, measure and print, in a folder of its own; then stop",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        try:
            enter_environment(check=options["check"])
            with hold_lock():
                run_demo(options["port"], check=options["check"], out=self.stdout, notes=self.stderr)
        except KeyboardInterrupt:
            self.stderr.write("Stopping.")
        except DemoError as error:
            raise CommandError(str(error)) from error
        except (OSError, DatabaseError) as error:
            raise CommandError(f"{explain(error)} No data was lost: correct the cause and start again.") from error


def _interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt
