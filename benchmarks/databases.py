"""Databases of benchmarks on PostgreSQL: created for a run and dropped after it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg


@contextmanager
def scratch_database(server: str) -> Iterator[str]:
    """Create a database for the duration of the context, and return its address."""
    name = f"paragone_benchmark_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as link:
        link.execute(f"CREATE DATABASE {name}")
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            link.execute(f"DROP DATABASE {name} WITH (FORCE)")
