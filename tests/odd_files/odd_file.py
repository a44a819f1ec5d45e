"""An odd file: its content, and the right outcome of importing it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Content: TypeAlias = str | bytes | Callable[[], bytes]


@dataclass(frozen=True)
class OddFile:
    """A file as people have them, with its right outcome: the rows that it becomes, or the reason of its refusal.

    Attributes:
        name: Its name in the folder of its kind. The name says what is odd.
        content: Its content; text is written as UTF-8. A mapping of names to contents is a folder.
        rows: What is stored after the import, in order, as dicts. A row may have more keys than its dict here. The
            readers (``tests/odd_files/readers.py``) say which keys there are.
        refused: A part of the error message. Nothing is stored.
        says: A part of what the command prints.
        options: Further arguments of the command.
    """

    name: str
    content: Content | Mapping[str, Content]
    rows: tuple[dict[str, Any], ...] = ()
    refused: str = ""
    says: str = ""
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.rows) == bool(self.refused):
            raise ValueError(f"{self.name} needs rows, or the message of its refusal.")


def encode(content: Content) -> bytes:
    """The bytes of the content. Lone surrogates from ``surrogateescape`` become the bytes that they stand for."""
    if isinstance(content, str):
        return content.encode(errors="surrogateescape")
    return content if isinstance(content, bytes) else content()
