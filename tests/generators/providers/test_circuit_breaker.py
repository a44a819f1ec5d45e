"""A provider is left alone when it fails, is asked again by one worker first, and is never asked too often."""

import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from redis import Redis

from generators.adapters.base import AUTHENTICATION, AdapterError, GeneratedImage, Outcome
from generators.models import Charge, Generation, Price, Provider
from generators.providers import circuit_breaker, rate_limits
from generators.providers.circuit_breaker import BREAK_AFTER, close_breaker, find_wait, note_answers
from generators.providers.rate_limits import take_turn
from generators.workers.drawing import produce
from tests import builders
from tests.fake_adapters import Script, ScriptedGenerator, paint
from tests.generations import make_generation, reload, return_or_raise
from tests.processes import RedisServer, run_at_once

IMAGE = GeneratedImage(b"", "image/png")
DOWN = AdapterError(Outcome.TRANSIENT, "500")
REFUSAL = AdapterError(Outcome.REFUSED, "no")


@pytest.fixture
def provider(db: None) -> Provider:
    return Provider.objects.create(slug="scripted", requests_per_minute=60_000, burst=1000)


def wait_over(provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(resume_at=timezone.now() - timedelta(seconds=1))


# The circuit breaker


def test_a_provider_that_fails_again_and_again_is_left_alone(provider: Provider) -> None:
    for _ in range(BREAK_AFTER - 1):
        note_answers("scripted", [DOWN])
        assert find_wait("scripted") == 0
    note_answers("scripted", [DOWN])
    assert circuit_breaker.SHORTEST_BREAK - 2 < find_wait("scripted") <= circuit_breaker.SHORTEST_BREAK
    provider.refresh_from_db()
    assert (provider.failures, provider.fault) == (BREAK_AFTER, "transient: 500")


def test_one_answer_in_between_starts_the_count_anew(provider: Provider) -> None:
    for answer in (DOWN, DOWN, DOWN, DOWN, REFUSAL, DOWN, DOWN, DOWN, DOWN):
        note_answers("scripted", [answer])
    assert find_wait("scripted") == 0


def test_after_the_break_one_worker_asks_and_the_others_wait(provider: Provider) -> None:
    for _ in range(BREAK_AFTER):
        note_answers("scripted", [DOWN])
    wait_over(provider)
    assert find_wait("scripted") == 0
    assert find_wait("scripted") > circuit_breaker.SHORTEST_BREAK - 2
    note_answers("scripted", [DOWN])
    assert find_wait("scripted") > circuit_breaker.SHORTEST_BREAK * 1.9, "the next break is twice as long"
    wait_over(provider)
    assert find_wait("scripted") == 0
    note_answers("scripted", [IMAGE])
    assert (find_wait("scripted"), find_wait("scripted")) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_of_twenty_workers_after_a_break_one_asks() -> None:
    past = timezone.now() - timedelta(seconds=1)
    Provider.objects.create(slug="scripted", requests_per_minute=60_000, burst=1000, failures=9, resume_at=past)
    waits = run_at_once([partial(find_wait, "scripted")] * 20)
    assert sorted(waits)[0] == 0
    assert sorted(waits)[1] > 1


@pytest.mark.parametrize(
    "fault",
    [AdapterError(Outcome.QUOTA, "pay first"), AdapterError(Outcome.INVALID, "key?", code=AUTHENTICATION)],
    ids=["no money", "no key"],
)
def test_what_only_the_operator_can_mend_stops_all_calls_at_once(provider: Provider, fault: AdapterError) -> None:
    note_answers("scripted", [fault])
    assert find_wait("scripted") > circuit_breaker.ACCOUNT_BREAK - 2
    close_breaker("scripted")
    assert find_wait("scripted") == 0


def test_all_wait_as_long_as_the_provider_asks_but_not_for_ever(provider: Provider) -> None:
    note_answers("scripted", [AdapterError(Outcome.RATE_LIMITED, "slow down", retry_after=20)])
    assert 18 < find_wait("scripted") <= 20
    note_answers("scripted", [IMAGE])
    assert find_wait("scripted") > 18, "an answer to an earlier call does not cut the wait short"
    note_answers("scripted", [AdapterError(Outcome.RATE_LIMITED, "slow down", retry_after=1e9)])
    assert find_wait("scripted") <= circuit_breaker.LONGEST_BREAK
    provider.refresh_from_db()
    assert provider.failures == 0


def test_requests_that_were_wrong_say_nothing_of_the_provider(provider: Provider) -> None:
    for _ in range(2 * BREAK_AFTER):
        note_answers("scripted", [AdapterError(Outcome.INVALID, "too long a prompt")])
    assert find_wait("scripted") == 0


def test_a_generation_waits_for_its_provider_without_an_attempt_or_a_charge(
    provider: Provider, script: Script, settings: Any
) -> None:
    settings.PROVIDER_KEYS = {"scripted": "key"}
    script(lambda request: return_or_raise(DOWN))
    model = builders.make_model(adapter="scripted")
    Price.objects.create(model=model, valid_from="2026-01-01", units={"image": "1"}, estimate=1)
    for seed in range(BREAK_AFTER):
        produce(make_generation(model=model, seed=seed).pk)
    waiting = make_generation(model=model, seed=99)
    produce(waiting.pk)
    row = reload(waiting)
    assert (row.status, row.attempts) == (Generation.Status.PENDING, 0)
    assert row.due_at > timezone.now() + timedelta(seconds=circuit_breaker.SHORTEST_BREAK - 2)
    assert len(ScriptedGenerator.calls) == BREAK_AFTER
    assert not Charge.objects.filter(generation=waiting).exists()

    close_breaker("scripted")
    script(lambda request: GeneratedImage(paint(1), "image/png", {}, {"image": 1}))
    produce(waiting.pk)
    assert reload(waiting).status == Generation.Status.OK


def test_a_worker_waits_for_a_turn_that_comes_soon(provider: Provider, script: Script, settings: Any) -> None:
    settings.PROVIDER_KEYS = {"scripted": "key"}
    Provider.objects.update(requests_per_minute=300, burst=1)
    script(lambda request: GeneratedImage(paint(1), "image/png", {}, {"image": 1}))
    model = builders.make_model(adapter="scripted")
    Price.objects.create(model=model, valid_from="2026-01-01", units={"image": "1"}, estimate=1)
    began = time.monotonic()
    for seed in range(3):
        produce((row := make_generation(model=model, seed=seed)).pk)
        assert reload(row).status == Generation.Status.OK
    assert time.monotonic() - began > 0.39
    # One that comes late is not waited for.
    Provider.objects.update(requests_per_minute=1)
    produce(make_generation(model=model, seed=8).pk)
    produce((late := make_generation(model=model, seed=9)).pk)
    assert (reload(late).status, reload(late).attempts) == (Generation.Status.PENDING, 0)


# The rate limit, in Redis and in the database


@pytest.fixture(params=["redis", "database"])
def limited(request: pytest.FixtureRequest, settings: Any) -> str:
    settings.REDIS_URL = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    rate_limits._redis.cache_clear()
    return request.param


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("limited")
def test_a_burst_goes_out_at_once_and_then_one_at_a_time() -> None:
    provider = Provider.objects.create(slug="scripted", requests_per_minute=600, burst=3)
    assert [take_turn(provider) for _ in range(3)] == [0, 0, 0]
    wait = take_turn(provider)
    assert 0 < wait <= 0.1
    time.sleep(wait + 0.005)
    assert take_turn(provider) == 0
    assert take_turn(provider) > 0


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("limited")
def test_workers_at_once_share_one_limit() -> None:
    provider = Provider.objects.create(slug="scripted", requests_per_minute=1, burst=7)
    waits = run_at_once([partial(take_turn, provider)] * 20)
    assert waits.count(0) == 7
    assert all(0 < wait <= 60 for wait in waits if wait)


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("limited")
def test_each_provider_has_a_limit_of_its_own_and_a_changed_one_holds_at_once() -> None:
    one, other = (Provider.objects.create(slug=slug, requests_per_minute=1, burst=1) for slug in ("one", "other"))
    assert (take_turn(one), take_turn(other)) == (0, 0)
    assert take_turn(one) > 50
    one.requests_per_minute, one.burst = 60_000, 1000_000
    assert take_turn(one) == 0


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_the_turns_are_kept_no_longer_than_they_matter(redis: RedisServer, settings: Any) -> None:
    settings.REDIS_URL = redis.url
    rate_limits._redis.cache_clear()
    take_turn(Provider.objects.create(slug="scripted", requests_per_minute=60, burst=5))
    with Redis(port=redis.port) as store:
        assert 0 < store.pttl("paragone:turns:scripted") <= 1000


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_without_redis_the_limit_is_kept_in_the_database(redis: RedisServer, settings: Any) -> None:
    settings.REDIS_URL = redis.url
    rate_limits._redis.cache_clear()
    redis.stop()
    provider = Provider.objects.create(slug="scripted", requests_per_minute=1, burst=2)
    assert [take_turn(provider) > 0 for _ in range(3)] == [False, False, True]
