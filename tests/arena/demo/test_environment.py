"""The environment of a demo: one demo per folder, and a folder that can be written."""

from pathlib import Path

import pytest

from arena.demo.environment import hold_lock
from arena.demo.processes import DemoError


def test_a_folder_holds_one_demo_at_a_time(settings, tmp_path: Path) -> None:
    settings.VAR = tmp_path / "var"
    with hold_lock(), pytest.raises(DemoError, match="already running"), hold_lock():
        pass
    with hold_lock():
        pass


def test_a_folder_that_cannot_be_written_names_the_setting(settings, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    settings.VAR = file / "var"
    with pytest.raises(DemoError, match=r"cannot be written \(Not a directory\)\. Set PARAGONE_VAR"), hold_lock():
        pass
