"""Oddities of CSV and JSON lines files as such: votes, manifests and prompts have the same outcome for each."""

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tests.odd_files.odd_file import OddFile


class Plain(NamedTuple):
    """A file without oddities: its columns, the cells of three lines, and the rows that they become.

    The second cell of each line has an é and a comma.
    """

    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    rows: tuple[dict[str, Any], ...]
    options: tuple[str, ...] = ()


TEXTS: Final = tuple(f"A caf\u00e9, {n}" for n in range(3))


def _make_files(plain: Plain) -> tuple[OddFile, ...]:
    text = _write_csv(plain)
    quoted = tuple({**row, "prompt": row["prompt"].replace("A ", "A\n")} for row in plain.rows)
    readable = (
        OddFile(
            f"{name}.csv",
            change(text),
            rows=quoted if "quotation" in name else plain.rows,
            options=plain.options,
        )
        for name, change in READABLE.items()
    )
    refused = (
        OddFile(f"{name}.csv", spoil(text), refused=message, options=plain.options)
        for name, (spoil, message) in REFUSED.items()
    )
    return (*readable, *refused, *_make_json_lines(plain))


def _write_csv(plain: Plain) -> str:
    rows = [plain.columns, *([line[0], f'"{line[1]}"', *line[2:]] for line in plain.lines)]
    return "".join(",".join(row) + "\n" for row in rows)


def _quote_lines(text: str) -> str:
    return text.replace("A caf\u00e9", "A\ncaf\u00e9")


def _spoil_line_3(text: str, spoil: Callable[[str], str]) -> str:
    lines = text.split("\n")
    return "\n".join([*lines[:2], spoil(lines[2]), *lines[3:]])


READABLE: Final[dict[str, Callable[[str], bytes]]] = {
    "plain": str.encode,
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "Windows line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "old Mac line ends": lambda text: text.replace("\n", "\r").encode(),
    "line breaks in quotation marks": lambda text: _quote_lines(text).encode(),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "empty rows at the end": lambda text: (text + ",,,,\n , ,,,\n,,,,\n\n").encode(),
    "ragged empty rows at the end": lambda text: (text + ",,\n,,,,,,,\n").encode(),
    "empty rows within": lambda text: text.replace("\n", "\n,,,,\n\n").encode(),
    "another column, nameless": lambda text: text.replace("\n", ",\n").encode(),
}

REFUSED: Final[dict[str, tuple[Callable[[str], bytes], str]]] = {
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
        lambda text: _spoil_line_3(text, lambda line: line.replace("\u00e9", "\udce9")).encode(
            errors="surrogateescape"
        ),
        "1 line is invalid:\n  line 3: it is not UTF-8; save the file as UTF-8",
    ),
    "Latin-1 in the first line": (
        lambda text: b"caf\xe9," + text.encode(),
        "The first line, which names the columns, cannot be read: it is not UTF-8; save the file as UTF-8.",
    ),
    "NUL": (
        lambda text: _spoil_line_3(text, lambda line: line.replace("A", "A\0")).encode(),
        "1 line is invalid:\n  line 3: it has a NUL character, which cannot be stored",
    ),
    "NUL in the first line": (
        lambda text: b"caf\0," + text.encode(),
        "The first line, which names the columns, cannot be read: it has a NUL character, which cannot be stored.",
    ),
    "a cell too few": (
        lambda text: _spoil_line_3(text, lambda line: line.rpartition(",")[0]).encode(),
        "1 line is invalid:\n  line 3: it has 4 cells; the first line has 5",
    ),
    "a cell too many": (
        lambda text: _spoil_line_3(text, lambda line: line + ",").encode(),
        "1 line is invalid:\n  line 3: it has 6 cells; the first line has 5",
    ),
    "a cell too few after a quoted line break": (
        lambda text: _quote_lines(_spoil_line_3(text, lambda line: line.rpartition(",")[0])).encode(),
        "1 line is invalid:\n  line 4: it has 4 cells; the first line has 5",
    ),
    "open quotation mark": (
        lambda text: _spoil_line_3(text, lambda line: line.replace('",', ",")).encode(),
        "1 line is invalid:\n  line 3: it is not CSV: ",
    ),
    "huge cell": (
        lambda text: _spoil_line_3(text, lambda line: line.replace("A", "A" * 140_000)).encode(),
        "1 line is invalid:\n  line 3: it is not CSV: field larger than field limit",
    ),
}


# JSON lines: the second line with one piece of text replaced, and the reason

JSON_FAULTS: Final[dict[str, tuple[str, str, str]]] = {
    "NUL": ("A", "A\0", "it has a NUL character, which cannot be stored"),
    "escaped NUL": ("A", "A\\u0000", "it has a NUL character, which cannot be stored"),
    "half of a surrogate pair": ("A", "A\\ud800", "it has half of a surrogate pair, which cannot be stored"),
    "other half of a surrogate pair": ("A", "A\\uDFFF", "it has half of a surrogate pair, which cannot be stored"),
    "NUL in an unused key": ("{", '{"no\\u0000te": "x", ', "it has a NUL character, which cannot be stored"),
    "Latin-1": ("A", "A\udce9", "it is not UTF-8; save the file as UTF-8"),
    "key twice": ("{", '{"prompt": "A cat", ', "it is not JSON: the key 'prompt' is there twice"),
    "open bracket": ("{", "[{", "it is not JSON: "),
    "NaN": ("{", '{"note": NaN, ', "it is not JSON: NaN is not a JSON number"),
    "list": ('"A caf\\u00e9, 1"', '["A cat", 7]', 'prompt is \'["A cat", "7"]\'; wanted text'),
}


def _make_json_lines(plain: Plain) -> tuple[OddFile, ...]:
    lines = [json.dumps(dict(zip(plain.columns, line, strict=True))) for line in plain.lines]
    empty = json.dumps(dict.fromkeys(plain.columns))
    content = "\r\n".join([*lines, "", " ", empty, empty, ""]).encode("utf-8-sig")
    files = [
        OddFile("byte order mark, Windows line ends, empty rows.ndjson", content, plain.rows, options=plain.options)
    ]
    for name, (old, new, reason) in JSON_FAULTS.items():
        spoiled = [lines[0], lines[1].replace(old, new, 1), lines[2]]
        message = f"1 line is invalid:\n  line 2: {reason}"
        files.append(OddFile(f"{name}.jsonl", "\n".join(spoiled), refused=message, options=plain.options))
    return tuple(files)


VOTES: Final = _make_files(
    Plain(
        ("model_a", "prompt", "model_b", "winner", "rater"),
        tuple(("SDXL", text, "LCM", "tie", "Ada") for text in TEXTS),
        tuple({"model_a": "SDXL", "model_b": "LCM", "winner": "tie", "rater": "Ada", "prompt": text} for text in TEXTS),
    )
)
MANIFESTS: Final = _make_files(
    Plain(
        ("model", "prompt", "file", "seed", "source"),
        tuple(("imagen", text, f"{n}.png", f"{n}", "web") for n, text in enumerate(TEXTS)),
        tuple({"model": "imagen", "prompt": text, "seed": n} for n, text in enumerate(TEXTS)),
    )
)
PROMPTS: Final = _make_files(
    Plain(
        ("item_id", "prompt", "a", "b", "c"),
        tuple((f"p{n}", text, "x", "y", "z") for n, text in enumerate(TEXTS)),
        tuple({"key": f"p{n}", "prompt": text} for n, text in enumerate(TEXTS)),
        options=("dpg-bench",),
    )
)
