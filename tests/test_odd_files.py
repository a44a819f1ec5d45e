"""Odd files of votes, manifests, prompts, images and statistics: each has its right outcome."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError

from evaluation.extractors.registry import EXTRACTORS
from tests.evaluation.mean_color import MeanColor
from tests.odd_files.make import FILES, make_folder
from tests.odd_files.odd_file import OddFile
from tests.odd_files.readers import READERS

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd_files")
    make_folder(folder)
    return folder


@pytest.fixture(autouse=True)
def _extractor_of_three_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRACTORS, "mean-color", f"{MeanColor.__module__}.MeanColor")


def test_each_file_of_the_folder_has_its_outcome_beside_it(folder: Path) -> None:
    outcomes = json.loads((folder / "outcomes.json").read_text(encoding="utf-8"))
    assert all((folder / outcome["kind"] / outcome["name"]).exists() for outcome in outcomes)
    assert {outcome["kind"] for outcome in outcomes} == READERS.keys()


@pytest.mark.parametrize(
    ("kind", "odd"), [pytest.param(kind, odd, id=f"{kind}: {odd.name}") for kind in FILES for odd in FILES[kind]]
)
def test_odd_file(folder: Path, kind: str, odd: OddFile) -> None:
    reader, file = READERS[kind], folder / kind / odd.name
    if odd.refused:
        with pytest.raises(CommandError) as refused:
            reader.command(file, *odd.options)
        assert odd.refused in str(refused.value)
        assert reader.rows() == []
        return
    said = reader.command(file, *odd.options)
    found = [{key: row[key] for key in wanted} for row, wanted in zip(reader.rows(), odd.rows, strict=True)]
    # Colours are those of a JPEG.
    assert found == [
        {key: pytest.approx(value, abs=4) if key == "color" else value for key, value in wanted.items()}
        for wanted in odd.rows
    ]
    assert odd.says in said
