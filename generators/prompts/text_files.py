"""Text files of prompts: a folder with one file a prompt, whose name is the key."""

from codecs import BOM_UTF8
from pathlib import Path
from typing import Final

from generators.images.archives import find_system_file
from generators.input_files.csv_jsonl import Record, Table
from generators.input_files.faults import InputFileError, describe_files
from generators.prompts.text import check_prompt

SUFFIX: Final = ".txt"
MAX_BYTES: Final = 1 << 20


def read_text_files(path: Path) -> Table:
    """The prompts of a folder's text files, or of one text file, with the columns ``item_id`` and ``prompt``.

    White space around a prompt, such as the line break at the end of a file, is not part of it. Hidden files and those
    of operating systems are passed over.

    Raises:
        InputFileError: The folder cannot be read, or one of its files is not the text of a prompt.
    """
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
    except OSError as error:
        raise InputFileError(f"{path} cannot be read: {error.strerror}.") from error
    records: dict[str, Record] = {}
    faults: list[tuple[str, str]] = []
    for number, file in enumerate((file for file in files if not find_system_file(file.name)), start=1):
        try:
            text = _read_text(file)
            if file.stem in records:
                raise ValueError("another file has the same name up to its ending")
        except OSError as error:
            faults.append((file.name, f"it cannot be read: {error.strerror}"))
        except ValueError as error:
            faults.append((file.name, str(error)))
        else:
            records[file.stem] = Record(number, text, {"item_id": file.stem, "prompt": text})
    if faults:
        count = "1 file is" if len(faults) == 1 else f"{len(faults):,} files are"
        raise InputFileError(f"{count} not the text of a prompt:{describe_files(faults)}")
    return Table("file", ["item_id", "prompt"], records.values())


def _read_text(file: Path) -> str:
    """Raises OSError, or ValueError with the reason why the file is not a prompt."""
    if not file.is_file():
        raise ValueError("it is not a file")
    if file.suffix.lower() != SUFFIX:
        raise ValueError(f"it does not end in {SUFFIX}; move it elsewhere")
    with file.open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES >> 20} MiB")
    try:
        text = data.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8; save the file as UTF-8") from error
    return check_prompt(text.replace("\r\n", "\n").strip())
