"""The command rate_board: its output, its files and its errors."""

import io
from pathlib import Path

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from arena.management.commands.rate_board import format_table
from arena.models import Board, Leaderboard, MatchupCount
from tests.arena.leaderboards.test_snapshots import vote_on


@pytest.fixture
def voted(board: Board) -> Board:
    """Five votes on a and b, none on c."""
    a, b, _ = board.image_models.all()
    vote_on(board, a, b, "model_a", 3)
    vote_on(board, a, b, "model_b", 1)
    vote_on(board, a, b, "both_bad", 1)
    return board


def rate(board: Board, **options: object) -> str:
    out = io.StringIO()
    call_command("rate_board", board=board.slug, stdout=out, **options)
    return out.getvalue()


def test_it_prints_the_table(voted: Board) -> None:
    a, b, c = voted.image_models.all()
    first = rate(voted)
    assert "5 votes" in first
    assert "new snapshot" in first
    assert "unchanged snapshot" in rate(voted)
    _, head, *rows = first.splitlines()
    assert head.split() == ["rank", "model", "rating", "95", "%", "interval", "votes", "win", "rate"]
    assert [next(model for model in (a, b, c) if model.name in row) for row in rows] == [a, b, c]
    assert rows[0].split()[0] == "1-2"
    assert rows[0].split()[-4:] == ["5", "70.0", "%", "preliminary"]
    assert rows[2].split()[-3:] == ["no", "votes", "yet"]
    ends = {row.index(cell) + len(cell) for row, cell in zip(rows[:2], ("70.0 %", "30.0 %"), strict=True)}
    assert ends == {len(head)}


def test_columns_are_aligned_whatever_the_names(voted: Board) -> None:
    longest = voted.image_models.first()
    longest.name = "A model with a name of its own, and a long one"
    longest.save()
    rate(voted)
    head, *rows = format_table(Leaderboard.objects.get()).splitlines()
    start = head.index("model")
    assert all(row[start - 1] == " " and row[start] != " " for row in rows)


@pytest.mark.parametrize(("kind", "read"), [("csv", pd.read_csv), ("JSON", pd.read_json), ("parquet", pd.read_parquet)])
def test_it_writes_the_table(voted: Board, tmp_path: Path, kind: str, read) -> None:
    file = tmp_path / f"table.{kind}"
    assert f"Written to {file}" in rate(voted, output=file)
    frame = read(file)
    assert list(frame["model"]) == list(voted.image_models.order_by("slug").values_list("slug", flat=True))
    assert list(frame["votes"]) == [5, 5, 0]
    assert frame["rating"].notna().tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("name", "message"),
    [("table.xlsx", "csv, .json, .parquet"), ("no/where.csv", "is not a folder"), ("table", "no known extension")],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    voted: Board, tmp_path: Path, name: str, message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        rate(voted, output=tmp_path / name)
    assert not Leaderboard.objects.exists()


def test_rebuild_recounts_all_votes(voted: Board) -> None:
    rate(voted)
    MatchupCount.objects.update(ties=7)
    with pytest.raises(ValueError, match="hold different votes"):  # clustered intervals read the votes themselves
        rate(voted)
    Board.objects.update(interval=Board.Interval.SANDWICH)
    assert "new snapshot" in rate(voted)
    assert "5 votes" in rate(voted, rebuild=True)
    assert "5 votes" in rate(voted)


def test_an_unknown_board_lists_the_known_ones(board: Board) -> None:
    with pytest.raises(CommandError, match=board.slug):
        call_command("rate_board", board="nowhere")
