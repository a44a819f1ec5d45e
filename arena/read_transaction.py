"""A transaction that only reads, and sees the database in one state, however many statements it takes.

It locks nothing, so votes go on meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def read_transaction() -> Iterator[None]:
    """Read in one state of the database: that of the first statement. Within a transaction, it is a part of that."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as sql:
            sql.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # PostgreSQL may estimate millions of excluded votes where there are few, and compile for that many.
            sql.execute("SET LOCAL jit = off")
            yield
    else:
        with _deferred_on_sqlite(), transaction.atomic():
            yield


@contextmanager
def _deferred_on_sqlite() -> Iterator[None]:
    """Begin transactions without the lock for writing, which the settings ask for."""
    database: Any = connection
    database.ensure_connection()
    mode = database.transaction_mode
    database.transaction_mode = "DEFERRED"
    try:
        yield
    finally:
        database.transaction_mode = mode
