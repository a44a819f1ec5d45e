"""Stale claims are released, and lost messages are sent again, but no more than necessary."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from redis import Redis

from generators import generations
from generators.adapters.base import AdapterError, Outcome
from generators.generations import request_generations
from generators.models import Generation
from generators.workers import stale_claims
from generators.workers.drawing import produce
from generators.workers.stale_claims import sweep
from tests import builders
from tests.concurrency import run_at_once
from tests.fake_adapters import Script
from tests.generations import make_generation, reload, return_or_raise, status_of
from tests.processes import RedisServer

Status = Generation.Status


def real_broker(test: Callable[..., None]) -> Callable[..., None]:
    for mark in (pytest.mark.postgres, pytest.mark.redis, pytest.mark.django_db(transaction=True)):
        test = mark(test)
    return pytest.mark.usefixtures("sends_to_redis")(test)


@real_broker
def test_two_concurrent_sweepers_release_a_claim_once_and_lose_no_row(redis: RedisServer, settings: Any) -> None:
    past = timezone.now() - timedelta(minutes=1)
    expired = [make_generation(status=Status.RUNNING, attempts=1, due_at=past) for _ in range(10)]
    attempts = settings.MAX_ATTEMPTS
    given_up = [
        make_generation(status=Status.RUNNING, attempts=attempts, failures=attempts - 1, due_at=past) for _ in range(10)
    ]
    waiting = [make_generation(due_at=past) for _ in range(10)]
    claimed = make_generation(status=Status.RUNNING, attempts=1)

    sent = run_at_once([sweep, sweep])

    # The message of a row may be sent twice, which is harmless.
    with Redis(port=redis.port) as broker:
        assert broker.llen("gpu") == sum(sent)
    assert 20 <= sum(sent) <= 40
    for generation in expired + waiting:
        row = reload(generation)
        assert (row.status, row.attempts) == (Status.PENDING, generation.attempts)
        assert row.due_at > timezone.now()
    assert {(row.status, row.reason) for row in map(reload, given_up)} == {(Status.FAILED, "worker_lost")}
    assert reload(claimed).due_at == claimed.due_at
    assert sweep() == 0


@pytest.mark.django_db
def test_a_queue_has_a_bounded_number_of_messages_the_longest_waiting_first(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(stale_claims, "SENT_AT_ONCE", 10)
    now = timezone.now()
    rows = [make_generation(due_at=now - timedelta(seconds=n)) for n in range(13)]
    at_a_provider = make_generation(model=builders.make_model(adapter="openai"), due_at=now)
    assert sweep(now) == 11, "ten of one queue, and the one of the other"
    assert [reload(row).sent_at for row in rows[:3]] == [None] * 3
    assert reload(at_a_provider).sent_at == now
    assert sweep(now) == 0
    # Two rows were claimed, so there is room for two more.
    Generation.objects.filter(pk__in=[row.pk for row in rows[3:5]]).update(status=Status.RUNNING, claimed_at=now)
    assert sweep(now) == 2
    assert [reload(row).sent_at for row in rows[:3]] == [None, now, now]
    # If nothing is claimed for a while, the messages are lost, and do not take any room.
    later = now + timedelta(seconds=settings.REDISPATCH_SECONDS + 1)
    assert sweep(later) == 11


@pytest.mark.django_db(transaction=True)
def test_rows_stay_pending_while_the_broker_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("the broker is unreachable")

    monkeypatch.setattr(generations.current_app, "send_task", refuse)
    now = timezone.now()
    generation = make_generation(due_at=now)
    assert sweep(now) == 1
    assert status_of(generation) == Status.PENDING
    assert sweep(reload(generation).due_at) == 1


@pytest.mark.django_db
def test_messages_are_not_sent_again_while_workers_claim_rows() -> None:
    now = timezone.now()
    dispatched = {"sent_at": now - timedelta(minutes=2), "due_at": now - timedelta(minutes=1)}
    waiting = [make_generation(**dispatched) for _ in range(3)]
    drawn = make_generation(status=Status.RUNNING, attempts=1, claimed_at=now - timedelta(seconds=5))
    assert sweep(now) == 0
    # An undispatched row is sent all the same.
    released = make_generation(due_at=now)
    assert sweep(now) == 1
    assert reload(released).sent_at == now
    # No row was claimed for a while, so the messages or the workers are lost.
    Generation.objects.filter(pk=drawn.pk).update(claimed_at=now - timedelta(minutes=2))
    assert sweep(now) == 3
    assert {reload(row).sent_at for row in waiting} == {now}
    assert sweep(now) == 0


@pytest.mark.django_db
def test_lost_messages_are_detected_separately_for_each_queue() -> None:
    now = timezone.now()
    dispatched = {"sent_at": now - timedelta(minutes=2), "due_at": now - timedelta(minutes=1)}
    at_a_provider = make_generation(model=builders.make_model(adapter="openai"), **dispatched)
    make_generation(**dispatched)
    make_generation(status=Status.RUNNING, attempts=1, claimed_at=now)
    assert sweep(now) == 1
    assert reload(at_a_provider).sent_at == now


@pytest.mark.django_db(transaction=True)
def test_a_row_records_when_its_message_was_sent(script: Script) -> None:
    model, prompt = builders.make_model(adapter="scripted"), builders.make_prompt_set(1).prompts.get()
    (row,) = request_generations([(model, prompt, 0)], width=16, height=16)
    assert reload(row).sent_at is not None
    script(lambda request: return_or_raise(AdapterError(Outcome.TRANSIENT, "hiccup")))
    produce(row.pk)
    assert reload(row).sent_at is None
    assert sweep(reload(row).due_at) == 1
    assert reload(row).sent_at is not None
