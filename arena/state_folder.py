"""The state folder: the files of the embedded default, each made at its first use and never at import."""

import fcntl
import os
import secrets
import sqlite3
from pathlib import Path
from typing import Any


def read_secret_key(file: Path) -> str:
    """The key in ``file``, which is made at the first call, so that cookies survive a restart."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+") as stream:
        # The site and the worker may start at the same moment.
        fcntl.flock(stream, fcntl.LOCK_EX)
        if key := stream.read():
            return key
        stream.write(key := secrets.token_urlsafe(50))
    return key


class SqliteConnection(sqlite3.Connection):
    """A connection that makes the folder of its database."""

    def __init__(self, database: str, *args: Any, **options: Any) -> None:
        try:
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sqlite3.OperationalError(f"the folder of the database cannot be made: {error}") from error
        super().__init__(database, *args, **options)
