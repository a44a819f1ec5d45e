"""Networks of requests: which address counts, how much of it, and what is left of it afterwards."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import RequestFactory

from arena.models import NetworkKey
from arena.raters import networks
from arena.raters.networks import find_network, list_expired_keys
from tests.clock import Clock
from tests.concurrency import run_at_once

pytestmark = pytest.mark.django_db


def network_of(address: str, forwarded: str | None = None) -> str:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return find_network(RequestFactory().get("/", REMOTE_ADDR=address, **headers))


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.254", "192.0.3.1"),
        ("2001:db8:1:2::1", "2001:db8:1:ffff::9", "2001:db8:2:2::1"),
        ("192.0.2.1", "::ffff:192.0.2.77", "::ffff:192.0.3.77"),
        ("fe80::1%eth0", "fe80::2%eth1", "fe81::1"),
    ],
)
def test_a_network_is_a_24_or_a_48(one: str, same: str, other: str) -> None:
    assert network_of(one) == network_of(same) != network_of(other)


def test_addresses_that_cannot_be_read_are_one_network() -> None:
    assert network_of("") == network_of("unix:") != network_of("192.0.2.1")


def test_no_header_is_read_without_a_proxy(settings) -> None:
    settings.BEHIND_PROXY = False
    assert network_of("192.0.2.1", "198.51.100.7") == network_of("192.0.2.1")


def test_a_client_cannot_choose_its_network_behind_a_proxy(settings) -> None:
    settings.BEHIND_PROXY = True
    honest = network_of("127.0.0.1", "192.0.2.1")
    assert honest != network_of("127.0.0.1")
    for sent in ("198.51.100.7", "203.0.113.9, 198.51.100.7", "nonsense", ""):
        assert network_of("127.0.0.1", f"{sent}, 192.0.2.1") == honest


def test_each_trusted_proxy_has_its_entry(settings) -> None:
    settings.BEHIND_PROXY = True
    settings.TRUSTED_PROXIES = 2
    honest = network_of("127.0.0.1", "192.0.2.1, 203.0.113.20")
    assert network_of("127.0.0.1", "198.51.100.7, 192.0.2.9, 203.0.113.21") == honest
    # Sent to the inner proxy itself: its client is the peer of the outer one, not a header.
    assert network_of("203.0.113.20", "198.51.100.7") == network_of("203.0.113.20", None)


def test_an_entry_may_have_a_port(settings) -> None:
    settings.BEHIND_PROXY = True
    assert network_of("127.0.0.1", "192.0.2.1:50123") == network_of("127.0.0.1", "192.0.2.1")
    assert network_of("127.0.0.1", "[2001:db8:1::1]:443") == network_of("127.0.0.1", "2001:db8:1::2")


def test_a_proxy_that_is_not_declared_is_reported_once(settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.BEHIND_PROXY = False
    networks._warn_of_proxy.cache_clear()
    with caplog.at_level(logging.WARNING):
        network_of("8.8.8.8", "198.51.100.7")
        assert "proxy_not_declared" not in caplog.text
        for _ in range(2):
            network_of("127.0.0.1", "198.51.100.7")
    assert caplog.text.count("proxy_not_declared") == 1
    assert "198.51.100.7" not in caplog.text


def test_the_key_changes_every_month_and_is_deleted_after_60_days(clock: Clock) -> None:
    clock.now = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    january = network_of("192.0.2.1")
    clock.advance(120)
    assert network_of("192.0.2.1") != january
    assert NetworkKey.objects.count() == 2
    clock.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert not list_expired_keys().exists()
    clock.advance(timedelta(days=1).total_seconds())
    assert [key.month.month for key in list_expired_keys()] == [1]
    list_expired_keys().delete()
    clock.now = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    assert network_of("192.0.2.1") != january, "the key came back"


def test_the_secret_key_is_part_of_the_hash(settings) -> None:
    before = network_of("192.0.2.1")
    settings.SECRET_KEY = "another key of the tests, 32 characters or more"
    assert network_of("192.0.2.1") != before


@pytest.mark.django_db(transaction=True)
def test_concurrent_first_requests_of_a_month_get_one_key() -> None:
    hashes = run_at_once([lambda: network_of("192.0.2.1")] * 6)
    assert len(set(hashes)) == 1, hashes
    assert NetworkKey.objects.count() == 1


def test_nothing_of_an_address_is_stored() -> None:
    network_of("192.0.2.1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM arena_networkkey")
        assert "192.0.2" not in str(cursor.fetchall())
