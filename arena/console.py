"""The console script ``paragone``: every command, as ``manage.py`` runs it in a checkout."""

import io
import os
import sys
from collections.abc import Sequence

from generators.input_files.faults import is_utf8, make_printable


def main() -> None:
    _expect_utf8(sys.argv[1:])
    # Names of files in a folder may still have such bytes, which are printed with backslashes.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.settings")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as error:
        # The base installation has only what evaluation.ratings needs.
        sys.exit(
            f"The commands need the package {error.name}, which is not installed. Install the extra site: "
            "pip install 'paragone[site]'"
        )
    execute_from_command_line(sys.argv)


def _expect_utf8(arguments: Sequence[str]) -> None:
    """End the program if an argument has bytes that the database could not store."""
    for argument in arguments:
        if not is_utf8(argument):
            name = make_printable(argument)
            sys.exit(f"The argument '{name}' is not UTF-8. Rename the file, or set the terminal to UTF-8.")


if __name__ == "__main__":
    main()
