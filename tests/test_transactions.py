"""The guard of tests/conftest.py: originals and connections are refused in transactions."""

import socket

import pytest
from django.db import transaction

from generators.images import originals
from tests.transactions import in_transaction


@pytest.mark.django_db
def test_originals_and_connections_are_refused_in_transactions() -> None:
    assert not in_transaction()
    digest = originals.store(b"pixels")
    with transaction.atomic():
        assert in_transaction()
        with pytest.raises(AssertionError, match=r"originals\.store in a transaction"):
            originals.store(b"more pixels")
        with pytest.raises(AssertionError, match=r"originals\.read in a transaction"):
            originals.read(digest)
        with socket.socket() as one, pytest.raises(AssertionError, match="a connection in a transaction"):
            one.connect(("127.0.0.1", 1))
    assert originals.read(digest) == b"pixels"


@pytest.mark.django_db(transaction=True)
def test_a_transaction_of_a_test_without_one_is_seen_too() -> None:
    with transaction.atomic(), pytest.raises(AssertionError, match=r"originals\.store in a transaction"):
        originals.store(b"pixels")
