"""Vote files for tests, and short forms of what reading them returns."""

from pathlib import Path
from typing import Any

from arena.votes.files import VoteFile, read_vote_file

HEADER = "model_a,model_b,winner"
VOTE = "SDXL,LCM,model_a"


def read(folder: Path, content: str | bytes, suffix: str = ".csv", **options: Any) -> VoteFile:
    file = folder / f"votes{suffix}"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_vote_file(file, **options)


def places(votes: VoteFile) -> list[int]:
    return [fault.line for fault in votes.faults]


def only_reason(votes: VoteFile) -> str:
    [fault] = votes.faults
    return fault.reason


def csv_of(*lines: str, header: str = HEADER) -> str:
    return "\n".join([header, *lines, ""])
