"""Vote files: every line is a vote, or a fault with its line number and reason."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from arena.votes.files import COLUMNS, read_vote_file
from generators.input_files.faults import InputFileError
from tests.arena.votes.vote_lines import HEADER, VOTE, csv_of, only_reason, places, read


def test_every_column_is_read(tmp_path: Path) -> None:
    line = (
        'SDXL,LCM,tie,Ada,"A cat, ""quoted""",2024-02-12T01:15:14Z,en,animals,p1,key,3.25,SDXL 1.0,LCM 1,'
        "operator  limit,7"
    )
    votes = read(
        tmp_path,
        csv_of(
            line,
            header=",".join(COLUMNS) + ",battle",
        ),
    )
    [row] = votes.rows.to_dict("records")
    assert row == {
        "line": 2,
        "content": line,
        "model_a": "SDXL",
        "model_b": "LCM",
        "winner": "tie",
        "rater": "Ada",
        "prompt": 'A cat, "quoted"',
        "time": datetime(2024, 2, 12, 1, 15, 14, tzinfo=UTC),
        "language": "en",
        "category": "animals",
        "prompt_key": "p1",
        "how": "key",
        "seconds_shown": 3.25,
        "model_a_name": "SDXL 1.0",
        "model_b_name": "LCM 1",
        "exclusions": "limit operator",
    }
    assert (votes.faults, votes.used, votes.unused) == ((), COLUMNS, ("battle",))


def test_csv_json_lines_and_parquet_give_the_same_votes(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"model_a": ["SDXL", "LCM"], "model_b": ["LCM", "Flux"], "winner": ["tie", "model_b"], "time": [1.75e9, 1.76e9]}
    )
    frame.to_parquet(tmp_path / "votes.parquet")
    read_rows = [
        read(tmp_path, frame.to_csv(index=False)).rows,
        read(tmp_path, frame.to_json(orient="records", lines=True), ".jsonl").rows,
        read_vote_file(tmp_path / "votes.parquet").rows,
    ]
    columns = list(COLUMNS)
    for rows in read_rows[1:]:
        pd.testing.assert_frame_equal(rows[columns], read_rows[0][columns])
    assert [rows["line"].tolist() for rows in read_rows] == [[2, 3], [1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SDXL,LCM,first", "winner is 'first'; wanted one of model_a, model_b, tie, both_bad"),
        ("SDXL,LCM,neither", "winner is 'neither'; wanted one of"),
        ("SDXL,LCM,", "winner is empty"),
        (",LCM,tie", "model_a is empty"),
        ("SDXL,  ,tie", "model_b is empty"),
        ("LCM,LCM,tie", "model_a and model_b are both 'LCM'"),
        ("SD XL,sd-xl,tie", "'SD XL' and 'sd-xl' would both be the model sd-xl"),
        ("***,LCM,tie", "the name '***' cannot be that of a model: it has no letter and no digit"),
        ("LCM ,SDXL,tie", "the name 'LCM ' cannot be that of a model: it starts or ends with a space; remove it"),
        (f"{'x' * 201},LCM,tie", "model_a has 201 characters; at most 200 are allowed"),
        ("SDXL,LCM", "it has 2 cells; the first line has 3"),
        ("SDXL,LCM,tie,tie", "it has 4 cells; the first line has 3"),
        ('"SDXL"x,LCM,tie', "it is not CSV: ',' expected after '\"'"),
        ("SD\0XL,LCM,tie", "it has a NUL character"),
    ],
)
def test_invalid_line_has_its_number_and_reason(tmp_path: Path, line: str, reason: str) -> None:
    votes = read(tmp_path, csv_of(VOTE, line, VOTE))
    assert places(votes) == [3]
    assert reason in only_reason(votes)
    assert votes.faults[0].content == line
    assert votes.rows["line"].tolist() == [2, 4]


def test_only_lines_with_invalid_bytes_are_faults(tmp_path: Path) -> None:
    votes = read(tmp_path, csv_of(VOTE).encode() + "Modèle,LCM,tie\n".encode("latin-1") + "Modèle,LCM,tie\n".encode())
    assert places(votes) == [3]
    assert only_reason(votes) == "it is not UTF-8; save the file as UTF-8"
    assert votes.faults[0].content == "Mod\\xe8le,LCM,tie"
    assert votes.rows["model_a"].tolist() == ["SDXL", "Modèle"]


def test_byte_order_mark_is_not_part_of_a_column_name(tmp_path: Path) -> None:
    assert len(read(tmp_path, csv_of(VOTE).encode("utf-8-sig")).rows) == 1
    line = json.dumps({"model_a": "SDXL", "model_b": "LCM", "winner": "tie"})
    assert len(read(tmp_path, line.encode("utf-8-sig"), ".jsonl").rows) == 1


def test_lines_are_numbered_as_an_editor_shows_them(tmp_path: Path) -> None:
    content = (
        f'{HEADER},prompt\r\n\r\n{VOTE},"two\r\nlines"\r\nSDXL,LCM,first,one\r\n\r\nSDXL,LCM,second,"a\r\n\r\nb"\r\n'
    )
    votes = read(tmp_path, content)
    assert votes.rows["line"].tolist() == [3]
    assert votes.rows["prompt"].tolist() == ["two\r\nlines"]
    assert places(votes) == [5, 7]
    assert votes.faults[1].content == 'SDXL,LCM,second,"a\r\n\r\nb"'


def test_unclosed_quotation_mark_is_a_fault_of_its_first_line(tmp_path: Path) -> None:
    votes = read(tmp_path, csv_of(VOTE, '"SDXL,LCM,tie', VOTE, VOTE))
    assert places(votes) == [3]
    assert "is a quotation mark not closed" in only_reason(votes)
    long = read(tmp_path, csv_of(VOTE, f'"{"x" * 140_000}', VOTE))
    assert places(long)[0] == 3


def test_two_names_with_one_slug_are_a_fault(tmp_path: Path) -> None:
    votes = read(tmp_path, csv_of("SD XL,LCM,tie", "Flux,SD-XL,tie", "Flux,SD XL,tie"))
    assert places(votes) == [3]
    assert only_reason(votes) == "'SD-XL' and 'SD XL' (line 2) would both be the model sd-xl"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "sdxl,lcm,tie,SDXL 2,LCM",
            "'sdxl', named 'SDXL 2', and 'sdxl', named 'SDXL', (line 2) would both be the model",
        ),
        ("sdxl,lcm,tie,,LCM", "'sdxl' and 'sdxl', named 'SDXL', (line 2) would both be the model sdxl"),
        ("sd xl,lcm,tie,SDXL,LCM", "the model 'sd xl' has the name 'SDXL'; wanted a slug beside a name"),
        ("sdxl,lcm,tie,SDXL,LC\u202eM", "the name 'LC\\u202eM' cannot be that of a model: The name has U+202E"),
    ],
)
def test_model_has_one_name_beside_its_slug(tmp_path: Path, line: str, reason: str) -> None:
    votes = read(tmp_path, csv_of("sdxl,lcm,tie,SDXL,LCM", line, header=f"{HEADER},model_a_name,model_b_name"))
    assert places(votes) == [3]
    assert only_reason(votes).startswith(reason)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("A dog,p1,,,", "the prompt 'p1' is 'A dog', but 'A cat' in line 2"),
        (",p1,,,", "prompt_key is 'p1', but prompt is empty"),
        ("A cat,p1,mouse,,", "how is 'mouse'; wanted one of key, tap, form, or nothing"),
        ("A cat,p1,,-1,", "seconds_shown is '-1'; wanted a number from 0 to 86400, or nothing"),
        ("A cat,p1,,nan,", "seconds_shown is 'nan'; wanted a number"),
        (
            "A cat,p1,,,spam",
            "exclusions is 'spam'; wanted limit, unsafe, reported_image, custom_prompt, operator, with",
        ),
    ],
)
def test_invalid_cell_of_an_export_is_a_fault(tmp_path: Path, cells: str, reason: str) -> None:
    header = f"{HEADER},prompt,prompt_key,how,seconds_shown,exclusions"
    votes = read(tmp_path, csv_of(f"{VOTE},A cat,p1,key,1.5,limit", f"{VOTE},{cells}", header=header))
    assert places(votes) == [3]
    assert only_reason(votes).startswith(reason)


def test_invalid_line_does_not_reserve_its_model_names(tmp_path: Path) -> None:
    assert places(read(tmp_path, csv_of("SD-XL,LCM,first", "SD XL,LCM,tie"))) == [2]


# Times


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2024-02-12T01:15:14.316700Z", datetime(2024, 2, 12, 1, 15, 14, 316700, tzinfo=UTC)),
        ("2024-02-12 01:15:14", datetime(2024, 2, 12, 1, 15, 14, tzinfo=UTC)),
        ("2024-02-12T03:15:14+02:00", datetime(2024, 2, 12, 1, 15, 14, tzinfo=UTC)),
        ("2024-02-12", datetime(2024, 2, 12, tzinfo=UTC)),
        ("1707700514.3167", datetime(2024, 2, 12, 1, 15, 14, 316700, tzinfo=UTC)),
        ("1707700514", datetime(2024, 2, 12, 1, 15, 14, tzinfo=UTC)),
        ("1.7e9", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
    ],
)
def test_time_is_read(tmp_path: Path, text: str, when: datetime) -> None:
    votes = read(tmp_path, csv_of(f"{VOTE},{text}", header=HEADER + ",time"))
    assert [t.to_pydatetime() for t in votes.rows["time"]] == [when]


@pytest.mark.parametrize(
    "text", ["", "yesterday", "nan", "inf", "-1", "20240212", "45334.5", "2024-13-01", "1e99", "١٢"]
)
def test_invalid_time_is_a_fault(tmp_path: Path, text: str) -> None:
    votes = read(tmp_path, csv_of(f"{VOTE},{text}", header=HEADER + ",time"))
    assert only_reason(votes).startswith(f"time is {text!r}")
    assert "wanted ISO 8601" in only_reason(votes)


# Duplicates


@pytest.mark.parametrize(
    ("columns", "cells"),
    [("time", "1707700514"), ("rater,prompt", "Ada,A cat"), ("rater,prompt,battle", "Ada,A cat,7")],
)
def test_equal_line_is_a_duplicate_if_the_file_identifies_votes(tmp_path: Path, columns: str, cells: str) -> None:
    line = f"{VOTE},{cells}"
    votes = read(tmp_path, csv_of(line, f"LCM,Flux,tie,{cells}", line, header=f"{HEADER},{columns}"))
    assert places(votes) == [4]
    assert only_reason(votes) == "the same vote as line 2: equal in every column"


@pytest.mark.parametrize(("columns", "cells"), [("rater", "Ada"), ("prompt", "A cat"), ("battle", "7")])
def test_equal_lines_are_two_votes_if_the_file_does_not_identify_votes(
    tmp_path: Path, columns: str, cells: str
) -> None:
    votes = read(tmp_path, csv_of(f"{VOTE},{cells}", f"{VOTE},{cells}", header=f"{HEADER},{columns}"))
    assert (len(votes.rows), votes.faults, votes.identifies_votes) == (2, (), False)


def test_lines_that_differ_in_an_unused_column_are_two_votes(tmp_path: Path) -> None:
    votes = read(tmp_path, csv_of(f"{VOTE},1707700514,1", f"{VOTE},1707700514,2", header=HEADER + ",time,battle"))
    assert len(votes.rows) == 2


def test_json_lines_with_lists_and_missing_cells_are_compared(tmp_path: Path) -> None:
    vote = {"model_a": "SDXL", "model_b": "LCM", "winner": "tie", "time": 1707700514}
    lines = [vote | {"tags": ["a"]}, vote | {"tags": ["b"]}, vote, vote | {"tags": ["a"]}, vote]
    votes = read(tmp_path, "\n".join(json.dumps(line) for line in lines), ".jsonl")
    assert [(fault.line, fault.reason) for fault in votes.faults] == [
        (4, "the same vote as line 1: equal in every column"),
        (5, "the same vote as line 3: equal in every column"),
    ]


def test_json_line_without_a_time_is_a_fault_if_others_have_one(tmp_path: Path) -> None:
    vote = {"model_a": "SDXL", "model_b": "LCM", "winner": "tie"}
    votes = read(tmp_path, f"{json.dumps(vote)}\n{json.dumps(vote | {'time': 1707700514})}", ".jsonl")
    assert (places(votes), only_reason(votes)) == ([1], "time is missing")


def test_times_are_compared_as_instants(tmp_path: Path) -> None:
    times = ("1707700514", "2024-02-12T01:15:14Z", "2024-02-12T03:15:14+02:00")
    votes = read(tmp_path, csv_of(*(f"{VOTE},{time}" for time in times), header=HEADER + ",time"))
    assert places(votes) == [3, 4]


@pytest.mark.parametrize("cells", [",A cat", "Ada,"])
def test_votes_identified_by_rater_and_prompt_need_both(tmp_path: Path, cells: str) -> None:
    votes = read(tmp_path, csv_of(f"{VOTE},{cells}", header=HEADER + ",rater,prompt"))
    assert "rater or prompt is empty; in a file without times, every vote needs both" in only_reason(votes)
    timed = read(tmp_path, csv_of(f"{VOTE},{cells},1707700514", header=HEADER + ",rater,prompt,time"))
    assert len(timed.rows) == 1


# Choice of lines and columns


def test_only_selects_lines_by_value(tmp_path: Path) -> None:
    content = csv_of(f"{VOTE},True", "SDXL,LCM,first,False", f"{VOTE},True", "SDXL,LCM", header=HEADER + ",anony")
    votes = read(tmp_path, content, only={"anony": "True"})
    assert (votes.rows["line"].tolist(), votes.n_filtered, votes.unused) == ([2, 4], 1, ())
    assert places(votes) == [5]  # it has no cell to compare
    with pytest.raises(InputFileError, match=r"No line has anony=true\. The file has anony='False', anony='True'"):
        read(tmp_path, csv_of(f"{VOTE},True", f"{VOTE},False", header=HEADER + ",anony"), only={"anony": "true"})


def test_only_compares_values_as_the_file_writes_them(tmp_path: Path) -> None:
    lines = [{"model_a": "SDXL", "model_b": "LCM", "winner": "tie", "anony": anony} for anony in (True, False)]
    content = "\n".join(json.dumps(line) for line in lines)
    assert len(read(tmp_path, content, ".jsonl", only={"anony": "true"}).rows) == 1
    pd.DataFrame(lines).to_parquet(tmp_path / "votes.parquet")
    assert len(read_vote_file(tmp_path / "votes.parquet", only={"anony": "True"}).rows) == 1


def test_column_with_another_name_is_read(tmp_path: Path) -> None:
    content = csv_of("1,0,tie,0,1707700514", header="left,right,winner,time,tstamp")
    votes = read(tmp_path, content, columns={"model_a": "left", "model_b": "right", "time": "tstamp"})
    assert votes.rows[["model_a", "model_b"]].to_numpy().tolist() == [["1", "0"]]
    assert votes.rows["time"][0].year == 2024
    assert votes.unused == ("time",)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", {}, "is empty"),
        (b"\xef\xbb\xbf", {}, "is empty"),
        (b"\n\n", {}, "is empty"),
        (HEADER.encode(), {}, "has no votes"),
        (
            b"left,right,winner\n",
            {},
            "no column model_a, and no column model_b. Its columns are 'left', 'right', 'winner'",
        ),
        (b"model_a;model_b;winner\n", {}, "separated by semicolons, as Excel writes CSV"),
        (b"model_a,model_b,winner,winner\n", {}, "two columns 'winner'. Rename one of them"),
        (HEADER.encode("utf-16"), {}, "The file is UTF-16. Save it as UTF-8"),
        (b'"model_a', {}, "The first line, which names the columns, cannot be read"),
        (HEADER.encode(), {"only": {"anony": "True"}}, "no column 'anony'"),
        (HEADER.encode(), {"columns": {"time": "tstamp"}}, "no column 'tstamp'"),
        (HEADER.encode(), {"columns": {"votes": "winner"}}, "Votes have no column 'votes'; known are model_a"),
    ],
)
def test_file_without_votes_is_refused(
    tmp_path: Path, content: bytes, options: dict[str, dict[str, str]], message: str
) -> None:
    with pytest.raises(InputFileError, match=message):
        read(tmp_path, content, **options)


def test_missing_file_and_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"absent\.csv cannot be read: No such file"):
        read_vote_file(tmp_path / "absent.csv")
    with pytest.raises(InputFileError, match=r"votes\.xlsx ends in '\.xlsx'; wanted \.csv or"):
        read(tmp_path, b"PK", ".xlsx")
    with pytest.raises(InputFileError, match="cannot be read as Parquet"):
        read(tmp_path, b"PAR1 and no more PAR1", ".parquet")
