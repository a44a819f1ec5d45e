"""Formats of vote files: any content gives votes, faults or InputFileError, and no other error."""

import csv
import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arena.models import Rater, Vote
from arena.votes.files import COLUMNS, VoteRow, read_vote_file
from evaluation.ratings.outcomes import WINNERS
from generators.input_files.faults import InputFileError
from generators.input_files.slugs import LONGEST_SLUG
from generators.model_names import LONGEST_NAME
from generators.models import ImageModel, Prompt
from tests.arena.votes.vote_lines import HEADER, VOTE, csv_of, only_reason, places, read

# JSON lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"model_a": "SDXL", ', "it is not JSON: Expecting property name enclosed in double quotes at character"),
        ('["SDXL", "LCM", "tie"]', "it is not a JSON object; wanted one object per line"),
        ('{"model_a": "SDXL", "model_b": "LCM", "winner": "tie", "winner": "tie"}', "the key 'winner' is there twice"),
        ('{"model_a": "SDXL", "model_b": "LCM", "winner": ["tie"]}', "winner is '[\"tie\"]'; wanted text"),
        ('{"model_a": "SDXL", "model_b": "LCM", "winner": NaN}', "it is not JSON: NaN is not a JSON number"),
        ('{"model_a": "SDXL", "model_b": "LCM"}', "winner is missing"),
        ('{"model_a": "SDXL", "model_b": null, "winner": "tie"}', "model_b is empty"),
        ('{"model_a": "SD\\u0000XL", "model_b": "LCM", "winner": "tie"}', "it has a NUL character"),
        ('{"model_a": "SD\\ud800XL", "model_b": "LCM", "winner": "tie"}', "it has half of a surrogate pair"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_invalid_json_line_has_its_number_and_reason(tmp_path: Path, line: str, reason: str) -> None:
    good = json.dumps({"model_a": "SDXL", "model_b": "LCM", "winner": "tie"})
    votes = read(tmp_path, "\r\n".join([good, "", line, good]), ".jsonl")
    assert places(votes) == [3]
    assert reason in only_reason(votes)
    assert votes.rows["line"].tolist() == [1, 4]


def test_file_without_a_valid_json_line_has_a_fault_per_line(tmp_path: Path) -> None:
    votes = read(tmp_path, "[\n7\n]]\n", ".jsonl")
    assert places(votes) == [1, 2, 3]


def test_json_number_keeps_every_digit(tmp_path: Path) -> None:
    line = (
        '{"model_a": 1, "model_b": 2.50, "winner": "tie", "time": 1707700514.316700, "rater": 12345678901234567890123}'
    )
    [row] = read(tmp_path, line, ".jsonl").rows.to_dict("records")
    assert (row["model_a"], row["model_b"], row["rater"]) == ("1", "2.50", "12345678901234567890123")
    assert row["time"].microsecond == 316700


# A JSON array

ARRAY = """
[
 {"model_a": "SDXL", "model_b": "LCM",
  "winner": "tie", "time": 1707700514.316700},
 {}, {"model_a": "SDXL", "model_b": "LCM", "winner": null, "time": 1707700515}
 ,{"model_a": "SDXL", "model_b": "LCM", "winner": "model_b", "tags": [1, {"a": true}], "time": 1707700516}
]
"""


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"])
def test_json_array_is_read_with_the_line_of_each_object(tmp_path: Path, suffix: str, prefix: bytes) -> None:
    votes = read(tmp_path, prefix + ARRAY.encode(), suffix)
    assert votes.rows["line"].tolist() == [3, 6]
    assert votes.rows["winner"].tolist() == ["tie", "model_b"]
    assert votes.rows["time"][0].microsecond == 316700
    assert (places(votes), only_reason(votes), votes.unused) == ([5], "winner is empty", ("tags",))


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_objects_of_a_json_array_on_one_line_are_counted(tmp_path: Path, suffix: str) -> None:
    """As json.dump writes it. Each object is a record of its own, and equal ones are duplicates."""
    vote = {"model_a": "SDXL", "model_b": "LCM", "winner": "tie", "rater": "ann", "prompt": "A cat"}
    faulty, other = vote | {"winner": "fog"}, vote | {"prompt": "A dog"}
    votes = read(tmp_path, json.dumps([vote, {}, faulty, other, vote]), suffix)
    assert (votes.unit, votes.rows["line"].tolist()) == ("object", [1, 4])
    assert [fault.line for fault in votes.faults] == [3, 5]
    assert votes.faults[1].reason == "the same vote as object 1: equal in every column"


def test_json_lines_may_be_named_json(tmp_path: Path) -> None:
    line = json.dumps({"model_a": "SDXL", "model_b": "LCM", "winner": "tie"})
    assert len(read(tmp_path, f"{line}\n{line}\n", ".json").rows) == 2
    assert len(read(tmp_path, line, ".json").rows) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "has no votes"),
        ('[{"model_a": "SDXL"}', "it does not continue with a comma after the object at line 1"),
        ('[{"model_a": "SDXL"}\n {}]', "it does not continue with a comma after the object at line 1"),
        ('[{"model_a": "SDXL"},\n]', "Expecting value at line 2"),
        ('[{"model_a": "SDXL"}] {}', "it does not continue with a comma"),
        ('[{},\n"SDXL"]', "line 2 has no object"),
        ('[{},\n{"model_a": NaN}]', "NaN is not a JSON number in the object at line 2"),
        ('[{},\n{"model_a": 1, "model_a": 2}]', "the key 'model_a' is there twice in the object at line 2"),
        ('[{"a": ' + "[" * 60 + "]" * 60 + "}]", "it is nested too deeply"),
        ('[{"a": ' + "[" * 100_000, "nested too deeply"),
        ('{"model_a":\n {"0": "SDXL"}}', "The file is one JSON object; wanted an array of objects"),
    ],
)
def test_broken_json_array_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        read(tmp_path, content, ".json")


# Parquet


def test_parquet_types_are_read_as_text(tmp_path: Path) -> None:
    when = datetime(2024, 2, 12, 3, 15, 14, 316700, tzinfo=timezone(timedelta(hours=2)))
    table = pa.table(
        {
            "model_a": pa.array(["SDXL", "SDXL", None]).dictionary_encode(),
            "model_b": pa.array(["LCM", "LCM", "LCM"], pa.large_string()),
            "winner": ["tie", "tie", "tie"],
            "rater": [1, 2, 3],
            "time": pa.array([when] * 3, pa.timestamp("ns", "UTC")),
            "category": pa.array([0.5, float("nan"), None]),
            "day": [date(2024, 2, 12)] * 3,
            "image": [b"\xff\xd8"] * 3,
            "sizes": [[1024, 1024]] * 3,
        }
    )
    pq.write_table(table, tmp_path / "votes.parquet")
    votes = read_vote_file(tmp_path / "votes.parquet")
    assert votes.unit == "row"
    assert votes.rows["category"].tolist() == ["0.5", ""]
    assert votes.rows["rater"].tolist() == ["1", "2"]
    assert votes.rows["time"].tolist() == [pd.Timestamp(when)] * 2
    assert (places(votes), only_reason(votes)) == ([3], "model_a is empty")
    assert votes.unused == ("day", "image", "sizes")


def test_nested_parquet_column_is_a_fault(tmp_path: Path) -> None:
    table = pa.table({"model_a": ["SDXL"], "model_b": ["LCM"], "winner": [["tie"]]})
    pq.write_table(table, tmp_path / "votes.parquet")
    assert "; wanted text" in only_reason(read_vote_file(tmp_path / "votes.parquet"))


def test_parquet_without_text_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"\xff\xd8"]}), tmp_path / "votes.parquet")
    with pytest.raises(InputFileError, match="no column of text or numbers"):
        read_vote_file(tmp_path / "votes.parquet")


# Arbitrary content


def expect_votes_and_faults(file: Path) -> None:
    try:
        votes = read_vote_file(file)
    except InputFileError:
        return
    assert len(votes.rows) + len(votes.faults) > 0
    assert set(votes.rows["winner"]) <= set(WINNERS)
    assert (votes.rows["model_a"] != votes.rows["model_b"]).all()
    assert all(fault.reason for fault in votes.faults)
    lines = [*votes.rows["line"], *places(votes)]
    assert len(set(lines)) == len(lines)
    for text in [*votes.rows["model_a"], *(fault.content for fault in votes.faults)]:
        text.encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("votes")


SOUP = st.binary(max_size=300) | st.text(alphabet='a,b"\n\r\0 é{}[]:1\\u\ud800\u2028', max_size=200).map(
    lambda text: text.encode(errors="surrogatepass")
)


@settings(max_examples=300)
@given(suffix=st.sampled_from([".csv", ".json", ".jsonl", ".parquet"]), content=SOUP, with_header=st.booleans())
@example(suffix=".csv", content=b'"', with_header=True)
@example(suffix=".jsonl", content=b'{"a":1}\n\x1c\n[', with_header=False)
@example(suffix=".json", content=b'[{"a":1},', with_header=False)
def test_any_bytes_are_votes_or_faults(folder: Path, suffix: str, content: bytes, with_header: bool) -> None:
    file = folder / f"soup{suffix}"
    file.write_bytes((csv_of(VOTE, header=HEADER).encode() if with_header else b"") + content)
    expect_votes_and_faults(file)


@settings(max_examples=300)
@given(data=st.data())
def test_damaged_parquet_is_votes_or_faults_or_refused(folder: Path, data: st.DataObject) -> None:
    file = folder / "damaged.parquet"
    table = pa.table(
        {"model_a": ["SDXL", "LCM"], "model_b": ["LCM", "Flux"], "winner": ["tie", "tie"], "time": [1.75e9, 1.76e9]}
    )
    pq.write_table(table, file, compression="none", write_page_checksum=True)
    content = bytearray(file.read_bytes())
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[position] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    expect_votes_and_faults(file)


CELLS = st.fixed_dictionaries(
    {
        "model_a": st.sampled_from(["SDXL", "LCM", "SD XL", ""]),
        "model_b": st.sampled_from(["LCM", "Flux", "flux"]),
        "winner": st.sampled_from([*WINNERS, "first"]),
        "prompt": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        "time": st.sampled_from(["1707700514", "1707700515", "soon"]),
    }
)


@given(lines=st.lists(CELLS, min_size=1, max_size=8))
def test_csv_and_json_lines_with_the_same_cells_agree(folder: Path, lines: list[dict[str, str]]) -> None:
    # QUOTE_ALL: pandas does not quote a cell with a lone carriage return, which ends the line.
    by_csv = read(folder, pd.DataFrame(lines).to_csv(index=False, quoting=csv.QUOTE_ALL))
    by_json = read(folder, "\n".join(json.dumps(line) for line in lines), ".jsonl")
    columns = list(COLUMNS)
    pd.testing.assert_frame_equal(by_csv.rows[columns], by_json.rows[columns])
    assert len(by_csv.faults) == len(by_json.faults)


def test_allowed_lengths_are_those_of_the_database() -> None:
    def longest(model: Any, name: str) -> int:
        return int(model._meta.get_field(name).max_length)

    allowed = {name: field.get("maxLength") for name, field in VoteRow.model_json_schema()["properties"].items()}
    assert allowed["model_a"] == allowed["model_b"] == longest(ImageModel, "name") == longest(ImageModel, "family")
    assert allowed["rater"] == longest(Rater, "name")
    assert allowed["model_a_name"] == allowed["model_b_name"] == LONGEST_NAME == longest(ImageModel, "name")
    assert allowed["prompt_key"] == longest(Prompt, "key")
    assert longest(ImageModel, "slug") == LONGEST_SLUG
    for name in ("language", "category"):
        assert allowed[name] == longest(Vote, name) == longest(Prompt, name)
