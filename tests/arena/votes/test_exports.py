"""Exports of votes: import and export are each other's inverse, in every format."""

import csv
import io
import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arena.leaderboards.snapshots import rate_board
from arena.models import Board, Exclusion, Origin, Rater, Vote
from arena.votes.casting import cast_vote
from arena.votes.counts import read_counts
from arena.votes.exclusions import exclude_automatically
from arena.votes.exports import WRITERS
from arena.votes.looks import Look
from generators.input_files.fields import FORBIDDEN
from generators.models import Generation, ImageModel, Prompt, PromptSet
from tests import builders

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
ALL = "--with-excluded"


def export(board: Board, file: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("export_votes", str(file), "--board", board.slug, *options, stdout=out)
    return out.getvalue()


def import_file(file: Path, board: str) -> Board:
    call_command("import_votes", str(file), "--board", board, stdout=io.StringIO())
    return Board.objects.get(slug=board)


@contextmanager
def another_database() -> Iterator[None]:
    """A database whose rows do not exist afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def number_by_first(values: Iterable[int | None]) -> list[int]:
    """Equal numbers for equal values: the place of the first of them."""
    firsts: dict[int | None, int] = {}
    return [firsts.setdefault(value, number) for number, value in enumerate(values)]


def describe(board: Board) -> dict[str, Any]:
    """All that an export carries, and what follows from it, without ids."""
    votes = [
        (
            (vote.model_a.slug, vote.model_a.name),
            (vote.model_b.slug, vote.model_b.name),
            vote.winner,
            (vote.prompt.text, vote.prompt.category, vote.prompt.language) if vote.prompt else None,
            (vote.cast_at, vote.language, vote.category, vote.how, vote.seconds_shown),
            sorted(
                vote.excluded_votes.filter(exclusion__in=Exclusion.objects.in_force()).values_list(
                    "exclusion__reason", flat=True
                )
            ),
        )
        for vote in board.votes.select_related("model_a", "model_b", "prompt").order_by("pk")
    ]
    grouped = {
        name: number_by_first(board.votes.order_by("pk").values_list(name, flat=True)) for name in ("rater", "prompt")
    }
    counted = read_counts(board)
    slugs = ImageModel.objects.in_bulk(counted.models)
    table = {
        (slugs[a].slug, slugs[b].slug): counted.counts.table[i, j].tolist()
        for i, a in enumerate(counted.models)
        for j, b in enumerate(counted.models)
        if counted.counts.table[i, j].any()
    }
    return {"votes": votes, "same": grouped, "counts": table, "n_raters": counted.n_raters}


def describe_ratings(board: Board) -> dict[str, Any]:
    leaderboard = rate_board(board)
    assert leaderboard is not None
    names = ("model__slug", "value", "ci_low", "ci_high", "usable", "unrated", "n_votes", "wins", "ties", "both_bad")
    ratings = {
        slug: [pytest.approx(cell, rel=1e-9) if isinstance(cell, float) else cell for cell in row]
        for slug, *row in leaderboard.ratings.values_list(*names, "excluded")
    }
    interval = leaderboard.parameters["interval"]
    return {"ratings": ratings, "excluded": leaderboard.excluded, "interval": interval}


IMAGE = {"status": "ok", "original": "0" * 64, "media_type": "image/png"}


def add_images(models: Iterable[ImageModel], prompts: Iterable[Prompt]) -> None:
    """Generations without files: none can be stored in a transaction."""
    size = {"width": 96, "height": 96, "due_at": NOON}
    Generation.objects.bulk_create(
        Generation(model=model, prompt=prompt, **size, **IMAGE) for model in models for prompt in prompts
    )


def make_full_board() -> Board:
    """A board of human votes with everything that a vote can have."""
    board = builders.make_board(n_models=0, n_prompts=2, drawn=False, slug="t2i", rater_prompts="not_counted")
    names = {"mj-6": "Midjourney 6.1", "hunyuan": "混元", "SDXL_v1": '=SDXL, "the\nbase"', "fresco": "Midjourney 6.1"}
    board.image_models.set([builders.make_model(slug=slug, name=name) for slug, name in names.items()])
    nasty = Prompt.objects.first()
    nasty.text, nasty.category, nasty.language = '+ a sign\r\n"Fünf, 50 %"\n\ttab; \u2028 猫', "text, signs", "zh-Hant"
    nasty.save()
    add_images(board.image_models.all(), Prompt.objects.all())
    raters = [uuid.uuid4() for _ in range(4)]
    for n, winner in enumerate(["model_a", "model_b", "tie", "both_bad"] * 4):
        look = Look(how=["key", "tap", "form", ""][n % 4], seconds_shown=[0.0, 1.25e-4, None][n % 3])
        cast_vote(builders.make_battle(board, raters[n % 3]), raters[n % 3], winner, look)
    typed = builders.make_rater_battle(board, '=HYPERLINK("x")', raters[3], drawn=False)
    Generation.objects.filter(prompt=typed.prompt).update(**IMAGE)
    typed.refresh_from_db()
    custom, _ = cast_vote(typed, raters[3], "model_a")
    votes = list(board.votes.order_by("pk"))
    exclude_automatically(votes[1], Exclusion.Reason.LIMIT)
    exclude_automatically(custom, Exclusion.Reason.LIMIT)
    builders.exclude(votes[1], votes[2])
    return board


@pytest.mark.parametrize("suffix", WRITERS)
def test_import_into_an_empty_database_gives_the_same_votes_and_ratings(tmp_path: Path, suffix: str) -> None:
    file, again = tmp_path / f"votes{suffix}", tmp_path / f"again{suffix}"
    with another_database():
        board = make_full_board()
        said = export(board, file, ALL)
        wanted, ratings = describe(board), describe_ratings(board)
    assert ImageModel.objects.count() == Vote.objects.count() == 0
    copy = import_file(file, "copy")
    assert describe(copy) == wanted
    assert describe_ratings(copy) == ratings
    export(copy, again, ALL)
    assert again.read_bytes() == file.read_bytes()
    assert "17 votes written" in said
    assert ratings["excluded"] == {"limit": 2, "operator": 1}


@pytest.mark.parametrize("suffix", WRITERS)
def test_votes_that_count_are_exported_alone(tmp_path: Path, suffix: str) -> None:
    file, again = tmp_path / f"votes{suffix}", tmp_path / f"again{suffix}"
    with another_database():
        board = make_full_board()
        said = export(board, file)
        wanted, ratings = describe(board), describe_ratings(board)
    copy = import_file(file, "copy")
    assert describe(copy)["counts"] == wanted["counts"]
    assert [vote[4] for vote in describe(copy)["votes"]] == [vote[4] for vote in wanted["votes"] if not vote[5]]
    assert {slug: row[:3] for slug, row in describe_ratings(copy)["ratings"].items()} == {
        slug: row[:3] for slug, row in ratings["ratings"].items()
    }
    export(copy, again)
    assert again.read_bytes() == file.read_bytes()
    assert "14 votes written" in said
    assert "3 excluded votes are left out, because they do not count; --with-excluded exports them, too." in said


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
CELLS = TEXTS | st.text("=+-@'\t\r\n\"; ,a", max_size=5) | st.sampled_from(["NaN", "null", "1e5", "007", "true", "﻿x"])
NAMES = CELLS.filter(lambda text: text and not FORBIDDEN.search(text)) | st.sampled_from(["b", "***", " SDXL ", "混元"])
ROWS = st.tuples(
    st.sampled_from(["model_a", "model_b", "tie", "both_bad"]),
    CELLS,  # rater
    CELLS,  # prompt
    CELLS,  # language and category
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.none() | st.floats(0, 86_400),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=5), st.tuples(NAMES, NAMES), st.sampled_from(list(WRITERS)))
def test_any_texts_times_and_numbers_survive(
    tmp_path: Path, rows: list[tuple[Any, ...]], names: tuple[str, str], suffix: str
) -> None:
    file, again = tmp_path / f"votes{suffix}", tmp_path / f"again{suffix}"
    with another_database():
        board = make_imported_board(rows, names)
        export(board, file)
        wanted = describe(board)
    with another_database():
        copy = import_file(file, "copy")
        assert describe(copy) == wanted
        assert set(copy_raters(copy)) == {row[1] for row in rows} - {""}
        export(copy, again)
    assert again.read_bytes() == file.read_bytes()


def copy_raters(board: Board) -> list[str]:
    return list(Rater.objects.filter(board=board).values_list("name", flat=True))


def make_imported_board(rows: list[tuple[Any, ...]], names: tuple[str, str]) -> Board:
    board = Board.objects.create(slug="old", title="Old", origin=Origin.IMPORTED)
    models = [builders.make_model(slug=slug, name=name) for slug, name in zip(("Tie", "model_a"), names, strict=True)]
    board.image_models.set(models)
    prompt_set = PromptSet.objects.create(slug="any", version="1", title="Any", digest="0" * 64)
    fields = {"origin": Origin.IMPORTED, "board": board}
    raters = {name: Rater.objects.create(name=name, **fields) for name in {row[1] for row in rows} if name}
    for n, (winner, rater, text, word, when, seconds) in enumerate(rows):
        facts = {"category": word[:50], "language": word[:35]}
        prompt = text and Prompt.objects.create(prompt_set=prompt_set, key=f"p{n}", text=text, **facts)
        Vote.objects.create(
            **fields,
            model_a=models[n % 2],
            model_b=models[1 - n % 2],
            winner=winner,
            rater=raters.get(rater),
            prompt=prompt or None,
            cast_at=when,
            seconds_shown=seconds,
            **facts,
        )
    return board


def test_equal_votes_without_anything_else_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text("model_a,model_b,winner\n" + "SDXL,LCM,tie\n" * 3)
    board = import_file(tmp_path / "plain.csv", "plain")
    export(board, tmp_path / "votes.csv")
    copy = import_file(tmp_path / "votes.csv", "copy")
    assert describe(copy) == describe(board)
    assert copy.votes.count() == 3


def test_edits_of_different_images_with_one_text_stay_different_prompts(tmp_path: Path) -> None:
    with another_database():
        board = builders.make_board(n_prompts=3, task=Board.Task.IMAGE_EDIT)
        Prompt.objects.update(text="Add a star", sources=["0" * 64])
        add_images(board.image_models.all(), Prompt.objects.all())
        rater = uuid.uuid4()
        for _ in range(3):
            builders.make_vote(board, key=rater)
        n_prompts = board.votes.values("prompt").distinct().count()
        export(board, tmp_path / "votes.parquet")
    copy = import_file(tmp_path / "votes.parquet", "copy")
    assert set(copy.votes.values_list("prompt__text", flat=True)) == {"Add a star"}
    assert copy.votes.values("prompt").distinct().count() == n_prompts > 1


def test_raters_are_pseudonyms_that_later_exports_keep(tmp_path: Path) -> None:
    board = builders.make_board(n_prompts=4, drawn=True)
    raters = [uuid.uuid4() for _ in range(3)]
    for rater in raters:
        builders.make_vote(board, key=rater)
    builders.exclude(board.votes.earliest("pk"))
    export(board, tmp_path / "votes.csv")
    first = pd.read_csv(tmp_path / "votes.csv")["rater"].tolist()
    builders.make_vote(board, key=raters[1])
    export(board, tmp_path / "votes.csv", ALL)
    frame = pd.read_csv(tmp_path / "votes.csv")
    later = frame["rater"].tolist()
    assert (len(set(later)), first, later[3]) == (3, later[1:3], later[1])
    assert frame["exclusions"].fillna("").tolist() == ["operator", "", "", ""]
    text = (tmp_path / "votes.csv").read_text()
    assert not any(part in text for rater in raters for part in (str(rater), rater.hex))


def test_raters_of_two_boards_stay_apart_on_one(tmp_path: Path) -> None:
    for slug in ("one", "two"):
        board = builders.make_board(n_prompts=2, drawn=True, slug=slug)
        for _ in range(2):
            builders.make_vote(board)
        export(board, tmp_path / f"{slug}.csv")
        copy = import_file(tmp_path / f"{slug}.csv", "copy")
    assert copy.votes.values("rater").distinct().count() == 4


def test_export_is_imported_onto_declared_models(tmp_path: Path) -> None:
    board = builders.make_board(n_prompts=2, drawn=True)
    builders.make_vote(board)
    export(board, tmp_path / "votes.jsonl")
    before = ImageModel.objects.count()
    assert import_file(tmp_path / "votes.jsonl", "copy").votes.get().model_a == board.votes.get().model_a
    assert ImageModel.objects.count() == before
    with pytest.raises(CommandError, match="already on the board"):
        import_file(tmp_path / "votes.jsonl", "copy")


def test_columns_are_those_that_other_tools_read(tmp_path: Path) -> None:
    board = builders.make_board(n_prompts=2, drawn=True)
    vote = builders.make_vote(board, "both_bad")
    for suffix in WRITERS:
        export(board, tmp_path / f"votes{suffix}")
    with (tmp_path / "votes.csv").open(newline="", encoding="utf-8") as stream:
        [line] = csv.DictReader(stream)
    assert (line["model_a"], line["model_b"], line["winner"]) == (vote.model_a.slug, vote.model_b.slug, "both_bad")
    assert line["time"] == vote.cast_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    [record] = map(json.loads, (tmp_path / "votes.jsonl").read_text(encoding="utf-8").splitlines())
    assert (record["winner"], record["vote"], record["seconds_shown"]) == ("both_bad", 1, None)
    frame = pd.read_parquet(tmp_path / "votes.parquet")
    assert (frame["time"][0], frame["prompt"][0]) == (pd.Timestamp(vote.cast_at), vote.prompt.text)


def test_file_is_replaced_only_by_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = builders.make_board(n_prompts=2, drawn=True)
    builders.make_vote(board)
    file = tmp_path / "exports" / "votes.csv"
    file.parent.mkdir()
    file.write_text("earlier")

    def fail(*arguments: object) -> None:
        arguments[0].write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(WRITERS, ".csv", fail)
    with pytest.raises(CommandError, match=r"votes\.csv cannot be written: No space left on device"):
        export(board, file)
    assert list(file.parent.iterdir()) == [file]
    assert file.read_text() == "earlier"


def test_unknown_board_format_and_folder_are_refused(tmp_path: Path) -> None:
    board = builders.make_board(n_models=0, n_prompts=0, slug="t2i")
    with pytest.raises(CommandError, match=r"There is no board 'x'\. Known boards: t2i\."):
        call_command("export_votes", str(tmp_path / "votes.csv"), "--board", "x")
    with pytest.raises(CommandError, match=r"has no known extension\. Use one of \.csv, \.jsonl, \.parquet"):
        export(board, tmp_path / "votes.xlsx")
    with pytest.raises(CommandError, match="cannot be written: No such file or directory"):
        export(board, tmp_path / "absent" / "votes.csv")
