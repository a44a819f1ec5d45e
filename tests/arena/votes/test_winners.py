"""Winner words: a stated table, an option, or a model of the line, and never a guess."""

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.votes.files import read_vote_file
from arena.votes.winners import MISSING, WORDS, WinnerWords, fold_word
from evaluation.ratings.outcomes import WINNERS
from generators.input_files.faults import InputFileError, InvalidLineError
from tests.arena.votes.vote_lines import csv_of, only_reason, places, read

TABLE = [(word, winner) for winner, words in WORDS.items() for word in words]


@pytest.mark.parametrize(("word", "winner"), TABLE)
def test_each_word_of_the_table_is_read_in_any_case(tmp_path: Path, word: str, winner: str) -> None:
    spellings = {word, word.upper(), word.title(), word.replace("_", " "), word.replace("_", "-"), f" {word} "}
    votes = read(tmp_path, csv_of(*(f"SDXL,LCM,{spelling}" for spelling in spellings)))
    assert set(votes.rows["winner"]) == {winner}
    assert votes.faults == ()


def test_docs_list_the_table() -> None:
    text = Path("docs/votes.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| (`.+`) \|$", text, re.MULTILINE)
    words = {winner: tuple(re.findall("`([^`]+)`", words)) for winner, words in listed if winner in WORDS}
    assert words == dict(WORDS)


def test_table_has_every_winner_and_no_word_twice() -> None:
    assert tuple(WORDS) == WINNERS
    assert all(winner in words for winner, words in WORDS.items())
    folded = [fold_word(word) for word, _ in TABLE]
    assert len(set(folded)) == len(folded)
    assert not MISSING & set(folded)


@pytest.mark.parametrize(
    "word",
    ["", " ", "NaN", "nan", "None", "null", "N/A", "0", "1", "0.5", "win", "neither", "tie?", "model_c", "lcm", "ties"],
)
def test_other_word_is_a_fault_and_never_a_tie(tmp_path: Path, word: str) -> None:
    votes = read(tmp_path, csv_of("SDXL,LCM,tie", f"SDXL,LCM,{word}"))
    assert places(votes) == [3]
    assert only_reason(votes).startswith(f"winner is {word!r}; wanted one of" if word.strip() else "winner is empty")


@given(st.text(max_size=12))
def test_any_text_has_a_stated_meaning_or_none(text: str) -> None:
    words = WinnerWords({}, "model_a", "model_b")
    try:
        winner = words.read(text, "SDXL", "LCM")
    except InvalidLineError:
        assert fold_word(text) not in {fold_word(word) for word, _ in TABLE}
    else:
        assert text in {"SDXL", "LCM"} or fold_word(text) in {fold_word(word) for word in WORDS[winner]}


# Models by name


def test_name_of_a_model_of_the_line_is_read(tmp_path: Path) -> None:
    votes = read(tmp_path, csv_of("SDXL,LCM 1.1,LCM 1.1", "混元,SDXL,混元", "SDXL,混元,tie"))
    assert votes.rows["winner"].tolist() == ["model_b", "model_a", "tie"]
    assert "winner is 'Flux'; wanted one of" in only_reason(read(tmp_path, csv_of("SDXL,LCM,Flux", "SDXL,Flux,Flux")))


@pytest.mark.parametrize(
    ("model_a", "model_b", "word"),
    [
        ("tie", "LCM", "tie"),
        ("LCM", "Tie", "tie"),
        ("model_a", "LCM", "model_a"),
        ("LCM", "model_a", "model_a"),
        ("A", "B", "b"),
    ],
)
def test_word_that_is_also_a_model_of_the_line_is_a_fault(
    tmp_path: Path, model_a: str, model_b: str, word: str
) -> None:
    content = csv_of("SDXL,LCM,tie", f"{model_a},{model_b},{word}")
    votes = read(tmp_path, content)
    assert places(votes) == [3]
    assert only_reason(votes).startswith(f"winner is {word!r}, which is also the name of a model of this line; say")
    meant = read(tmp_path, content, winners={word: "both_bad"})
    assert (meant.rows["winner"].tolist()[1], meant.faults) == ("both_bad", ())


def test_missing_value_is_no_model(tmp_path: Path) -> None:
    assert places(read(tmp_path, csv_of("nan,LCM,nan"))) == [2]


# The option --winner


def test_given_words_are_read_and_may_change_the_table(tmp_path: Path) -> None:
    votes = read(
        tmp_path,
        csv_of("SDXL,LCM,1", "SDXL,LCM,2", "SDXL,LCM,A=B", "SDXL,LCM,draw", "SDXL,LCM,model_b"),
        winners={"1": "model_a", "2": "model_b", "a=b": "tie", "draw": "both_bad"},
    )
    assert votes.rows["winner"].tolist() == ["model_a", "model_b", "tie", "both_bad", "model_b"]


@pytest.mark.parametrize(
    ("winners", "message"),
    [
        ({"1": "left"}, "--winner says that '1' means 'left'; wanted one of model_a, model_b, tie, both_bad"),
        ({"x y": "tie", "X_Y": "model_a"}, "--winner gives 'X_Y' two meanings"),
    ],
)
def test_meaning_that_is_no_winner_is_refused(tmp_path: Path, winners: dict[str, str], message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        read(tmp_path, csv_of("SDXL,LCM,1"), winners=winners)


# Columns of other names


@pytest.mark.parametrize(
    ("model_a", "model_b", "winner"),
    [
        ("left", "right", "left"),
        ("right", "left", "right"),
        ("model_b", "model_a", "model_b"),
        ("x", "y", "X"),
        ("x", "y", "a"),
    ],
)
def test_name_of_a_column_means_its_model(tmp_path: Path, model_a: str, model_b: str, winner: str) -> None:
    content = csv_of(f"SDXL,LCM,{winner}", "SDXL,LCM,tie", header=f"{model_a},{model_b},winner")
    votes = read(tmp_path, content, columns={"model_a": model_a, "model_b": model_b})
    assert votes.rows["winner"].tolist() == ["model_a", "tie"]


@pytest.mark.parametrize("word", ["model_a", "a", "right"])
def test_words_for_exchanged_columns_are_faults(tmp_path: Path, word: str) -> None:
    votes = read(
        tmp_path, csv_of(f"SDXL,LCM,{word}", header="two,left,winner"), columns={"model_a": "two", "model_b": "left"}
    )
    assert "wanted one of" in only_reason(votes)


# One column for each winner

ONE_HOT = "id,model_a,model_b,winner_model_a,winner_model_b,winner_tie"


def test_one_hot_columns_are_read(tmp_path: Path) -> None:
    lines = ("1,SDXL,LCM,1,0,0", "2,LCM,SDXL,0,1,0", "3,SDXL,LCM,0,0,1", "4,SDXL,LCM,0.0,1.0,False")
    votes = read(tmp_path, csv_of(*lines, header=ONE_HOT))
    assert votes.rows["winner"].tolist() == ["model_a", "model_b", "tie", "model_b"]
    assert (votes.faults, votes.unused) == ((), ("id",))


def test_one_hot_columns_of_parquet_and_both_bad_are_read(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"model_a": ["SDXL"] * 3, "model_b": ["LCM"] * 3, "winner_a": [True, False, False], "winner_b": [False] * 3}
    )
    frame["winner_tie (bothbad)"] = [0, 1, 0]
    frame["winner_draw"] = [0.0, 0.0, 1.0]
    frame.to_parquet(tmp_path / "votes.parquet")
    votes = read_vote_file(tmp_path / "votes.parquet")
    assert votes.rows["winner"].tolist() == ["model_a", "both_bad", "tie"]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("1,1,0", "winner_model_a and winner_model_b are 1; wanted one of winner_model_a, winner_model_b, winner_tie"),
        ("1,0,1", "winner_model_a and winner_tie are 1"),
        ("0,0,0", "none is 1; wanted one of winner_model_a, winner_model_b, winner_tie"),
        (",,", "winner_model_a is ''; wanted 0 or 1"),
        ("1,0,NaN", "winner_tie is 'NaN'; wanted 0 or 1"),
        ("0.5,0.5,0", "winner_model_a is '0.5'; wanted 0 or 1"),
    ],
)
def test_one_hot_columns_without_one_winner_are_faults(tmp_path: Path, cells: str, reason: str) -> None:
    votes = read(tmp_path, csv_of("1,SDXL,LCM,1,0,0", f"2,SDXL,LCM,{cells}", header=ONE_HOT))
    assert places(votes) == [3]
    assert only_reason(votes).startswith(reason)


def test_one_hot_columns_follow_the_names_of_the_models_columns(tmp_path: Path) -> None:
    header = "left,right,winner_left,winner_right"
    votes = read(tmp_path, csv_of("SDXL,LCM,1,0", header=header), columns={"model_a": "right", "model_b": "left"})
    assert votes.rows[["model_a", "model_b", "winner"]].to_numpy().tolist() == [["LCM", "SDXL", "model_b"]]


def test_column_winner_comes_before_one_hot_columns(tmp_path: Path) -> None:
    votes = read(tmp_path, csv_of("1,SDXL,LCM,0,1,0,tie", header=ONE_HOT + ",winner"))
    assert votes.rows["winner"].tolist() == ["tie"]
    assert votes.unused == ("id", "winner_model_a", "winner_model_b", "winner_tie")


def test_two_columns_of_one_winner_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="winner_tie, winner_draw mean the same winner"):
        read(tmp_path, csv_of("1,SDXL,LCM,1,0,0,0", header=ONE_HOT + ",winner_draw"))
