"""The sweeper puts claims back that ran out, and tells workers again where messages were lost: no more than it must."""

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
from tests.fake_adapters import Script
from tests.generations import make_generation, reload, return_or_raise, status_of
from tests.processes import RedisServer, run_at_once

Status = Generation.Status


def real_broker(test: Callable[..., None]) -> Callable[..., None]:
    for mark in (pytest.mark.postgres, pytest.mark.redis, pytest.mark.django_db(transaction=True)):
        test = mark(test)
    return pytest.mark.usefixtures("sends_to_redis")(test)


@real_broker
def test_two_sweepers_at_once_put_a_claim_back_once_and_lose_no_row(redis: RedisServer, settings: Any) -> None:
    past = timezone.now() - timedelta(minutes=1)
    lost = [make_generation(status=Status.RUNNING, attempts=1, due_at=past) for _ in range(10)]
    attempts = settings.MAX_ATTEMPTS
    hopeless = [
        make_generation(status=Status.RUNNING, attempts=attempts, failures=attempts - 1, due_at=past) for _ in range(10)
    ]
    waiting = [make_generation(due_at=past) for _ in range(10)]
    claimed = make_generation(status=Status.RUNNING, attempts=1)

    sent = run_at_once([sweep, sweep])

    # Each row's message goes out once or, harmlessly, twice.
    with Redis(port=redis.port) as broker:
        assert broker.llen("gpu") == sum(sent)
    assert 20 <= sum(sent) <= 40
    for generation in lost + waiting:
        row = reload(generation)
        assert (row.status, row.attempts) == (Status.PENDING, generation.attempts)
        assert row.due_at > timezone.now()
    assert {(row.status, row.reason) for row in map(reload, hopeless)} == {(Status.FAILED, "worker_lost")}
    assert reload(claimed).due_at == claimed.due_at
    assert sweep() == 0


@real_broker
def test_a_sweep_sends_no_more_than_its_batch_the_longest_waiting_first(redis: RedisServer) -> None:
    now = timezone.now()
    model = builders.make_model(adapter="scripted")
    prompt = builders.make_prompt_set(1).prompts.get()
    rows = [
        Generation(model=model, prompt=prompt, seed=n, width=16, height=16, due_at=now - timedelta(seconds=n))
        for n in range(stale_claims.SWEEP_BATCH + 7)
    ]
    Generation.objects.bulk_create(rows)
    with Redis(port=redis.port) as broker:
        assert sweep(now) == stale_claims.SWEEP_BATCH
        assert broker.llen("gpu") == stale_claims.SWEEP_BATCH
        left = Generation.objects.overdue(now).values_list("seed", flat=True)
        assert sorted(left) == list(range(7))
        assert (sweep(now), sweep(now)) == (7, 0)
        assert broker.llen("gpu") == len(rows)


@pytest.mark.django_db(transaction=True)
def test_a_sweep_without_a_broker_keeps_the_rows_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("the broker is away")

    monkeypatch.setattr(generations.current_app, "send_task", refuse)
    now = timezone.now()
    generation = make_generation(due_at=now)
    assert sweep(now) == 1
    assert status_of(generation) == Status.PENDING
    assert sweep(reload(generation).due_at) == 1


@pytest.mark.django_db
def test_what_waits_behind_others_is_not_sent_again_while_workers_take_rows() -> None:
    now = timezone.now()
    told = {"sent_at": now - timedelta(minutes=2), "due_at": now - timedelta(minutes=1)}
    waiting = [make_generation(**told) for _ in range(3)]
    drawn = make_generation(status=Status.RUNNING, attempts=1, claimed_at=now - timedelta(seconds=5))
    assert sweep(now) == 0
    # What nobody was told of yet is sent all the same.
    put_back = make_generation(due_at=now)
    assert sweep(now) == 1
    assert reload(put_back).sent_at == now
    # Nobody has taken a row for a while: the messages are lost, or the workers are.
    Generation.objects.filter(pk=drawn.pk).update(claimed_at=now - timedelta(minutes=2))
    assert sweep(now) == 3
    assert {reload(row).sent_at for row in waiting} == {now}
    assert sweep(now) == 0


@pytest.mark.django_db
def test_each_queue_is_judged_by_its_own_workers() -> None:
    now = timezone.now()
    told = {"sent_at": now - timedelta(minutes=2), "due_at": now - timedelta(minutes=1)}
    at_a_provider = make_generation(model=builders.make_model(adapter="openai"), **told)
    make_generation(**told)
    make_generation(status=Status.RUNNING, attempts=1, claimed_at=now)
    assert sweep(now) == 1
    assert reload(at_a_provider).sent_at == now


@pytest.mark.django_db(transaction=True)
def test_a_row_says_whether_workers_were_told_of_it(script: Script) -> None:
    model, prompt = builders.make_model(adapter="scripted"), builders.make_prompt_set(1).prompts.get()
    (row,) = request_generations([(model, prompt, 0)], width=16, height=16)
    assert reload(row).sent_at is not None
    script(lambda request: return_or_raise(AdapterError(Outcome.TRANSIENT, "hiccup")))
    produce(row.pk)
    assert reload(row).sent_at is None
    assert sweep(reload(row).due_at) == 1
    assert reload(row).sent_at is not None
