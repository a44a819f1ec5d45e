"""Cache of compiled kernels: what invalidates it, and installations whose folders cannot be written."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import evaluation.ratings

RUN = """
import numpy as np
from evaluation.ratings.elo import run_elo
from evaluation.ratings.votes import Votes
print(*run_elo(Votes(("a", "b"), np.array([0]), np.array([1]), np.array([0])), k=10).values)
"""


@pytest.fixture
def install(tmp_path: Path) -> Path:
    """A copy of the package in which numba cannot write its cache, because a file has the name of the folder."""
    package = tmp_path / "install" / "evaluation" / "ratings"
    shutil.copytree(Path(evaluation.ratings.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package.parent / "__init__.py").touch()
    (package / "kernels" / "__pycache__").touch()
    return tmp_path / "install"


def run(install: Path, **variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in {"NUMBA_CACHE_DIR", "PYTHONPATH"}}
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=install, env=kept | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
def test_a_read_only_installation_caches_compiled_code_elsewhere(install: Path, tmp_path: Path, variable: str) -> None:
    assert run(install, **{variable: str(tmp_path / "cache")}) == "1005.0 995.0\n"
    kept = list((tmp_path / "cache").rglob("elo.update_elo-*.nbc"))
    assert len(kept) == 1
    assert run(install, **{variable: str(tmp_path / "cache")}) == "1005.0 995.0\n"
    assert list((tmp_path / "cache").rglob("elo.update_elo-*.nbc")) == kept


def test_kernels_work_where_no_cache_can_be_written(install: Path) -> None:
    assert run(install, XDG_CACHE_HOME=os.devnull, HOME=os.devnull) == "1005.0 995.0\n"


def test_a_kernel_uses_nothing_from_other_modules_that_its_cache_would_miss() -> None:
    folder = Path(evaluation.ratings.__file__).parent / "kernels"
    for file in folder.glob("*.py"):
        imports = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
        ours = {str(node.module) for node in imports if str(node.module).startswith("evaluation")}
        assert ours <= {"evaluation.ratings.kernels.compiling"}, file.name
