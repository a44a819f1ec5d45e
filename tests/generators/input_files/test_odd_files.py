"""Odd files: the readers of votes, manifests and prompts give the same answer to each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from arena.votes.files import read_vote_file
from generators.imports.manifests import read_manifest
from generators.input_files.faults import InputFileError, describe_faults
from generators.prompts.benchmarks import read_prompts


def count_votes(file: Path) -> int:
    votes = read_vote_file(file)
    return expect_no_faults(len(votes.rows), describe_faults(votes.faults) if votes.faults else "")


def count_images(file: Path) -> int:
    manifest = read_manifest(file)
    return expect_no_faults(len(manifest.lines), describe_faults(manifest.faults) if manifest.faults else "")


def count_prompts(file: Path) -> int:
    return len(read_prompts("dpg-bench", file, "odd").prompts)


def expect_no_faults(count: int, faults: str) -> int:
    if faults:
        raise InputFileError(faults)
    return count


class Reader(NamedTuple):
    """A reader, and a file for it: the columns and the cells of three lines. The second cell of each has an é."""

    count: Callable[[Path], int]
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


READERS = {
    "votes": Reader(
        count_votes,
        ("model_a", "prompt", "model_b", "winner", "rater"),
        tuple(("SDXL", f"A caf\u00e9, {n}", "LCM", "tie", "Ada") for n in range(3)),
    ),
    "manifest": Reader(
        count_images,
        ("model", "prompt", "file", "seed", "source"),
        tuple(("imagen", f"A caf\u00e9, {n}", f"{n}.png", f"{n}", "web") for n in range(3)),
    ),
    "prompts": Reader(
        count_prompts,
        ("item_id", "prompt", "a", "b", "c"),
        tuple((f"p{n}", f"A caf\u00e9, {n}", "x", "y", "z") for n in range(3)),
    ),
}


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> Reader:
    return READERS[request.param]


def write_csv(reader: Reader, separator: str = ",", end: str = "\n") -> str:
    rows = [reader.columns, *([line[0], f'"{line[1]}"', *line[2:]] for line in reader.lines)]
    return "".join(separator.join(row) + end for row in rows)


def quote_lines(text: str) -> str:
    return text.replace("A caf\u00e9", "A\ncaf\u00e9")


READABLE: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "Windows line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "old Mac line ends": lambda text: text.replace("\n", "\r").encode(),
    "line breaks in quotation marks": lambda text: quote_lines(text).encode(),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "empty rows at the end": lambda text: (text + ",,,,\n , ,,,\n,,,,\n\n").encode(),
    "ragged empty rows at the end": lambda text: (text + ",,\n,,,,,,,\n").encode(),
    "empty rows within": lambda text: text.replace("\n", "\n,,,,\n\n").encode(),
    "another column, nameless": lambda text: text.replace("\n", ",\n").encode(),
}


@pytest.mark.parametrize("oddity", READABLE)
def test_odd_file_that_can_be_read(tmp_path: Path, reader: Reader, oddity: str) -> None:
    file = tmp_path / "odd.csv"
    file.write_bytes(READABLE[oddity](write_csv(reader)))
    assert reader.count(file) == 3


def spoil_line_3(text: str, spoil: Callable[[str], str]) -> str:
    lines = text.split("\n")
    return "\n".join([*lines[:2], spoil(lines[2]), *lines[3:]])


REFUSED: dict[str, tuple[Callable[[str], bytes], str]] = {
    "UTF-16": (lambda text: text.encode("utf-16"), "The file is UTF-16. Save it as UTF-8"),
    "UTF-16 without a mark": (lambda text: text.encode("utf-16-le"), "The file is UTF-16. Save it as UTF-8"),
    "semicolons": (
        lambda text: text.replace(",", ";").encode(),
        "The columns are separated by semicolons, as Excel writes CSV in some countries; wanted commas.",
    ),
    "tabs": (lambda text: text.replace(",", "\t").encode(), "The columns are separated by tabs; wanted commas."),
    "nothing": (lambda text: b"", "The file is empty."),
    "blank lines": (lambda text: b"\xef\xbb\xbf \r\n\r\n", "The file is empty."),
    "no lines": (lambda text: text.partition("\n")[0].encode(), " has no "),
    "column twice": (
        lambda text: ("prompt," + text.replace("\n", "\nx,").removesuffix("x,")).encode(),
        "The file has two columns 'prompt'. Rename one of them.",
    ),
    "Latin-1": (
        lambda text: spoil_line_3(text, lambda line: line.replace("\u00e9", "\udce9")).encode(errors="surrogateescape"),
        "1 line is invalid:\n  line 3: it is not UTF-8; save the file as UTF-8",
    ),
    "Latin-1 in the first line": (
        lambda text: b"caf\xe9," + text.encode(),
        "The first line, which names the columns, cannot be read: it is not UTF-8; save the file as UTF-8.",
    ),
    "NUL": (
        lambda text: spoil_line_3(text, lambda line: line.replace("A", "A\0")).encode(),
        "1 line is invalid:\n  line 3: it has a NUL character, which cannot be stored",
    ),
    "a cell too few": (
        lambda text: spoil_line_3(text, lambda line: line.rpartition(",")[0]).encode(),
        "1 line is invalid:\n  line 3: it has 4 cells; the first line has 5",
    ),
    "a cell too many": (
        lambda text: spoil_line_3(text, lambda line: line + ",").encode(),
        "1 line is invalid:\n  line 3: it has 6 cells; the first line has 5",
    ),
    "a cell too few after a quoted line break": (
        lambda text: quote_lines(spoil_line_3(text, lambda line: line.rpartition(",")[0])).encode(),
        "1 line is invalid:\n  line 4: it has 4 cells; the first line has 5",
    ),
    "open quotation mark": (
        lambda text: spoil_line_3(text, lambda line: line.replace('",', ",")).encode(),
        "1 line is invalid:\n  line 3: it is not CSV: ",
    ),
    "huge cell": (
        lambda text: spoil_line_3(text, lambda line: line.replace("A", "A" * 140_000)).encode(),
        "1 line is invalid:\n  line 3: it is not CSV: field larger than field limit",
    ),
}


@pytest.mark.parametrize("oddity", REFUSED)
def test_odd_file_that_is_refused(tmp_path: Path, reader: Reader, oddity: str) -> None:
    spoil, message = REFUSED[oddity]
    file = tmp_path / "odd.csv"
    file.write_bytes(spoil(write_csv(reader)))
    with pytest.raises(InputFileError) as refused:
        reader.count(file)
    assert message in str(refused.value)


# JSON lines


def write_json_lines(reader: Reader) -> list[str]:
    return [json.dumps(dict(zip(reader.columns, line, strict=True))) for line in reader.lines]


def test_odd_json_lines_that_can_be_read(tmp_path: Path, reader: Reader) -> None:
    lines = write_json_lines(reader)
    empty = json.dumps(dict.fromkeys(reader.columns))
    file = tmp_path / "odd.ndjson"
    file.write_bytes("\r\n".join([*lines, "", " ", empty, empty, ""]).encode("utf-8-sig"))
    assert reader.count(file) == 3


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("A", "A\0", "it has a NUL character, which cannot be stored"),
        ("A", "A\\u0000", "it has a NUL character, which cannot be stored"),
        ("A", "A\\ud800", "it has half of a surrogate pair, which cannot be stored"),
        ("A", "A\udce9", "it is not UTF-8; save the file as UTF-8"),
        ("{", '{"prompt": "A cat", ', "it is not JSON: the key 'prompt' is there twice"),
        ("{", "[{", "it is not JSON: "),
        ("{", '{"note": NaN, ', "it is not JSON: NaN is not a JSON number"),
        ('"A caf\\u00e9, 1"', '["A cat", 7]', 'prompt is \'["A cat", "7"]\'; wanted text'),
        ('"A caf\\u00e9, 1"', json.dumps("A" * 140_000), "prompt has 140,000 characters; at most "),
    ],
)
def test_odd_json_line_is_named(tmp_path: Path, reader: Reader, old: str, new: str, reason: str) -> None:
    lines = write_json_lines(reader)
    assert old in lines[1]
    lines[1] = lines[1].replace(old, new, 1)
    file = tmp_path / "odd.jsonl"
    file.write_bytes("\n".join(lines).encode(errors="surrogateescape"))
    with pytest.raises(InputFileError) as refused:
        reader.count(file)
    assert "1 line is invalid:\n  line 2: " in str(refused.value)
    assert reason in str(refused.value)
