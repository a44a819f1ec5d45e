"""The console script: arguments and names of files that are not UTF-8."""

import io
import os
import subprocess
import sys

import pytest

from arena.console import main
from tests.processes import ROOT


def run(*arguments: str | bytes) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    env = os.environ | {"PARAGONE_SECRET_KEY": "x" * 50, "PYTHONWARNINGS": "ignore"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("argument", [b"caf\xe9.csv", b"--board=\xff", b"\xed\xa0\x80"])
def test_argument_that_is_not_utf8_is_refused_in_a_sentence(argument: bytes) -> None:
    done = run("import_votes", argument)
    assert done.returncode == 1
    name = argument.decode(errors="backslashreplace")
    assert done.stderr == f"The argument '{name}' is not UTF-8. Rename the file, or set the terminal to UTF-8.\n"


def test_name_of_a_file_that_is_not_utf8_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["paragone", "build_reference"])
    monkeypatch.setattr(sys, "stdout", out)
    skipped = os.fsdecode(b"Skipped caf\xe9.png")
    monkeypatch.setattr("django.core.management.execute_from_command_line", lambda argv: print(skipped, flush=True))
    main()
    assert out.buffer.getvalue() == b"Skipped caf\\udce9.png\n"
