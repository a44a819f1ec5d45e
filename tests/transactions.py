"""Transactions in tests: whether the code under test is in one, and the refusal of calls that must not be."""

import functools
import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from generators.images import originals


def in_transaction() -> bool:
    """Whether a transaction is open besides those that roll back the test itself."""
    return any(not block._from_testcase for block in connection.atomic_blocks)


def refuse_in_transactions(function: Callable[..., Any], what: str) -> Callable[..., Any]:
    """The function, which raises if it is called in a transaction."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        assert not in_transaction(), f"{what} in a transaction: others wait for its locks as long as this takes"
        return function(*args, **kwargs)

    return guarded


def guard_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse originals, which may be in a bucket, and connections to servers within transactions."""
    for name in ("store", "read"):
        monkeypatch.setattr(originals, name, refuse_in_transactions(getattr(originals, name), f"originals.{name}"))
    monkeypatch.setattr(socket.socket, "connect", refuse_in_transactions(socket.socket.connect, "a connection"))
