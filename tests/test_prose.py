"""Prose: the project's texts use the field's words, and no private ones."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Words that this project once used with a meaning of its own, and the usual word for each.
PRIVATE = {
    r"(?<!watch)makers?\b": "provider",
    r"(?<!connection\.)(?<!\]\.)\bvendors?\b(?!=\")": "provider",
    r"\bcontestants?\b": "model",
    r"\bentrants?\b": "active model",
    r"\btall(?:y|ies)\b": "matchup counts",
    r"\bset[ _-]aside\b": "exclusion, reserve",
    r"\bkept apart\b": "not counted",
    r"\bthaw\w*\b": "restore",
    r"\buntold\b": "undispatched",
    r"\bwarm(?:_generator| model)": "cached generator",
    r"\bnobody\b|\bsomebody\b|\bwhoever\b": "name the person or process",
    r"\bfor ever\b": "always, permanent",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bknock(?:s|ed)?\b": "connect",
    r"\bfrom outside\b|\bmakes? outside\b": "provider",
    r"\bmodels? of the house\b": "in-house",
}
# Prompts are what raters and models read; they may say anything.
SKIPPED = re.compile(r"^(fixtures/prompts/|tests/test_prose\.py|constraints\.txt|LICENSE)|/migrations/")


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    kinds = {".py", ".md", ".toml", ".html", ".js", ".css"}
    return [ROOT / name for name in done.stdout.split() if Path(name).suffix in kinds and not SKIPPED.search(name)]


def test_private_words_are_not_used() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {match[0]!r}: {usual}"
        for file in tracked()
        for number, line in enumerate(file.read_text().splitlines(), 1)
        for pattern, usual in PRIVATE.items()
        if (match := re.search(pattern, line, re.IGNORECASE))
    ]
    assert found == []
