"""Imports of votes: a whole file or nothing, no vote twice, onto boards of imported votes."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from arena.leaderboards.snapshots import rate_board
from arena.models import Board, Origin, Rater, Vote
from generators.model_names import ModelNames
from generators.models import ImageModel, Prompt, PromptSet
from tests import builders

pytestmark = pytest.mark.django_db

PLAIN = "model_a,model_b,winner"
FULL = "model_a,model_b,winner,rater,prompt,time,language,category"
TWO_VOTES = [
    "SDXL,LCM,model_a,Ada,A cat,2024-02-12T01:15:14Z,en,animals",
    "LCM,Flux 1.1,both_bad,,A dog,2024-02-12T01:15:15Z,en,animals",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "votes.csv"


def write(file: Path, *lines: str, header: str = FULL) -> Path:
    file.write_text("\n".join([header, *lines, ""]))
    return file


def import_file(file: Path, *options: str, board: str = "old-arena") -> str:
    out = io.StringIO()
    call_command("import_votes", str(file), "--board", board, *options, stdout=out)
    return out.getvalue()


def refuse(file: Path, *options: str, board: str = "old-arena") -> str:
    """The message of a refused import, which wrote nothing."""
    tables = (Board, Vote, Rater, ImageModel, PromptSet, Prompt, Board.image_models.through)
    before = [table.objects.count() for table in tables]
    with pytest.raises(CommandError) as refused:
        import_file(file, *options, board=board)
    assert [table.objects.count() for table in tables] == before
    assert str(refused.value).startswith(f"Nothing was imported from {file.name}. ")
    return str(refused.value)


def test_import_creates_a_board(file: Path) -> None:
    out = import_file(write(file, *TWO_VOTES), "--title", "The old arena", "--task", "image_edit")
    board = Board.objects.get()
    assert (board.slug, board.title, board.task, board.origin) == (
        "old-arena",
        "The old arena",
        "image_edit",
        "imported",
    )
    models = board.image_models.values_list("slug", "name", "family", "adapter")
    assert list(models) == [
        ("flux-1-1", "Flux 1.1", "Flux 1.1", ""),
        ("lcm", "LCM", "LCM", ""),
        ("sdxl", "SDXL", "SDXL", ""),
    ]
    first, second = board.votes.order_by("cast_at")
    assert (first.model_a.slug, first.model_b.slug, first.winner, first.origin) == (
        "sdxl",
        "lcm",
        "model_a",
        "imported",
    )
    assert first.cast_at == datetime(2024, 2, 12, 1, 15, 14, tzinfo=UTC)
    assert (first.rater.name, first.rater.origin, first.rater.board) == ("Ada", "imported", board)
    assert (first.language, first.category, first.battle) == ("en", "animals", None)
    assert (first.prompt.text, first.prompt.language, first.prompt.category) == ("A cat", "en", "animals")
    assert (second.rater, second.winner) == (None, "both_bad")
    assert "2 votes imported onto the new board old-arena (Image edit)" in out
    assert "models   3 new, 0 existing" in out
    assert "paragone rate_board --board old-arena" in out


def test_new_prompts_are_a_version_of_the_boards_prompt_set(file: Path) -> None:
    import_file(write(file, *TWO_VOTES))
    prompt_set = PromptSet.objects.get()
    assert prompt_set.slug == "votes-old-arena"
    assert prompt_set.version == prompt_set.digest[:12]
    assert [prompt_set] == list(Board.objects.get().prompt_sets.all())
    again = [
        "Flux 1.1,LCM,tie,Ada,A cat,2024-02-13,en,animals",  # an existing prompt
        "Flux 1.1,LCM,tie,Ada,A cat,2024-02-13,de,animals",  # the same text in another language
    ]
    import_file(write(file, *again))
    assert list(Prompt.objects.values_list("text", "language").order_by("text", "language")) == [
        ("A cat", "de"),
        ("A cat", "en"),
        ("A dog", "en"),
    ]
    assert Board.objects.get().prompt_sets.count() == 2
    assert Rater.objects.count() == 1


def test_file_with_only_the_required_columns(file: Path) -> None:
    out = import_file(write(file, "SDXL,LCM,tie", "SDXL,LCM,tie", header=PLAIN))
    assert Board.objects.get().title == "old-arena"
    vote, other = Vote.objects.all()
    assert (vote.rater, vote.prompt, vote.language, vote.cast_at) == (None, None, "", other.cast_at)
    assert "Equal lines count as separate votes" in out
    assert not PromptSet.objects.exists()


def test_unused_columns_and_skipped_lines_are_reported(file: Path) -> None:
    write(file, "SDXL,LCM,tie,yes,7", "SDXL,LCM,tie,no,8", header=PLAIN + ",anony,battle")
    out = import_file(file, "--only", "anony=yes")
    assert "Unused columns: battle\n" in out
    assert "skipped  1 lines without anony=yes" in out


@pytest.mark.parametrize("written", ["sdxl", "SDXL base", "SDXL 1.0"])
def test_existing_model_is_found_by_slug_name_or_family_and_revision(file: Path, written: str) -> None:
    builders.make_model(slug="sdxl", name="SDXL base", family="SDXL", revision="1.0", adapter="diffusers")
    out = import_file(write(file, f"{written},LCM,tie", header=PLAIN))
    assert "existing models: sdxl (named SDXL base)" in out
    assert "models   1 new, 1 existing" in out
    assert ImageModel.objects.get(slug="sdxl").adapter == "diffusers"


def test_name_that_would_get_the_slug_of_another_model_is_refused(file: Path) -> None:
    builders.make_model(slug="sdxl", name="SDXL 1.0")
    message = refuse(write(file, *TWO_VOTES))
    assert "the model 'SDXL' would get the slug sdxl, which is that of 'SDXL 1.0'; write sdxl if it is" in message


def test_model_of_a_family_that_exists_under_another_slug_is_refused(file: Path) -> None:
    builders.make_model(slug="sdxl-base", family="SDXL", revision="1")
    message = refuse(write(file, *TWO_VOTES))
    assert "the model 'SDXL' cannot be created: revision 1 of that family is the model sdxl-base" in message


def test_file_that_writes_one_model_in_two_ways_is_refused(file: Path) -> None:
    builders.make_model(slug="gpt-image-1", name="GPT Image")
    message = refuse(write(file, "GPT Image,LCM,tie", "LCM,gpt-image-1,tie", header=PLAIN))
    assert "'gpt-image-1' and 'GPT Image' are both the model gpt-image-1; if that is right, write one" in message


def test_model_that_another_process_creates_meanwhile_stops_the_import(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_model(slug="sdxl", name="SDXL")
    monkeypatch.setattr("arena.votes.imports.ModelNames", lambda: ModelNames([]))
    message = refuse(write(file, *TWO_VOTES))
    assert message.endswith("Another process wrote the same rows at the same time. Import again.")


# Faults


def test_file_with_an_invalid_line_is_refused(file: Path) -> None:
    faulty = [f"SDXL,LCM,better {n}" for n in range(12)]
    message = refuse(write(file, "SDXL,LCM,tie", *faulty, header=PLAIN))
    assert "12 lines are invalid" in message
    assert "  line 3: winner is 'better 0'; wanted one of model_a, model_b, tie, both_bad, another" in message
    assert "line 12: " in message
    assert "line 13: " not in message
    assert message.endswith("... and 2 more")


def test_rows_of_parquet_are_called_rows(tmp_path: Path) -> None:
    file = tmp_path / "votes.parquet"
    pd.DataFrame({"model_a": ["SDXL"], "model_b": ["LCM"], "winner": ["first"]}).to_parquet(file)
    assert "1 row is invalid:\n  row 1: winner is 'first'" in refuse(file)


def test_keep_valid_imports_the_rest_and_writes_the_rejected_lines(file: Path) -> None:
    write(file, "SDXL,LCM,tie,a", 'SDXL,LCM,first,"two\nlines"', "SDXL,LCM,tie,b", "SDXL,LCM", header=PLAIN + ",note")
    out = import_file(file, "--keep-valid")
    assert Vote.objects.count() == 2
    rejected = file.with_name("votes.csv.rejected.csv")
    assert f"The invalid lines are in {rejected}" in out
    assert "2 lines are invalid" in out
    with rejected.open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["line", "reason", "content"],
            [
                "3",
                "winner is 'first'; wanted one of model_a, model_b, tie, both_bad, another word for them (say which"
                " with --winner 'first=WINNER'), or the name of a model of this line",
                'SDXL,LCM,first,"two\nlines"',
            ],
            ["6", "it has 2 cells; the first line has 4", "SDXL,LCM"],
        ]


def test_rejected_lines_with_nul_and_invalid_bytes_can_be_written(file: Path) -> None:
    file.write_bytes(b'model_a,model_b,winner\nSDXL,LCM,tie\nSD\0XL,LCM,tie\nSD\xe8XL,LCM,tie\n"SDXL,LCM,tie\n')
    assert "3 lines are invalid" in import_file(file, "--keep-valid")
    with file.with_name("votes.csv.rejected.csv").open(newline="", encoding="utf-8") as stream:
        contents = [row["content"] for row in csv.DictReader(stream)]
    assert contents == ["SD\0XL,LCM,tie", "SD\\xe8XL,LCM,tie", '"SDXL,LCM,tie']


def test_nothing_is_imported_if_the_rejected_lines_cannot_be_written(file: Path) -> None:
    write(file, "SDXL,LCM,tie", "SDXL,LCM,first", header=PLAIN)
    file.with_name("votes.csv.rejected.csv").mkdir()
    assert "votes.csv.rejected.csv" in refuse(file, "--keep-valid")


def test_keep_valid_needs_a_valid_line(file: Path) -> None:
    assert "The file has no valid line that is new." in refuse(
        write(file, "SDXL,LCM,first", header=PLAIN), "--keep-valid"
    )


def test_file_without_a_required_column_is_refused(file: Path) -> None:
    assert "no column winner" in refuse(write(file, "SDXL,LCM", header="model_a,model_b"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "anony"], "--only anony: wanted NAME=VALUE."),
        (["--column", "time=a", "--column", "time=b"], "--column gives time twice."),
    ],
)
def test_invalid_option_is_refused(file: Path, options: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        import_file(write(file, *TWO_VOTES), *options)


# Votes that are already on the board


@pytest.mark.parametrize(
    ("header", "line", "fresh"),
    [
        (PLAIN + ",time", "SDXL,LCM,tie,1707700514.3167", "SDXL,LCM,tie,1707700514.3168"),
        (PLAIN + ",rater,prompt", "SDXL,LCM,tie,Ada,A cat", "SDXL,LCM,tie,Ben,A cat"),
        (FULL, TWO_VOTES[0], TWO_VOTES[1]),
    ],
)
def test_vote_already_on_the_board_is_a_fault(file: Path, header: str, line: str, fresh: str) -> None:
    import_file(write(file, line, header=header))
    message = refuse(write(file, fresh, line, header=header))
    assert "1 line is invalid:\n  line 3: already on the board" in message
    import_file(file, "--keep-valid")
    assert Vote.objects.count() == 2
    assert "already on the board" in file.with_name("votes.csv.rejected.csv").read_text()
    assert "2 lines are invalid" in refuse(file)


def test_same_time_in_another_format_is_the_same_vote(file: Path) -> None:
    import_file(write(file, "SDXL,LCM,tie,1707700514", header=PLAIN + ",time"))
    write(file, "SDXL,LCM,tie,2024-02-12T03:15:14+02:00", header=PLAIN + ",time")
    assert "already on the board" in refuse(file)


def test_other_boards_may_have_the_same_votes(file: Path) -> None:
    write(file, *TWO_VOTES)
    import_file(file)
    import_file(file, board="another")
    assert Vote.objects.count() == 4
    assert ImageModel.objects.count() == 3


def test_file_without_identified_votes_needs_a_board_without_votes(file: Path) -> None:
    write(file, "SDXL,LCM,tie", header=PLAIN)
    Board.objects.create(slug="old-arena", title="Empty", origin=Origin.IMPORTED)
    import_file(file)
    message = refuse(file)
    assert "Give it a column time, or the columns rater and prompt, or use another board." in message


# The board


@pytest.mark.parametrize("origin", ["human", "simulated"])
def test_board_of_another_origin_is_refused(file: Path, origin: str) -> None:
    simulation = {"strengths": {}} if origin == "simulated" else None
    builders.make_board(slug="live", origin=origin, simulation=simulation)
    message = refuse(write(file, *TWO_VOTES), board="live")
    assert f"The board live has votes of the origin {origin}" in message
    assert "are not mixed with imported votes" in message


@pytest.mark.parametrize("slug", ["not a slug", "x" * 95])
def test_invalid_slug_is_refused(file: Path, slug: str) -> None:
    assert "cannot be created" in refuse(write(file, *TWO_VOTES), board=slug)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--title", "Another"], "has the title 'Old', not 'Another'. Omit --title"),
        (["--task", "image_edit"], "has the task 'text_to_image', not 'image_edit'. Omit --task"),
    ],
)
def test_existing_board_keeps_its_title_and_task(file: Path, options: list[str], message: str) -> None:
    import_file(write(file, TWO_VOTES[0]), "--title", "Old")
    assert message in refuse(write(file, TWO_VOTES[1]), *options)
    import_file(file, "--title", "Old", "--task", "text_to_image")
    assert Vote.objects.count() == 2


# Published ratings


def test_imported_votes_reproduce_published_ratings(shared_data: Path) -> None:
    folder = shared_data / "votes"
    import_file(folder / "genai_arena_t2i.csv", "--only", "anony=True", "--column", "time=tstamp")
    board = Board.objects.get()
    assert board.votes.count() == 1451
    leaderboard = rate_board(board)
    assert leaderboard is not None
    golden = pd.read_csv(folder / "genai_arena_t2i_golden.csv").query("subset == 'anony'").set_index("model")
    rated = {rating.model.name: rating for rating in leaderboard.ratings.select_related("model")}
    assert set(rated) == set(golden.index)
    for name, expected in golden.iterrows():
        assert rated[name].value == pytest.approx(expected["arenarank_rating"], abs=1.0)
        assert rated[name].ci_low == pytest.approx(expected["arenarank_low"], abs=1.0)
        assert rated[name].ci_high == pytest.approx(expected["arenarank_high"], abs=1.0)
    by_rating = sorted(rated, key=lambda name: rated[name].value)
    assert by_rating == list(golden.sort_values("published_rating").index)
