"""Command prompt_duplicates: lists similar prompts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from evaluation.extractors.base import Extracted, ExtractionError, Identity, MissingWeightsError
from evaluation.extractors.registry import EXTRACTORS

PROMPT = '[[prompts]]\nkey = "{0}"\ntext = "{0}"\n'


class Letters:
    """Letter counts of a text."""

    batch_size = 1
    identity: Identity = {}  # noqa: RUF012

    def __init__(self, variant: str, weights: Path) -> None:
        pass

    def prepare(self, source: str) -> str:
        return source

    def extract(self, prepared: Sequence[str]) -> list[Extracted | ExtractionError]:
        return [np.array([text.count(c) for c in "abcdefgh"], dtype=np.float32) for text in prepared]


class Missing(Letters):
    def __init__(self, variant: str, weights: Path) -> None:
        raise MissingWeightsError("pip install letters")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(EXTRACTORS, "sentence", f"{__name__}.Letters")
    file = tmp_path / "pack.toml"
    prompts = "".join(map(PROMPT.format, ["abcd", "efgh", "dcba", "aaaabbbbccccddd"]))
    file.write_text(f'slug = "p"\nversion = "1"\ntitle = "P"\n{prompts}')
    return file


def test_similar_pairs_are_listed_the_most_similar_first(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("prompt_duplicates", str(file))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["1.000  abcd: abcd", "       dcba: dcba"]
    assert lines[2].startswith("0.993  ")
    assert lines[-1] == "3 of 6 pairs are similar."


def test_the_least_similarity_is_an_option(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("prompt_duplicates", str(file), cosine=0.999)
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 6 pairs are similar."


def test_missing_weights_are_reported(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRACTORS, "sentence", f"{__name__}.Missing")
    with pytest.raises(CommandError, match="pip install letters"):
        call_command("prompt_duplicates", str(file))
