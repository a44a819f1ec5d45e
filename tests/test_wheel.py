"""The wheel: installed into an empty environment, it runs for a user who can write only at home."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from arena.demo.installation import explain_failure
from tests.conftest import report_missing
from tests.processes import ROOT, free_port

BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
# Root may write anywhere, unless it gives up its privileges.
UNPRIVILEGED = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def list_files(folder: Path) -> dict[Path, float]:
    return {file: file.lstat().st_mtime for file in folder.rglob("*")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    for name in ("arena", "evaluation", "generators", "fixtures"):
        shutil.copytree(ROOT / name, sources / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    built = run(sys.executable, "-c", BUILD, folder, cwd=sources).split()[-1]
    shutil.rmtree(sources)
    return folder / built


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Iterator[Path]:
    """A read-only environment with the wheel. Its dependencies are those of the tests, read from where they are."""
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    (own_packages,) = environment.glob("lib/python*/site-packages")
    (own_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    run("chmod", "-R", "a-w", environment)
    yield environment
    run("chmod", "-R", "u+w", environment)


@pytest.fixture
def notebook(wheel: Path, tmp_path: Path) -> Path:
    """An environment with the wheel and what it needs without extras, from the package index."""
    environment = tmp_path / "notebook"
    venv.create(environment, symlinks=True)
    command = [sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install", "--no-compile"]
    command += ["--retries=1", "-c", ROOT / "constraints.txt", wheel]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode and " the index " in (reason := explain_failure(done.stdout + done.stderr)):
        report_missing(reason)
    assert done.returncode == 0, done.stderr
    return environment


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "elsewhere"
    folder.mkdir(mode=0o555)
    yield folder
    folder.chmod(0o755)


def test_the_installed_demo_runs_for_a_user_who_may_write_only_at_home(
    installed: Path, elsewhere: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}

    def run_there(*command: str | Path) -> str:
        return run(*UNPRIVILEGED, *command, cwd=elsewhere, env=env)

    for folder in (installed, elsewhere):
        refused = subprocess.run([*UNPRIVILEGED, "touch", folder / "file"], capture_output=True, check=False)
        assert refused.returncode != 0, f"{folder} can be written"
    before = list_files(installed)
    code = "import arena.console, evaluation, generators; print(arena.console.__file__)"
    assert Path(run_there(installed / "bin" / "python", "-c", code).strip()).is_relative_to(installed)
    assert "run_suite" in run_there(installed / "bin" / "paragone", "help", "--commands")
    assert list(home.rglob("*")) == []

    out = run_there(installed / "bin" / "paragone", "demo", "--check", "--port", str(free_port()))
    assert out.strip().splitlines()[-1] == "The demo works: drawn, voted, rated, measured, judged."
    assert (home / ".local" / "state" / "paragone" / "check" / "reports" / "smoke.html").exists()
    assert list_files(installed) == before
    assert list(elsewhere.iterdir()) == []


def test_ratings_are_installed_without_the_site(notebook: Path, tmp_path: Path) -> None:
    packages = run(sys.executable, "-m", "pip", "--python", notebook / "bin" / "python", "list", "--format=freeze")
    names = {line.partition("==")[0].lower() for line in packages.splitlines()}
    assert names >= {"paragone", "numpy", "scipy", "pandas", "numba", "pyarrow"}
    assert not names & {"django", "celery", "torch", "pillow", "plotly", "redis", "psycopg"}
    assert len(names) < 15, names

    votes = "model_a,model_b,winner,rater\n" + "ant,bee,model_a,ann\nbee,ant,model_a,bob\nant,bee,tie,cem\n" * 9
    (tmp_path / "votes.csv").write_text(votes)
    code = "import pandas as pd; from evaluation.ratings import rate; print(rate(pd.read_csv('votes.csv')))"
    shown = run(notebook / "bin" / "python", "-I", "-c", code, cwd=tmp_path)
    assert "Bradley-Terry ratings from 27 votes" in shown
    assert re.search(r"1 +(ant|bee) +1000", shown)
    code = f"import {', '.join(find_rating_modules())}"
    run(notebook / "bin" / "python", "-I", "-c", code, cwd=tmp_path)

    refused = subprocess.run([notebook / "bin" / "paragone", "migrate"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr.strip() == (
        "The commands need the package django, which is not installed. Install the extra site: "
        "pip install 'paragone[site]'"
    )


def find_rating_modules() -> list[str]:
    files = (ROOT / "evaluation" / "ratings").rglob("*.py")
    return [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
