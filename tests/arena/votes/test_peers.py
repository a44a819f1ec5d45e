"""Exports of votes in other programs: arena-rank and evalica read the file as it is, and give our ratings."""

import io
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import evalica
import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command

from arena.leaderboards.snapshots import rate_board
from arena.models import Board
from evaluation.ratings import rate
from evaluation.ratings.outcomes import WINNERS
from tests.conftest import report_missing

pytestmark = pytest.mark.django_db
# Names with all that a file format could change.
MODELS = ("FLUX.1 [dev], v2", "=Ideogram 3", "混元", "Midjourney 6.1")
SUFFIXES = (".csv", ".jsonl", ".parquet")


def make_votes(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    a = rng.integers(0, len(MODELS), n)
    b = (a + rng.integers(1, len(MODELS), n)) % len(MODELS)
    winner = np.where(rng.random(n) < 1 / (1 + np.exp((b - a) / 2)), "model_a", "model_b")
    winner = np.where(rng.random(n) < 0.2, rng.choice(["tie", "both_bad"], n), winner)
    names = np.array(MODELS)
    return pd.DataFrame({"model_a": names[a], "model_b": names[b], "winner": winner})


@pytest.fixture
def board(tmp_path: Path) -> Board:
    file = tmp_path / "import.csv"
    make_votes().to_csv(file, index=False)
    call_command("import_votes", str(file), "--board", "peers", stdout=io.StringIO())
    return Board.objects.get()


@pytest.fixture(params=SUFFIXES)
def exported(board: Board, tmp_path: Path, request: pytest.FixtureRequest) -> pd.DataFrame:
    """The exported votes as a user of another program reads them."""
    file = tmp_path / f"votes{request.param}"
    call_command("export_votes", str(file), "--board", board.slug, stdout=io.StringIO())
    readers = {".csv": pd.read_csv, ".jsonl": lambda path: pd.read_json(path, lines=True), ".parquet": pd.read_parquet}
    return readers[request.param](file)


@pytest.fixture
def arena_rank_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of arena-rank that reads votes, with numpy for jax.numpy: it takes no more than arrays from it."""
    if find_spec("arena_rank") is None:
        report_missing("arena-rank is not installed")
    jax = ModuleType("jax")
    jax.numpy = np
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setitem(sys.modules, "jax.numpy", np)
    yield import_module("arena_rank.utils.data_utils")
    for name in [name for name in sys.modules if name.partition(".")[0] == "arena_rank"]:
        del sys.modules[name]


def read_ratings(board: Board) -> dict[str, float]:
    leaderboard = rate_board(board)
    assert leaderboard is not None
    return dict(leaderboard.ratings.values_list("model__slug", "value"))


def test_arena_rank_reads_the_export_as_it_is(
    board: Board, exported: pd.DataFrame, arena_rank_reader: ModuleType
) -> None:
    pairs, models = arena_rank_reader.get_matchups_and_competitors(exported)
    outcomes = arena_rank_reader.get_outcomes(exported, "winner", arena_rank_reader.default_outcome_map)
    votes = make_votes()
    assert set(exported["winner"]) == set(WINNERS)
    assert outcomes.tolist() == votes["winner"].map({"model_a": 1.0, "model_b": 0.0}).fillna(0.5).tolist()
    slugs = dict(zip(votes["model_a"], exported["model_a"], strict=True))
    assert len(models) == len(set(slugs.values())) == len(MODELS)
    assert [models[k] for k in pairs[:, 0]] == [slugs[name] for name in votes["model_a"]]
    assert [models[k] for k in pairs[:, 1]] == [slugs[name] for name in votes["model_b"]]


def test_evalica_gives_our_ratings_from_the_export(board: Board, exported: pd.DataFrame) -> None:
    undecided = dict.fromkeys(("tie", "both_bad"), evalica.Winner.Draw)
    words = {"model_a": evalica.Winner.X, "model_b": evalica.Winner.Y} | undecided
    columns = (exported["model_a"].tolist(), exported["model_b"].tolist(), exported["winner"].map(words).tolist())
    scores = evalica.bradley_terry(*columns, tolerance=1e-12, limit=100_000).scores
    points = 400 * np.log10(scores)
    ours = read_ratings(board)
    assert (points - points.mean() + 1000).to_dict() == pytest.approx(ours, abs=1e-3)


def test_rate_gives_the_board_from_the_export(board: Board, exported: pd.DataFrame) -> None:
    found = rate(exported).to_frame().set_index("model")["rating"].to_dict()
    assert found == pytest.approx(read_ratings(board))
