"""Vote files as people have them, of the shared data: each is read, or refused with its cause."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from arena.votes.files import VoteFile, read_vote_file
from generators.input_files.faults import InputFileError
from tests.arena.votes.vote_lines import only_reason, places

BATTLES: dict[str, Any] = {"columns": {"rater": "judge", "time": "tstamp"}}


def read(shared_data: Path, name: str, **options: Any) -> VoteFile:
    return read_vote_file(shared_data / "field" / name, **options)


@pytest.mark.parametrize("name", ["battles.json", "battles.jsonl", "array_as.jsonl"])
def test_winner_words(shared_data: Path, name: str) -> None:
    votes = read(shared_data, f"votes-winner-words/{name}", **BATTLES)
    assert votes.rows["winner"].value_counts().to_dict() == dict.fromkeys(("model_a", "model_b", "tie", "both_bad"), 6)
    assert votes.faults == ()
    lines = read(shared_data, "votes-winner-words/battles.jsonl", **BATTLES)
    assert votes.rows.drop(columns=["line", "content"]).equals(lines.rows.drop(columns=["line", "content"]))


@pytest.mark.parametrize(
    ("name", "winners", "options"),
    [
        ("kaggle.csv", ["model_a", "tie"], {}),
        ("leftright.csv", ["model_a", "tie"], {"columns": {"model_a": "left", "model_b": "right"}}),
        ("capital.csv", ["model_a", "tie"], {}),
        ("byname.csv", ["model_a", "model_b"], {}),
        ("genai_vote.csv", ["model_a", "both_bad"], {}),
        ("genai_vote.csv", ["model_a", "tie"], {"winners": {"bothbad_vote": "tie"}}),
    ],
)
def test_winner_shapes(shared_data: Path, name: str, winners: list[str], options: dict[str, Any]) -> None:
    votes = read(shared_data, f"votes-winner-shapes/{name}", **options)
    assert (votes.rows["winner"].tolist(), votes.faults) == (winners, ())


def test_missing_winner_is_refused(shared_data: Path) -> None:
    votes = read(shared_data, "votes-winner-shapes/nan.csv")
    assert places(votes) == [3]
    assert "winner is 'NaN'; wanted one of model_a" in only_reason(votes)


SECOND = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "microsecond"),
    [
        ("s", 0),
        ("exp", 0),
        ("iso_z", 0),
        ("iso_off", 0),
        ("naive", 0),
        ("pgoff", 0),
        ("ms", 123000),
        ("comma", 123000),
        ("us", 123456),
        ("sfrac", 123456),
        ("bq", 123456),
        ("ns", 123456),
    ],
)
def test_accepted_times_are_that_instant(shared_data: Path, name: str, microsecond: int) -> None:
    votes = read(shared_data, f"votes-times/{name}.csv")
    assert votes.rows["time"].tolist() == [SECOND.replace(microsecond=microsecond), SECOND.replace(second=21)]


@pytest.mark.parametrize(
    ("name", "looks"),
    [("us_date", "a date with slashes, whose day"), ("js", "a date in words"), ("neg", "a time before 1970")],
)
def test_refused_times_say_what_they_look_like(shared_data: Path, name: str, looks: str) -> None:
    assert f"it looks like {looks}" in only_reason(read(shared_data, f"votes-times/{name}.csv"))


def test_day_without_a_time_is_its_midnight(shared_data: Path) -> None:
    votes = read(shared_data, "votes-times/day.csv")
    assert votes.rows["time"].tolist() == [datetime(2023, 11, 14, tzinfo=UTC), SECOND.replace(second=21)]


def test_spreadsheets(shared_data: Path) -> None:
    votes = read(shared_data, "votes-spreadsheet/votes.csv")
    assert (votes.rows["line"].tolist(), votes.faults) == ([2, 3, 4], ())
    votes = read(shared_data, "votes-spreadsheet/quoted_newline.csv")
    assert votes.rows["prompt"].tolist() == ['a cat,\r\nsaying "hi"', "a dog"]
    for name, cause in (("semicolon.csv", "separated by semicolons"), ("utf16.csv", "The file is UTF-16")):
        with pytest.raises(InputFileError, match=cause):
            read(shared_data, f"votes-spreadsheet/{name}")


@pytest.mark.parametrize("name", ["dots.csv", "cjk.csv", "cjk_mixed.csv", "slash.csv"])
def test_model_names_of_their_own(shared_data: Path, name: str) -> None:
    votes = read(shared_data, f"votes-model-names/{name}")
    assert (len(votes.rows), votes.faults) == (2, ())
    assert set(votes.rows["model_a"]) == set(votes.rows["model_b"])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("case.csv", "'sdxl' and 'SDXL' (line 2) would both be the model sdxl"),
        ("space_trailing.csv", "the name 'flux-1 ' cannot be that of a model: it starts or ends with a space"),
    ],
)
def test_two_names_are_never_one_model(shared_data: Path, name: str, reason: str) -> None:
    assert reason in only_reason(read(shared_data, f"votes-model-names/{name}"))
