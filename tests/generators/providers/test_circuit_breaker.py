"""The circuit breaker of a provider: when it opens, how long, and how one call closes it again."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from generators.adapters.base import AUTHENTICATION, AdapterError, GeneratedImage, Outcome
from generators.models import Charge, Generation, ImageModel, Price, Provider
from generators.providers.circuit_breaker import (
    ACCOUNT_BREAK,
    BREAK_AFTER,
    LONGEST_BREAK,
    SHORTEST_BREAK,
    close_breaker,
    find_wait,
    note_answers,
)
from generators.providers.servers import Server
from generators.workers.drawing import produce
from tests import builders
from tests.clock import Clock
from tests.concurrency import run_at_once
from tests.fake_adapters import Script, ScriptedGenerator, paint
from tests.generations import make_generation, reload, return_or_raise

SERVER = Server("scripted", "scripted.example")
IMAGE = GeneratedImage(b"", "image/png")
DOWN = AdapterError(Outcome.TRANSIENT, "500")
REFUSAL = AdapterError(Outcome.REFUSED, "no")


@pytest.fixture
def provider(db: None) -> Provider:
    return Provider.objects.create(slug=SERVER.slug, host=SERVER.host, requests_per_minute=60_000, burst=1000)


@pytest.fixture
def paid_model(provider: Provider, scripted_provider: None) -> ImageModel:
    model = builders.make_model(adapter="scripted")
    Price.objects.create(model=model, valid_from="2026-01-01", units={"image": "1"}, estimate=1)
    return model


def draw_paid(request: object) -> GeneratedImage:
    return GeneratedImage(paint(1), "image/png", {}, {"image": 1})


def test_five_failures_in_a_row_open_the_breaker(provider: Provider, clock: Clock) -> None:
    for _ in range(BREAK_AFTER - 1):
        note_answers(SERVER, [DOWN])
        assert find_wait(SERVER) == 0
    note_answers(SERVER, [DOWN])
    assert find_wait(SERVER) == SHORTEST_BREAK
    provider.refresh_from_db()
    assert (provider.failures, provider.last_error) == (BREAK_AFTER, "transient: 500")


def test_one_answer_in_between_restarts_the_count(provider: Provider) -> None:
    for answer in (DOWN, DOWN, DOWN, DOWN, REFUSAL, DOWN, DOWN, DOWN, DOWN):
        note_answers(SERVER, [answer])
    assert find_wait(SERVER) == 0


def test_after_the_break_one_worker_calls_and_the_others_wait(provider: Provider, clock: Clock) -> None:
    for _ in range(BREAK_AFTER):
        note_answers(SERVER, [DOWN])
    clock.advance(SHORTEST_BREAK)
    assert find_wait(SERVER) == 0
    assert find_wait(SERVER) == SHORTEST_BREAK
    note_answers(SERVER, [DOWN])
    assert find_wait(SERVER) == 2 * SHORTEST_BREAK, "the next break is twice as long"
    clock.advance(2 * SHORTEST_BREAK)
    assert find_wait(SERVER) == 0
    note_answers(SERVER, [IMAGE])
    assert (find_wait(SERVER), find_wait(SERVER)) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_of_twenty_workers_after_a_break_one_calls() -> None:
    past = timezone.now() - timedelta(seconds=1)
    Provider.objects.create(
        slug=SERVER.slug, host=SERVER.host, requests_per_minute=60_000, burst=1000, failures=9, resume_at=past
    )
    waits = run_at_once([partial(find_wait, SERVER)] * 20)
    assert waits.count(0) == 1
    assert all(0 < wait <= SHORTEST_BREAK for wait in waits if wait)


@pytest.mark.parametrize(
    "error",
    [AdapterError(Outcome.QUOTA, "pay first"), AdapterError(Outcome.INVALID, "key?", code=AUTHENTICATION)],
    ids=["no credit", "key refused"],
)
def test_an_account_error_opens_the_breaker_at_once(provider: Provider, clock: Clock, error: AdapterError) -> None:
    note_answers(SERVER, [error])
    assert find_wait(SERVER) == ACCOUNT_BREAK
    close_breaker(Provider.objects.get())
    assert find_wait(SERVER) == 0


def test_all_workers_wait_as_long_as_the_provider_asks_within_bounds(provider: Provider, clock: Clock) -> None:
    note_answers(SERVER, [AdapterError(Outcome.RATE_LIMITED, "slow down", retry_after=20)])
    assert find_wait(SERVER) == 20
    note_answers(SERVER, [IMAGE])
    assert find_wait(SERVER) == 20, "an answer to an earlier call does not shorten the wait"
    note_answers(SERVER, [AdapterError(Outcome.RATE_LIMITED, "slow down", retry_after=1e9)])
    assert find_wait(SERVER) == LONGEST_BREAK
    provider.refresh_from_db()
    assert provider.failures == 0


def test_invalid_requests_do_not_count_as_failures_of_the_provider(provider: Provider) -> None:
    for _ in range(2 * BREAK_AFTER):
        note_answers(SERVER, [AdapterError(Outcome.INVALID, "too long a prompt")])
    assert find_wait(SERVER) == 0


def test_a_generation_waits_for_its_provider_without_an_attempt_or_a_charge(
    paid_model: ImageModel, script: Script, clock: Clock
) -> None:
    script(lambda request: return_or_raise(DOWN))
    for seed in range(BREAK_AFTER):
        produce(make_generation(model=paid_model, seed=seed).pk)
    waiting = make_generation(model=paid_model, seed=99)
    produce(waiting.pk)
    row = reload(waiting)
    assert (row.status, row.attempts) == (Generation.Status.PENDING, 0)
    assert row.due_at >= clock.now + timedelta(seconds=SHORTEST_BREAK)
    assert len(ScriptedGenerator.calls) == BREAK_AFTER
    assert not Charge.objects.filter(generation=waiting).exists()

    close_breaker(Provider.objects.get())
    script(draw_paid)
    produce(waiting.pk)
    assert reload(waiting).status == Generation.Status.OK


def test_an_account_error_of_one_server_does_not_stop_another(
    paid_model: ImageModel, script: Script, clock: Clock
) -> None:
    elsewhere = builders.make_model(adapter="scripted", settings={"base_url": "https://scripted.lab:8443"})
    Price.objects.create(model=elsewhere, valid_from="2026-01-01", units={"image": "1"}, estimate=1)
    script(lambda request: return_or_raise(AdapterError(Outcome.INVALID, "HTTP 403", code=AUTHENTICATION)))
    produce(make_generation(model=paid_model, seed=0).pk)
    script(draw_paid)
    waits, drawn = make_generation(model=paid_model, seed=1), make_generation(model=elsewhere, seed=1)
    for row in (waits, drawn):
        produce(row.pk)
    assert reload(waits).status == Generation.Status.PENDING
    assert reload(drawn).status == Generation.Status.OK
    states = Provider.objects.values_list("host", "failures")
    assert set(states) == {("scripted.example", BREAK_AFTER), ("scripted.lab:8443", 0)}


def test_a_worker_waits_for_a_turn_that_comes_soon(
    provider: Provider, paid_model: ImageModel, script: Script, clock: Clock
) -> None:
    Provider.objects.update(requests_per_minute=300, burst=1, caught_up_at=clock.now)
    script(draw_paid)
    for seed in range(3):
        produce((row := make_generation(model=paid_model, seed=seed)).pk)
        assert reload(row).status == Generation.Status.OK
    assert clock.slept == [0.2, 0.2]


def test_a_worker_puts_off_a_row_whose_turn_comes_late(
    provider: Provider, paid_model: ImageModel, script: Script, clock: Clock
) -> None:
    Provider.objects.update(requests_per_minute=1, burst=1, caught_up_at=clock.now)
    script(draw_paid)
    produce(make_generation(model=paid_model, seed=0).pk)
    produce((late := make_generation(model=paid_model, seed=1)).pk)
    assert (reload(late).status, reload(late).attempts) == (Generation.Status.PENDING, 0)
    assert reload(late).due_at >= clock.now + timedelta(seconds=60)
    assert clock.slept == []
