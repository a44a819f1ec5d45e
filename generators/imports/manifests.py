"""Reading a manifest of images made elsewhere: CSV or JSON lines in, checked entries and faults out. No database.

A manifest is UTF-8 and has an image a line: the columns model, prompt (or prompt_key, of a prompt that is known) and
file (a path beside the manifest), and where they are known version, sha256, seed, parameters (a JSON object),
created_at, source. A prompt that the provider refused has refused instead of a file, and may have refusal_stage.
"""

import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Never

from generators.input_files.csv_jsonl import read_object, walk_csv
from generators.input_files.faults import InvalidLineError, LineFault, quote_value
from generators.input_files.fields import check_characters

# The manifest has at least one column of each group.
REQUIRED: Final = (("model",), ("prompt", "prompt_key"), ("file", "refused"))
OPTIONAL: Final = ("version", "sha256", "seed", "parameters", "created_at", "source", "refusal_stage")
COLUMNS: Final = (*(name for group in REQUIRED for name in group), *OPTIONAL)
STAGES: Final = ("prompt", "image")
YES: Final = ("true", "1", "yes")
NO: Final = ("", "false", "0", "no")

MAX_BYTES: Final = 64 << 20
MAX_IMAGE_BYTES: Final = 64 << 20
MAX_LINE: Final = 131_072  # characters; the csv module takes no longer field either
MAX_DEPTH: Final = 50
MAX_SEED: Final = 2**63 - 1


class ManifestError(ValueError):
    """The file as a whole cannot be read as a manifest. The message says why, and what to do."""


@dataclass(frozen=True)
class Entry:
    """A line of a manifest: an image, or a refusal. Texts are "" where there are none, ``sha256`` is lower case."""

    line: int
    content: str
    model: str
    version: str
    prompt: str
    prompt_key: str
    file: str
    sha256: str
    seed: int | None
    parameters: dict[str, Any]
    created_at: str
    source: str
    refused: bool
    refusal_stage: str


@dataclass(frozen=True)
class Manifest:
    """``unused``: columns that nobody reads."""

    file: Path
    entries: tuple[Entry, ...]
    faults: tuple[LineFault, ...]
    unused: tuple[str, ...]


def read_manifest(file: Path) -> Manifest:
    """Read and check ``file``, but none of the images it names. Raises ManifestError, and nothing else."""
    split = _SPLITTERS.get(file.suffix.lower())
    if split is None:
        advice = "Unpack it and name the manifest inside." if file.suffix.lower() == ".zip" else ""
        raise ManifestError(f"Wanted a file that ends in {' or '.join(_SPLITTERS)}, got {file.name}. {advice}")
    columns, records = split(_read_text(file))
    # Of JSON lines none of which can be read, the faults say more than missing columns.
    if columns:
        _check_columns(columns)
    entries: list[Entry] = []
    faults: list[LineFault] = []
    for record in records:
        try:
            entries.append(_read_entry(record))
        except InvalidLineError as fault:
            faults.append(LineFault(record.line, str(fault), record.content))
    if not entries and not faults:
        raise ManifestError("The manifest has no images.")
    return Manifest(file, tuple(entries), tuple(faults), tuple(name for name in columns if name not in COLUMNS))


def read_beside(manifest: Path, name: str) -> bytes:
    """The bytes of an image file that a manifest names. Raises InvalidLineError; never looks outside the manifest's folder."""
    folder, wanted = manifest.parent.resolve(), PurePosixPath(name)
    if wanted.is_absolute() or ".." in wanted.parts:
        _fail(f"the file {quote_value(name)} is not in the manifest's folder; wanted a path from there, without ..")
    try:
        file = (folder / wanted).resolve(strict=True)
        if not file.is_relative_to(folder):
            _fail(f"the file {quote_value(name)} is a link that leads out of the manifest's folder")
        if not file.is_file():
            _fail(f"{quote_value(name)} is no file")
        with file.open("rb") as stream:
            data = stream.read(MAX_IMAGE_BYTES + 1)
    except FileNotFoundError:
        _fail(f"there is no file {quote_value(name)} beside the manifest")
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        _fail(f"the file {quote_value(name)} cannot be read: {getattr(error, 'strerror', None) or error}")
    if len(data) > MAX_IMAGE_BYTES:
        _fail(f"the file {quote_value(name)} has more than {MAX_IMAGE_BYTES >> 20} MiB")
    return data


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ManifestError(f"{file} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_BYTES:
        raise ManifestError(f"It has more than {MAX_BYTES >> 20} MiB. Split it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"Line {line} is not UTF-8. Save the file as UTF-8.") from error
    if not text.strip():
        raise ManifestError("The file is empty.")
    return text


def _check_columns(columns: Sequence[str]) -> None:
    found = "Its columns are " + ", ".join(quote_value(name) for name in columns)
    if missing := [" or ".join(group) for group in REQUIRED if not set(group) & set(columns)]:
        raise ManifestError(f"The manifest has no column {', and no column '.join(missing)}. {found}.")
    if twice := [name for i, name in enumerate(columns) if name in columns[:i]]:
        raise ManifestError(f"The column {quote_value(twice[0])} is there twice; rename one of them.")


# From text to cells


class _Record(NamedTuple):
    line: int
    content: str
    cells: Mapping[str, Any] = MappingProxyType({})
    fault: str = ""


def _split_csv(text: str) -> tuple[list[str], list[_Record]]:
    physical = list(io.StringIO(text, newline=""))
    rows = walk_csv(physical)
    _, first, columns = next(rows)
    if isinstance(columns, str):
        raise ManifestError(f"The first line, which names the columns, cannot be read: {columns}.")
    for sign, name in ((";", "semicolons, as Excel writes CSV in some countries"), ("\t", "tabs")):
        if len(columns) == 1 and sign in first:
            raise ManifestError(f"Its columns are separated by {name}; wanted commas.")
    records = []
    for line, content, fields in rows:
        if isinstance(fields, str):
            records.append(_Record(line, content, fault=fields))
        elif len(fields) != len(columns):
            fault = f"it has {len(fields)} fields; the first line has {len(columns)}"
            records.append(_Record(line, content, fault=fault))
        elif any(fields):  # a spreadsheet leaves rows of commas alone
            records.append(_Record(line, content, dict(zip(columns, fields, strict=True))))
    return [name for name in columns if name], records


def _split_json_lines(text: str) -> tuple[list[str], list[_Record]]:
    numbered = enumerate(text.split("\n"), start=1)
    records = [_read_json(number, line.strip("\r")) for number, line in numbered if line.strip()]
    return list(dict.fromkeys(name for record in records for name in record.cells)), records


def _read_json(line: int, content: str) -> _Record:
    try:
        cells = _parse_json(content)
    except ValueError as error:
        return _Record(line, content, fault=f"it is not JSON: {error}")
    if not isinstance(cells, dict):
        return _Record(line, content, fault="it is no JSON object; wanted one object a line")
    return _Record(line, content, cells)


def _parse_json(text: str) -> Any:
    """Raises ValueError, also for what is JSON to Python alone."""
    try:
        return json.loads(text, parse_constant=_read_float, parse_float=_read_float, object_pairs_hook=read_object)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _read_float(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"{text} is no number there")
    return float(text)


_SPLITTERS: Final = {".csv": _split_csv, ".jsonl": _split_json_lines}


# From cells to an entry


def _read_entry(record: _Record) -> Entry:
    if record.fault:
        _fail(record.fault)
    if len(record.content) > MAX_LINE:
        _fail(f"it has {len(record.content):,} characters; at most {MAX_LINE:,} are taken")
    _check_strings(record.cells)
    texts = {name: _read_cell(name, record.cells.get(name)) for name in COLUMNS if name != "parameters"}
    if not texts["model"].strip():
        _fail("model is empty")
    if not texts["prompt"] and not texts["prompt_key"]:
        _fail("there is no prompt and no prompt_key")
    for name in ("model", "version", "prompt_key", "source"):
        try:
            check_characters(texts[name], name)
        except ValueError as error:
            _fail(str(error))
    fields: dict[str, Any] = {
        **texts,
        "line": record.line,
        "content": record.content,
        "seed": _parse_seed(texts["seed"]),
        "sha256": _parse_sha256(texts["sha256"]),
        "created_at": _parse_time(texts["created_at"]),
        "parameters": _read_parameters(record.cells.get("parameters")),
        "refused": _read_refused(texts),
    }
    return Entry(**fields)


def _read_cell(name: str, value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, int):
        # 7.10 would become 7.1.
        _fail(f"{name} is {quote_value(json.dumps(value))}; wanted text, in quotation marks")
    return str(value)


def _read_refused(texts: dict[str, str]) -> bool:
    said = texts["refused"].casefold()
    if said not in {*YES, *NO}:
        _fail(f"refused is {quote_value(texts['refused'])}; wanted one of {', '.join(YES)}, or nothing")
    refused, stage, file = said in YES, texts["refusal_stage"], texts["file"]
    if refused and (file or texts["sha256"]):
        _fail("it was refused, and yet has a file")
    if not refused and not file:
        _fail("it has no file, and was not refused")
    if stage and not refused:
        _fail("it has a refusal_stage, and was not refused")
    if stage and stage not in STAGES:
        _fail(f"refusal_stage is {quote_value(stage)}; wanted {' or '.join(STAGES)}, or nothing")
    return refused


def _parse_seed(text: str) -> int | None:
    if text and not (re.fullmatch(r"\d{1,19}", text, re.ASCII) and int(text) <= MAX_SEED):
        _fail(f"the seed is {quote_value(text)}; wanted a whole number of 0 to {MAX_SEED}")
    return int(text) if text else None


def _parse_sha256(text: str) -> str:
    if text and not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        _fail(f"sha256 is {quote_value(text)}; wanted 64 hexadecimal digits")
    return text.lower()


def _parse_time(text: str) -> str:
    try:
        when = datetime.fromisoformat(text) if text else None
    except ValueError:
        _fail(f"created_at is {quote_value(text)}; wanted ISO 8601 (2024-02-12T09:30:00Z)")
    return when.replace(tzinfo=when.tzinfo or UTC).isoformat() if when else ""


def _read_parameters(value: object) -> dict[str, Any]:
    try:
        parameters = {} if value in (None, "") else _parse_json(value) if isinstance(value, str) else value
    except ValueError:
        parameters = None
    if not isinstance(parameters, dict):
        _fail(f'parameters is {quote_value(value)}; wanted a JSON object, as {{"steps": 30}}')
    _check_strings(parameters)
    return parameters


def _check_strings(value: object) -> None:
    """No text, however deep inside, that PostgreSQL cannot hold."""
    waiting = [(value, 0)]
    while waiting:
        inner, depth = waiting.pop()
        if depth > MAX_DEPTH:
            _fail("its JSON is nested too deeply")
        if isinstance(inner, str) and re.search("[\0\ud800-\udfff]", inner):
            _fail("it has a NUL character or half of a surrogate pair, which cannot be stored")
        if isinstance(inner, dict):
            waiting += [(part, depth + 1) for pair in inner.items() for part in pair]
        elif isinstance(inner, list):
            waiting += [(part, depth + 1) for part in inner]


def _fail(reason: str) -> Never:
    raise InvalidLineError(reason)
