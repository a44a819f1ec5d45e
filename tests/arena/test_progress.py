"""Progress: a line for each 10 % where stderr is not a terminal, a bar where it is."""

import sys

import pytest

from arena.progress import Progress


def test_off_a_terminal_there_is_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("drawing", 40, "image") as progress:
        for n_done in (0, 1, 3, 4, 5, 12, 39, 40, 40):
            progress.show(n_done)
    lines = [f"drawing: {percent} % of 40 images" for percent in (10, 30, 90, 100)]
    assert capsys.readouterr().err.splitlines() == lines


def test_nothing_to_do_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("drawing", 0, "image") as progress:
        progress.show(0)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress("drawing", 4, "image") as progress:
        progress.show(4)
    err = capsys.readouterr().err
    assert "\r" in err
    assert "4/4" in err
    assert "% of" not in err
