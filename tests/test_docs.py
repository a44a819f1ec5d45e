"""The docs are complete and true: every setting, check, command, adapter, metric and suite is in them."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.utils.module_loading import import_string

from evaluation.extractors.registry import EXTRACTORS
from evaluation.metrics.registry import METRICS, find_metric
from evaluation.suites.gate import Rule
from evaluation.suites.suite import Suite
from generators.adapters.base import Outcome
from generators.adapters.registry import ADAPTERS, find_declaration, list_providers, validate_settings
from tests.generators.adapters.provider_servers import find_servers

ROOT = Path(__file__).resolve().parent.parent
DOCS = {file.stem: file.read_text() for file in (ROOT / "docs").glob("*.md")}
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
    for app in ("arena", "generators"):
        ids = set(re.findall(rf'id="({app}\.[EW]\d+)"', (ROOT / app / "checks.py").read_text()))
        assert len(ids) > 2
        assert {name for name in first_cells(DOCS["settings"]) if name.startswith(f"{app}.")} == ids


def test_every_command_is_in_the_docs() -> None:
    ours = {name for name, app in get_commands().items() if app in {"arena", "evaluation", "generators"}}
    assert {cell.split()[0] for cell in first_cells(DOCS["commands"])} == ours


# The local adapters that share a table of settings.
LOCAL = {"diffusers", "onnx"}
IMAGE_TYPES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WebP"}


def describe_provider(name: str) -> dict[str, str]:
    """The cells of a provider's row in docs/adapters.md that follow from its declaration."""
    declaration = find_declaration(name)
    sources = "none"
    if declaration.sources:
        sources = ", ".join(IMAGE_TYPES[media_type] for media_type in declaration.sources.media_types)
        limit = declaration.sources.max_bytes
        sources += f"; up to {limit / 1e6:g} MB" if limit else ""
    units = ", ".join(f"`{unit}`" for unit in declaration.units)
    hosts = ", ".join(f"`{host}`" for host in declaration.hosts)
    return {
        "key": f"`{declaration.key}`",
        "its own hosts": hosts,
        "bills by": units,
        "source images of an edit": sources,
    }


def test_every_adapter_setting_and_outcome_is_in_the_docs() -> None:
    of_adapters = {name: set(import_string(path).Settings.model_fields) for name, path in ADAPTERS.items()}
    settings = set().union(*of_adapters.values())
    assert len(settings) > 30
    documented, existing = first_cells(DOCS["adapters"]), set(ADAPTERS) | set(Outcome) | settings
    missing, unknown = sorted(existing - documented), sorted(documented - existing)
    assert not missing, f"docs/adapters.md: add rows for the adapters, settings or outcomes {missing}."
    assert not unknown, f"docs/adapters.md: remove the rows of {unknown}, which do not exist."
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", DOCS["adapters"], re.MULTILINE)
    for setting in set().union(*(of_adapters[name] for name in (*list_providers(), *LOCAL))):
        stated = set().union(*(list_adapters(cell) for name, cell in rows if name == setting))
        having = {name for name in (*list_providers(), *LOCAL) if setting in of_adapters[name]}
        assert stated == having, f'docs/adapters.md: correct "applies to" of the setting {setting}.'


def list_adapters(cell: str) -> set[str]:
    """The adapters in a cell of the column "applies to": names, "both", "all" or "all but" names."""
    names = re.findall(r"\w+", cell)
    providers = set(list_providers())
    if names[0] == "both":
        return LOCAL
    return providers - {*names[2:]} if names[0] == "all" else {*names} & (providers | LOCAL)


@pytest.mark.parametrize("name", list_providers())
def test_the_docs_row_of_every_provider_says_what_its_adapter_declares(name: str) -> None:
    section = DOCS["adapters"].partition("\n## Providers\n")[2].partition("\n## ")[0]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    rows = [dict(zip(table[0], row, strict=False)) for row in table if row[0] == f"`{name}`"]
    declared = describe_provider(name)
    assert len(rows) == 1, (
        f'"Providers" in docs/adapters.md has {len(rows)} rows of `{name}`. Write one, with {declared}.'
    )
    [row] = rows
    assert {column: row.get(column) for column in declared} == declared, (
        f"Correct the row of `{name}` in docs/adapters.md."
    )
    settings = row.get("settings of a model", "")
    validate_settings(name, tomllib.loads(f"model = {{ {settings.strip('`')} }}")["model"])


def test_every_local_adapter_has_an_example_model() -> None:
    models = tomllib.loads((ROOT / "fixtures" / "models.example.toml").read_text())["models"]
    used = {model["adapter"] for model in models if "adapter" in model}
    assert set(ADAPTERS) - set(list_providers()) < used <= set(ADAPTERS)


def test_every_adapter_has_tests() -> None:
    assert {server.adapter for server in find_servers()} == set(list_providers())
    for name in ADAPTERS:
        file = f"tests/generators/adapters/test_{name}.py"
        assert (ROOT / file).exists(), f"Adapter {name!r} has no tests. Write {file}."


def test_every_metric_and_its_parameters_are_in_the_docs() -> None:
    page = DOCS["metrics"]
    documented: dict[str, str] = {}  # the section of each name
    for section in page.split("\n## "):
        for cell in re.findall(r"^\| ((?:`[-\w]+`(?:, )?)+) \|", section, re.MULTILINE):
            documented |= dict.fromkeys(re.findall(r"`([-\w]+)`", cell), section)
    assert set(documented) == {*METRICS, *EXTRACTORS}
    for name in METRICS:
        metric = find_metric(name)
        assert metric.declaration.title
        assert metric.declaration.source
        for parameter in metric.model_fields:
            assert f"`{parameter}`" in documented[name] or f"{parameter} =" in documented[name], f"{name}: {parameter}"


def test_every_metric_has_tests() -> None:
    folder = ROOT / "tests" / "evaluation" / "metrics"
    tests = "".join(file.read_text() for file in folder.rglob("test_*.py"))
    for name, path in METRICS.items():
        assert re.search(rf"\b{path.rpartition('.')[2]}\b|\"{name}\"", tests), path


def test_every_suite_and_rule_is_in_the_docs() -> None:
    suites = {file.stem for file in (ROOT / "fixtures" / "suites").glob("*.toml")}
    assert suites <= first_cells(DOCS["runs"])
    for field in (*Suite.model_fields, *Rule.model_fields):
        assert f"`{field}`" in DOCS["runs"] or f"{field} =" in DOCS["runs"] or f"[[{field}]]" in DOCS["runs"], field


# Internal modules, which readers of the docs do not need.
INNER = {
    "arguments",
    "arrow",
    "components",
    "cores",
    "counts",
    "covariances",
    "families",
    "fitting",
    "information",
} | {*("outcomes", "poisson", "ratings", "refitting", "regression", "votes")}


def test_every_method_of_rating_is_in_the_docs() -> None:
    modules = [file for file in (ROOT / "evaluation" / "ratings").glob("*.py") if file.stem not in {"__init__", *INNER}]
    assert len(modules) > 10
    for file in modules:
        public = re.findall(r"^(?:def|class) ([A-Za-z]\w+)", file.read_text(), re.MULTILINE)
        assert any(f"`{name}" in DOCS["ratings"] for name in public), f"docs/ratings.md does not name {file.name}"


def test_the_docs_name_only_functions_that_exist() -> None:
    code = "".join(file.read_text() for file in (ROOT / "evaluation" / "ratings").glob("*.py"))
    for name in re.findall(
        r"`((?:fit|find|run|bootstrap|correct|plan|judge|count|code|read|project|rank)_\w+)`", DOCS["ratings"]
    ):
        assert f"def {name}(" in code, name


def test_links_have_targets() -> None:
    def headings(page: Path) -> set[str]:
        titles = re.findall(r"^##+ (.+)", page.read_text(), re.MULTILINE)
        return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}

    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    assert len(pages) > 5
    for page in pages:
        for target, _, anchor in re.findall(r"\]\(([^):#]*)(#([^)]+))?\)", page.read_text()):
            file = page.parent / target if target else page
            assert file.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in headings(file), f"{page.name}: {target}#{anchor}"


def test_the_example_runs_on_real_votes(shared_data: Path) -> None:
    command = [sys.executable, "docs/examples/genai_arena.py", str(shared_data / "votes" / "genai_arena_t2i.csv")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "1451 votes on 6 models" in done.stdout
    assert re.search(r"PlayGroundV2 +1151\.3 +1124\.3 +1178\.3", done.stdout)


def test_the_readme_names_only_what_exists() -> None:
    for name in re.findall(r"PARAGONE_\w+", README):
        assert name.removesuffix("_FILE") in DOCS["settings"], name
    for name in re.findall(r"(?:^|`)paragone (\w+)", README, re.MULTILINE):
        assert name in get_commands(), name
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile, target
