"""The rate limit of a provider, shared by all workers in Redis or in the database."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db.models import F
from redis import Redis

from generators.models import Provider
from generators.providers.rate_limits import take_turn
from tests.concurrency import run_at_once
from tests.processes import RedisServer

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]

KEY = "paragone:turns:scripted:scripted.example"


@pytest.fixture(params=["redis", "database"])
def pass_time(request: pytest.FixtureRequest, settings: Any) -> Callable[[float], None]:
    """Lets seconds pass for the limit: moves what is stored back, since Redis' own clock cannot be stopped."""

    def pass_in_redis(seconds: float) -> None:
        with Redis.from_url(settings.REDIS_URL) as store:
            store.set(KEY, int(store.get(KEY)) - round(seconds * 1e6), keepttl=True)

    def pass_in_database(seconds: float) -> None:
        Provider.objects.update(caught_up_at=F("caught_up_at") - timedelta(seconds=seconds))

    settings.REDIS_URL = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    return pass_in_redis if request.param == "redis" else pass_in_database


def test_a_burst_goes_out_at_once_and_then_one_at_a_time(pass_time: Callable[[float], None]) -> None:
    provider = Provider.objects.create(slug="scripted", host="scripted.example", requests_per_minute=1, burst=3)
    assert [take_turn(provider) for _ in range(3)] == [0, 0, 0]
    wait = take_turn(provider)
    assert 0 < wait <= 60
    pass_time(wait)
    assert take_turn(provider) == 0
    assert take_turn(provider) > 0
    pass_time(180)
    assert [take_turn(provider) for _ in range(3)] == [0, 0, 0], "after a pause a whole burst goes out again"


@pytest.mark.usefixtures("pass_time")
def test_workers_at_once_share_one_limit() -> None:
    provider = Provider.objects.create(slug="scripted", host="scripted.example", requests_per_minute=1, burst=7)
    waits = run_at_once([partial(take_turn, provider)] * 20)
    assert waits.count(0) == 7
    assert all(0 < wait <= 60 for wait in waits if wait)


@pytest.mark.usefixtures("pass_time")
def test_each_server_of_a_provider_has_its_own_limit_and_a_changed_one_holds_at_once() -> None:
    one, other = (
        Provider.objects.create(slug="scripted", host=host, requests_per_minute=1, burst=1)
        for host in ("scripted.example", "scripted.lab:8443")
    )
    assert (take_turn(one), take_turn(other)) == (0, 0)
    assert 0 < take_turn(one) <= 60
    one.requests_per_minute, one.burst = 60_000, 1000_000
    assert take_turn(one) == 0


def test_redis_keeps_the_limit_no_longer_than_it_matters(redis: RedisServer, settings: Any) -> None:
    settings.REDIS_URL = redis.url
    take_turn(Provider.objects.create(slug="scripted", host="scripted.example", requests_per_minute=1, burst=5))
    with Redis(port=redis.port) as store:
        assert 0 < store.pttl(KEY) <= 60_000


def test_without_redis_the_limit_is_kept_in_the_database(redis: RedisServer, settings: Any) -> None:
    settings.REDIS_URL = redis.url
    redis.stop()
    provider = Provider.objects.create(slug="scripted", host="scripted.example", requests_per_minute=1, burst=2)
    assert [take_turn(provider) > 0 for _ in range(3)] == [False, False, True]
