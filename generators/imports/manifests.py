"""Manifests of images generated elsewhere: CSV or JSON lines with one image, or one refusal, per line.

This module reads a manifest and the image files beside it; it does not use the database.
"""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, NamedTuple, Never, Self

from pydantic import Field, model_validator

from generators.input_files.cells import Filled, JsonObject, Shown, Text, TimeIfAny, parsed
from generators.input_files.csv_jsonl import TEXT_READERS, read_table
from generators.input_files.faults import (
    InputFileError,
    InvalidLineError,
    LineFault,
    UnusableFileError,
    quote_value,
)
from generators.input_files.rows import Row, check_columns, read_rows

STAGES: Final = ("prompt", "image")
YES: Final = ("true", "1", "yes")
NO: Final = ("", "false", "0", "no")

MAX_BYTES: Final = 64 << 20
MAX_IMAGE_BYTES: Final = 64 << 20
MAX_SEED: Final = 2**63 - 1


class ImageImportError(Exception):
    """Images cannot be imported, and no row was written. The message says why, and what to do."""


def _parse_seed(text: str) -> int | None:
    if text and not (re.fullmatch(r"\d{1,19}", text, re.ASCII) and int(text) <= MAX_SEED):
        raise ValueError(text)
    return int(text) if text else None


def _parse_sha256(text: str) -> str:
    if text and not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ValueError(text)
    return text.lower()


def _parse_stage(text: str) -> str:
    if text not in {"", *STAGES}:
        raise ValueError(text)
    return text


def _parse_yes(text: str) -> bool:
    if text.casefold() not in {*YES, *NO}:
        raise ValueError(text)
    return text.casefold() in YES


class Entry(Row):
    """A line of a manifest: an image file, or a prompt that the provider refused. Texts are "" where there are none."""

    one_of_each = (("prompt", "prompt_key"), ("file", "refused"))

    model: Annotated[Text, Filled, Shown]
    prompt: Text = ""
    prompt_key: Annotated[Text, Shown] = ""
    file: Text = ""
    refused: Annotated[bool, parsed(_parse_yes, f"one of {', '.join(YES)}, or nothing")] = False
    version: Annotated[Text, Shown] = ""
    sha256: Annotated[str, parsed(_parse_sha256, "64 hexadecimal digits")] = ""
    seed: Annotated[int | None, parsed(_parse_seed, f"a whole number from 0 to {MAX_SEED}")] = None
    parameters: JsonObject = Field(default_factory=dict)
    created_at: TimeIfAny = None
    source: Annotated[Text, Shown] = ""
    refusal_stage: Annotated[str, parsed(_parse_stage, f"{' or '.join(STAGES)}, or nothing")] = ""

    @model_validator(mode="after")
    def _check_outcome(self) -> Self:
        if not self.prompt and not self.prompt_key:
            raise ValueError("it has no prompt and no prompt_key")
        if self.refused and (self.file or self.sha256):
            raise ValueError("it is refused, but names a file")
        if not self.refused and not self.file:
            raise ValueError("it has no file and is not refused")
        if self.refusal_stage and not self.refused:
            raise ValueError("it has a refusal_stage, but is not refused")
        return self


class ManifestLine(NamedTuple):
    line: int
    content: str
    entry: Entry


@dataclass(frozen=True)
class Manifest:
    """A manifest as read.

    ``unused`` are the columns that are not those of an entry. ``unit`` is the word for a line: "object" in a JSON array
    with several on a line.
    """

    file: Path
    lines: tuple[ManifestLine, ...]
    faults: tuple[LineFault, ...]
    unused: tuple[str, ...]
    unit: str


def read_manifest(file: Path) -> Manifest:
    """Read and check a manifest, but not the images it names.

    Raises:
        InputFileError: The file is not a manifest. Invalid lines are faults of the manifest instead.
    """
    table = read_table(file, TEXT_READERS, max_bytes=MAX_BYTES)
    check_columns(table.columns, Entry.list_required())
    lines, faults = read_rows(table.records, Entry, lambda record, entry: ManifestLine(*record[:2], entry))
    if not lines and not faults:
        raise InputFileError("The manifest has no images.")
    unused = tuple(name for name in table.columns if name not in Entry.list_columns())
    return Manifest(file, tuple(lines), tuple(faults), unused, table.unit)


def read_beside(manifest: Path, name: str) -> bytes:
    """The bytes of an image file that a manifest names; it must lie in the manifest's folder.

    Raises:
        InvalidLineError: The path or a link leads out of the folder.
        UnusableFileError: The file is missing, unreadable or too large.
    """
    folder, wanted = manifest.parent.resolve(), PurePosixPath(name)
    if wanted.is_absolute() or ".." in wanted.parts:
        _fail(f"the file {quote_value(name)} is not in the manifest's folder; wanted a relative path without ..")
    try:
        file = _find_spelling(folder, name).resolve(strict=True)
        if not file.is_relative_to(folder):
            _fail(f"the file {quote_value(name)} is a link that leads out of the manifest's folder")
        if not file.is_file():
            raise UnusableFileError(f"{quote_value(name)} is not a file")
        with file.open("rb") as stream:
            data = stream.read(MAX_IMAGE_BYTES + 1)
    except FileNotFoundError:
        raise UnusableFileError(f"there is no file {quote_value(name)} beside the manifest") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: a cycle of links
        reason = getattr(error, "strerror", None) or error
        raise UnusableFileError(f"the file {quote_value(name)} cannot be read: {reason}") from error
    if len(data) > MAX_IMAGE_BYTES:
        raise UnusableFileError(f"the file {quote_value(name)} has more than {MAX_IMAGE_BYTES >> 20} MiB")
    return data


def _find_spelling(folder: Path, name: str) -> Path:
    """The path of the file. An accented letter may be two characters in a file's name, as on macOS, and one here."""
    spellings = (name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))
    return next((folder / spelling for spelling in spellings if (folder / spelling).exists()), folder / name)


def _fail(reason: str) -> Never:
    raise InvalidLineError(reason)
