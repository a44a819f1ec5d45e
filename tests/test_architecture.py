"""Architecture beyond the import contracts: empty top packages, imports at run time, the size of files."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "torchmetrics", "diffusers", "transformers")


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_three_packages_have_an_empty_init() -> None:
    for package in ("arena", "evaluation", "generators"):
        assert (ROOT / package / "__init__.py").read_text() == ""


def test_ratings_and_adapters_work_in_a_notebook_without_settings() -> None:
    code = "import evaluation.ratings.bradley_terry, generators.adapters.sketch.generator, arena.battles.matchmaking"
    loaded = modules_after(code)
    assert not loaded & {"django", "celery", *HEAVY}


def test_ratings_import_only_what_the_installation_without_extras_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = {re.split(r"[^\w-]", requirement)[0] for requirement in project["dependencies"]}
    imported = set()
    for file in (ROOT / "evaluation" / "ratings").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    assert imported - sys.stdlib_module_names - {"evaluation"} == installed


def test_the_site_starts_without_the_libraries_of_workers_and_charts() -> None:
    loaded = modules_after("import arena.wsgi, arena.urls")
    assert "django" in loaded
    assert not loaded & {*HEAVY, "plotly", "pandas", "pyarrow", "numba", "llvmlite"}
    assert not loaded & {"openai", "google", "onnxruntime", "c2pa"}


def test_torch_is_pinned_and_nothing_needs_torchvision() -> None:
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert all("==" in pin for pin in pins)
    assert not [pin for pin in pins if pin.startswith("torchvision")]


def tracked(*patterns: str) -> list[Path]:
    done = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\n") if name]


def test_a_file_holds_one_noun() -> None:
    for file in tracked("*.py", "*.js", "*.html"):
        assert file.stem not in {"utils", "util", "helpers", "services", "common", "misc"}, file
        if "migrations" not in file.parts:
            assert len(file.read_text().splitlines()) <= 400, f"{file}: split it by noun"


def test_csv_files_are_written_in_one_place_which_guards_against_formulas() -> None:
    for file in tracked("arena/*.py", "evaluation/*.py", "generators/*.py"):
        if file.name != "csv_export.py":
            found = re.search(r"csv\.writer|DictWriter|to_csv|to_excel", file.read_text(encoding="utf-8"))
            assert not found, f"{file}: {found and found[0]}"
