"""Progress: a line for each 10 % of each stage where stderr is not a terminal, a bar where it is."""

import os
import pty
import subprocess
import sys

import pytest

from generators.management.progress import Progress


def test_off_a_terminal_there_is_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("image") as progress:
        for n_done in (0, 1, 3, 4, 5, 12, 39, 40, 40):
            progress.show("drawing", n_done, 40)
    lines = [f"drawing: {n} of 40 images ({percent} %)" for n, percent in ((4, 10), (12, 30), (39, 97), (40, 100))]
    assert capsys.readouterr().err.splitlines() == lines


def test_each_stage_has_its_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        for stage, n_done, total in (
            ("drawing", 0, 4_000),
            ("drawing", 3_900, 4_000),
            ("pixels", 0, 2),
            ("pixels", 1, 2),
        ):
            progress.show(stage, n_done, total)
    assert capsys.readouterr().err.splitlines() == ["drawing: 3,900 of 4,000 (97 %)", "pixels: 1 of 2 (50 %)"]


def test_nothing_to_do_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("image") as progress:
        progress.show("drawing", 0, 0)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_is_a_bar_for_each_stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress("image") as progress:
        progress.show("drawing", 4, 4)
        progress.show("pixels", 2, 2)
    err = capsys.readouterr().err
    assert "\r" in err
    assert "drawing: 100%" in err
    assert "4/4" in err
    assert "pixels: 100%" in err
    assert " of " not in err


def test_a_terminal_without_a_size_shows_the_bar() -> None:
    ours, theirs = pty.openpty()
    code = "from generators.management.progress import Progress; Progress().show('drawing', 1, 2)"
    try:
        subprocess.run([sys.executable, "-c", code], stdout=theirs, stderr=theirs, check=True, timeout=60)
        assert b"drawing:" in os.read(ours, 10_000)
    finally:
        os.close(theirs)
        os.close(ours)
