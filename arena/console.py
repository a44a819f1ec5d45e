"""The console script ``paragone``: every command, as ``manage.py`` runs it in a checkout."""

import os
import sys


def main() -> None:
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


if __name__ == "__main__":
    main()
