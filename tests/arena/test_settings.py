"""The settings: where the state folder is, and that reading them creates nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from arena.state_folder import read_secret_key
from generators.fixtures import UnknownFixtureError, find_fixture, find_prompt_file
from tests.processes import ROOT

READ = "from django.conf import settings; print(settings.VAR)"
START = """
import django
django.setup()
import arena.celery, arena.urls, arena.wsgi
from django.test import Client
assert Client(SERVER_NAME="localhost").get("/healthz").status_code == 200
"""


def run(code: str, folder: Path = ROOT, **environment: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PARAGONE_")}
    env |= {"DJANGO_SETTINGS_MODULE": "arena.settings", "PYTHONPATH": str(folder), **environment}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_starting_creates_nothing(tmp_path: Path) -> None:
    run(START, PARAGONE_VAR=str(tmp_path / "var"))
    assert list(tmp_path.iterdir()) == []


def test_the_state_folder_of_a_checkout_is_beside_manage_py() -> None:
    assert run(READ) == str(ROOT / "var")


def test_the_state_folder_is_elsewhere_the_users(tmp_path: Path) -> None:
    for name in ("arena", "evaluation", "generators"):
        (tmp_path / name).symlink_to(ROOT / name)
    # Python resolves no link in the path of a module, but the settings do: a copy stands for an installation.
    (tmp_path / "arena").unlink()
    (tmp_path / "arena").mkdir()
    for file in (ROOT / "arena").glob("*.py"):
        (tmp_path / "arena" / file.name).write_text(file.read_text())
    home = tmp_path / "home"
    assert run(READ, tmp_path, HOME=str(home), XDG_STATE_HOME="") == str(home / ".local" / "state" / "paragone")
    assert run(READ, tmp_path, XDG_STATE_HOME=str(tmp_path / "state")) == str(tmp_path / "state" / "paragone")
    assert run(READ, tmp_path, PARAGONE_VAR=str(tmp_path / "own")) == str(tmp_path / "own")


def test_a_secret_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "var" / "secret_key"
    key = read_secret_key(file)
    assert len(key) >= 50
    assert read_secret_key(file) == key
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_fixture_of_ones_own_comes_before_the_shipped_one(settings, tmp_path: Path) -> None:
    shipped = find_fixture("smoke", "suites")
    assert shipped.is_file()
    own = tmp_path / "suites" / "smoke.toml"
    own.parent.mkdir()
    own.touch()
    settings.FIXTURES = [tmp_path, *settings.FIXTURES]
    assert find_fixture("smoke", "suites") == own
    assert find_fixture("speed", "suites").is_file()
    assert find_fixture("smoke.toml", "suites") == Path("smoke.toml")


def test_an_unknown_fixture_names_the_known_ones() -> None:
    with pytest.raises(UnknownFixtureError, match=r"There is no 'nothing'\. Known: .*demo.*tiny"):
        find_fixture("nothing", "prompts")


def test_a_suite_may_name_a_shipped_prompt_pack_or_a_file_beside_it(tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    assert find_prompt_file("../pack.toml", suite) == tmp_path / ".." / "pack.toml"
    assert find_prompt_file("smoke", suite) == find_fixture("smoke", "prompts")


@pytest.mark.django_db
def test_the_demos_boards_are_seeded_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed", "demo")
    assert "The demo arena" in capsys.readouterr().out
