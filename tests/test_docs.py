"""The docs name every setting, check, command, adapter and outcome that exists, and none that does not."""

import re
import subprocess
import sys
from pathlib import Path

from django.core.management import get_commands

from generators.adapters.base import Outcome
from generators.adapters.registry import ADAPTERS
from generators.adapters.sketch.generator import SketchGenerator

ROOT = Path(__file__).resolve().parent.parent
DOCS = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("settings", "commands", "adapters", "ratings")}
README = (ROOT / "README.md").read_text()


def first_cells(page: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))


def test_every_setting_is_in_the_docs() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"(PARAGONE_\w+)"', (ROOT / "arena" / "settings.py").read_text()))
    assert len(read) > 15
    assert {name for name in first_cells(DOCS["settings"]) if name.startswith("PARAGONE_")} == read


def test_no_setting_is_read_elsewhere() -> None:
    for package in ("arena", "evaluation", "generators"):
        for file in (ROOT / package).rglob("*.py"):
            if file.name != "settings.py":
                assert "os.environ[" not in file.read_text().replace('os.environ["DJANGO', ""), file


def test_every_check_is_in_the_docs() -> None:
    ids = set(re.findall(r'id="(arena\.E\d+)"', (ROOT / "arena" / "checks.py").read_text()))
    assert {name for name in first_cells(DOCS["settings"]) if name.startswith("arena.")} == ids


def test_every_command_is_in_the_docs() -> None:
    ours = {name for name, app in get_commands().items() if app in {"arena", "evaluation", "generators"}}
    assert {cell.split()[0] for cell in first_cells(DOCS["commands"])} == ours


def test_every_adapter_its_settings_and_the_outcomes_are_in_the_docs() -> None:
    named = first_cells(DOCS["adapters"])
    assert named == set(ADAPTERS) | set(Outcome) | set(SketchGenerator.Settings.model_fields)


# What a reader of the docs has no use for: the machinery below the methods.
INNER = {
    "arrow",
    "compiled",
    "components",
    "controlled_kernels",
    "counts",
    "covariances",
    "families",
    "fitting",
    "information",
    "kernels",
} | {*("live_kernel", "outcomes", "poisson", "ratings", "refitting", "regression", "votes")}


def test_every_method_of_rating_is_in_the_docs() -> None:
    modules = [file for file in (ROOT / "evaluation" / "ratings").glob("*.py") if file.stem not in {"__init__", *INNER}]
    assert len(modules) > 10
    for file in modules:
        public = re.findall(r"^(?:def|class) ([A-Za-z]\w+)", file.read_text(), re.MULTILINE)
        assert any(f"`{name}" in DOCS["ratings"] for name in public), f"docs/ratings.md says nothing of {file.name}"


def test_the_docs_name_what_exists() -> None:
    code = "".join(file.read_text() for file in (ROOT / "evaluation" / "ratings").glob("*.py"))
    for name in re.findall(
        r"`((?:fit|find|run|bootstrap|correct|plan|judge|count|code|read|project|rank)_\w+)`", DOCS["ratings"]
    ):
        assert f"def {name}(" in code, name
    for link in re.findall(r"\]\(([^)#]+)\)", DOCS["ratings"]):
        assert (ROOT / "docs" / link).exists(), link
    headings = {
        re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^## (.+)", DOCS["ratings"], re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", DOCS["ratings"])) <= headings


def test_the_example_runs_on_real_votes(shared_data: Path) -> None:
    command = [sys.executable, "docs/examples/genai_arena.py", str(shared_data / "votes" / "genai_arena_t2i.csv")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "1451 votes on 6 models" in done.stdout
    assert re.search(r"PlayGroundV2 +1151\.3 +1124\.3 +1178\.3", done.stdout)


def test_the_readme_names_what_exists() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link
    for name in re.findall(r"PARAGONE_\w+", README):
        assert name.removesuffix("_FILE") in DOCS["settings"], name
    for name in re.findall(r"manage\.py (\w+)", README):
        assert name in get_commands(), name
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile, target
