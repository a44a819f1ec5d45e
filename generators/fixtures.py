"""Fixtures: TOML files found by name, in the folders of PARAGONE_FIXTURES and among those shipped with Paragone."""

import os
from pathlib import Path

from django.conf import settings


class UnknownFixtureError(Exception):
    """No fixture has this name. The message lists the known ones."""


def find_fixture(name: str | Path, folder: str = "") -> Path:
    """The file of a suite ("suites"), a prompt pack ("prompts") or a declaration for ``seed`` and ``sync_models`` ("").

    A name that ends in .toml or has a slash in it is a path, and is returned as it is.

    Raises:
        UnknownFixtureError: No folder has ``folder/name.toml``.
    """
    if Path(name).suffix == ".toml" or os.sep in str(name):
        return Path(name)
    for parent in settings.FIXTURES:
        if (file := parent / folder / f"{name}.toml").is_file():
            return file
    known = {file.stem for parent in settings.FIXTURES for file in (parent / folder).glob("*.toml")}
    raise UnknownFixtureError(f"There is no {str(name)!r}. Known: {', '.join(sorted(known))}; or name a .toml file.")


def find_prompt_file(name: str, beside: Path) -> Path:
    """The prompt pack that the TOML file ``beside`` names: a path relative to that file, or a fixture's name.

    Raises:
        UnknownFixtureError: The name is not a path, and no prompt pack has it.
    """
    return beside.parent / find_fixture(name, "prompts")
