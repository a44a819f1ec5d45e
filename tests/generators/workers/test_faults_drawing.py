"""Faults while drawing: workers killed or late, messages lost or duplicated, concurrent workers.

None of them may lose a generation, store two originals for it, or leave it pending without end.
"""

import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from redis import Redis

from generators import generations, tasks
from generators.adapters.base import AdapterError, GeneratedImage, GenerationRequest, Outcome
from generators.generations import request_generations
from generators.images import originals
from generators.models import Generation, ImageModel
from generators.workers.drawing import produce
from generators.workers.stale_claims import sweep
from tests import builders
from tests.concurrency import PATIENCE, is_blocking_another, run_at_once, wait_until
from tests.fake_adapters import Script, paint
from tests.generations import (
    after_every_claim,
    make_generation,
    reload,
    request_slow_generations,
    return_or_raise,
    status_of,
    stored_originals,
    wait_for_ok,
)
from tests.latch import Latch
from tests.processes import Children, RedisServer

Status = Generation.Status

with_real_workers = [
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sends_to_redis"),
]


def real_workers(test: Callable[..., None]) -> Callable[..., None]:
    for mark in with_real_workers:
        test = mark(test)
    return test


# Killed workers


@real_workers
def test_a_drawing_of_a_killed_worker_is_drawn_by_the_next_one(
    children: Children, redis: RedisServer, latch: Latch
) -> None:
    (generation,) = request_slow_generations(latch)
    worker = children.start_worker(redis.url, PARAGONE_CLAIM_SECONDS="2")
    wait_until(latch.arrivals, "the drawing begins")
    worker.kill()
    lost = reload(generation)
    assert (lost.status, lost.attempts) == (Status.RUNNING, 1)
    assert lost.due_at == lost.claimed_at + timedelta(seconds=2)

    wait_until(lambda: sweep() == 1, "the claim expires and the sweeper releases it")
    assert timezone.now() >= lost.due_at
    assert status_of(generation) == Status.PENDING

    latch.open()
    children.start_worker(redis.url)
    wait_for_ok(generation)
    assert reload(generation).attempts == len(latch.arrivals()) == 2
    assert [file.name for file in stored_originals()] == [reload(generation).original]


@real_workers
def test_a_worker_replaces_killed_processes_and_a_drawing_that_kills_each_is_given_up(
    children: Children, redis: RedisServer, tmp_path: Path, settings: Any
) -> None:
    settings.MAX_ATTEMPTS = 2
    latches = [Latch(tmp_path / name) for name in ("once", "twice")]
    for latch in latches:
        latch.folder.mkdir()
    (killed_once,), (killed_twice,) = map(request_slow_generations, latches)
    worker = children.start_worker(redis.url, concurrency=2)
    for latch in latches:
        (arrival,) = wait_until(latch.arrivals, "the drawing begins")
        assert arrival != worker.process.pid
        os.kill(arrival, signal.SIGKILL)
    worker.wait_for_log("WorkerLostError")
    assert sweep() == 0
    assert {(row.status, row.attempts) for row in map(reload, (killed_once, killed_twice))} == {(Status.RUNNING, 1)}

    assert sweep(after_every_claim()) == 2
    latches[0].open()
    wait_for_ok(killed_once)
    assert reload(killed_once).attempts == 2
    wait_until(lambda: len(latches[1].arrivals()) == 2, "the second drawing begins again")
    os.kill(latches[1].arrivals()[1], signal.SIGKILL)
    assert sweep() == 0
    assert sweep(after_every_claim()) == 0

    given_up = reload(killed_twice)
    assert (given_up.status, given_up.reason, given_up.attempts) == (Status.FAILED, "worker_lost", 2)
    assert "Workers claimed this 2 times" in given_up.message
    assert given_up.finished_at
    assert [file.name for file in stored_originals()] == [reload(killed_once).original]
    assert worker.process.poll() is None


@real_workers
def test_a_drawing_that_never_ends_is_stopped_when_its_claim_expires(
    children: Children, redis: RedisServer, latch: Latch, settings: Any
) -> None:
    # Modules are loaded by the first drawing, so that the second one begins long before its time limit.
    worker = children.start_worker(redis.url, PARAGONE_CLAIM_SECONDS="10")
    latch.open()
    (short,) = request_slow_generations(latch)
    wait_for_ok(short)
    latch.close()

    settings.MAX_ATTEMPTS, normal, settings.CLAIM_SECONDS = 1, settings.CLAIM_SECONDS, 10
    (endless,) = request_slow_generations(latch)
    wait_until(lambda: len(latch.arrivals()) == 2, "the drawing begins")
    worker.wait_for_log("TimeLimitExceeded")
    wait_until(lambda: (sweep(), status_of(endless))[1] == Status.FAILED, "the sweeper gives it up")
    assert reload(endless).reason == "worker_lost"

    latch.open()
    settings.CLAIM_SECONDS = normal
    (following,) = request_slow_generations(latch)
    wait_for_ok(following)
    assert reload(following).attempts == 1


# Late workers


@pytest.mark.django_db
@pytest.mark.parametrize(
    "late_end",
    [
        lambda: GeneratedImage(paint(1), "image/png"),
        lambda: GeneratedImage(b"no image", "image/png"),
        partial(AdapterError, Outcome.REFUSED, "late"),
        partial(AdapterError, Outcome.TRANSIENT, "late"),
        partial(RuntimeError, "late"),
    ],
    ids=["image", "no image", "refusal", "transient error", "crash"],
)
def test_a_worker_whose_claim_has_expired_changes_nothing(script: Script, late_end: Callable[[], Any]) -> None:
    generation = make_generation()

    def draw_second(request: GenerationRequest) -> GeneratedImage:
        return GeneratedImage(paint(2), "image/png")

    def draw_first(request: GenerationRequest) -> GeneratedImage:
        # Meanwhile the claim expires and another worker draws.
        assert sweep(after_every_claim()) == 1
        script(draw_second)
        produce(generation.pk)
        return return_or_raise(late_end())

    script(draw_first)
    produce(generation.pk)
    drawn = reload(generation)
    assert (drawn.status, drawn.attempts, drawn.reason) == (Status.OK, 2, "")
    assert originals.read(drawn.original) == paint(2)


@pytest.mark.django_db
def test_a_late_worker_leaves_the_claim_of_another_one(script: Script) -> None:
    generation = make_generation()

    def draw_second(request: GenerationRequest) -> GeneratedImage:
        raise SystemExit("this worker exits and leaves its claim")

    def draw_first(request: GenerationRequest) -> GeneratedImage:
        sweep(after_every_claim())
        script(draw_second)
        with pytest.raises(SystemExit):
            produce(generation.pk)
        return GeneratedImage(paint(1), "image/png")

    script(draw_first)
    produce(generation.pk)
    held = reload(generation)
    assert (held.status, held.attempts, held.original) == (Status.RUNNING, 2, "")


# Lost and duplicated messages


@real_workers
def test_lost_messages_are_sent_again_and_the_worker_reconnects(
    children: Children, redis: RedisServer, latch: Latch, settings: Any
) -> None:
    settings.REDISPATCH_SECONDS = 3600
    wanted = request_slow_generations(latch, 5)
    worker = children.start_worker(redis.url)
    wait_until(latch.arrivals, "the first drawing begins")
    redis.stop()
    redis.start()
    with Redis(port=redis.port) as broker:
        assert not broker.llen("gpu")
    latch.open()
    wait_until(Generation.objects.ready().exists, "the drawing in progress is stored without a broker")
    assert sweep() == 0
    assert sweep(timezone.now() + timedelta(seconds=settings.REDISPATCH_SECONDS)) == 4
    wait_for_ok(*wanted)
    assert worker.process.poll() is None
    assert len(latch.arrivals()) == 5
    assert {reload(generation).attempts for generation in wanted} == {1}


@real_workers
def test_one_message_sent_twenty_times_to_two_workers_is_drawn_once(
    children: Children, redis: RedisServer, latch: Latch
) -> None:
    (generation,) = request_slow_generations(latch)
    for _ in range(19):
        generations.dispatch([generation])
    for worker in [children.start_worker(redis.url) for _ in range(2)]:
        worker.wait_for_log("ready.")
    with Redis(port=redis.port) as broker:
        # One worker draws and keeps its message. The other receives the rest and finds nothing to claim.
        wait_until(lambda: broker.llen("gpu") == 0 and broker.hlen("unacked") == 1, "one message is left")
        latch.open()
        wait_until(lambda: broker.hlen("unacked") == 0, "the last message is acknowledged")
    assert (status_of(generation), reload(generation).attempts) == (Status.OK, 1)
    assert len(latch.arrivals()) == 1


@pytest.mark.django_db(transaction=True)
def test_of_twenty_workers_with_the_same_row_one_draws(script: Script) -> None:
    drawn: list[GenerationRequest] = []
    generation = make_generation()

    def draw(request: GenerationRequest) -> GeneratedImage:
        drawn.append(request)
        return GeneratedImage(paint(1), "image/png")

    script(draw)
    assert run_at_once([partial(produce, generation.pk)] * 20) == [None] * 20
    assert len(drawn) == 1
    assert (status_of(generation), reload(generation).attempts) == (Status.OK, 1)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_worker_waits_for_a_row_that_another_transaction_has_locked(script: Script) -> None:
    """Its message is already taken from the queue, so a worker that skipped the row would delay it."""
    generation = make_generation()
    script(lambda request: GeneratedImage(paint(1), "image/png"))
    locked = threading.Event()

    def write() -> None:
        with transaction.atomic():
            Generation.objects.filter(pk=generation.pk).update(due_at=timezone.now())
            locked.set()
            wait_until(is_blocking_another, "the worker waits for the row")

    def draw() -> None:
        assert locked.wait(PATIENCE)
        produce(generation.pk)

    assert run_at_once([write, draw]) == [None, None]
    assert status_of(generation) == Status.OK


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_for_the_same_images_in_different_order_do_not_deadlock() -> None:
    first, second = (builders.make_model(adapter="scripted") for _ in range(2))
    prompt = builders.make_prompt_set(1).prompts.get()

    def request(*models: ImageModel) -> list[ImageModel]:
        rows = request_generations([(model, prompt, 0) for model in models], width=16, height=16)
        return [row.model for row in rows]

    def request_first_then_second() -> list[ImageModel]:
        with transaction.atomic():
            rows = request(first)
            first_requested.set()
            wait_until(is_blocking_another, "the other transaction waits for the uncommitted row")
            return rows + request(second)

    def request_second_then_first() -> list[ImageModel]:
        assert first_requested.wait(PATIENCE)
        return request(second, first)

    first_requested = threading.Event()
    assert run_at_once([request_first_then_second, request_second_then_first]) == [[first, second], [second, first]]
    assert Generation.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_images_are_drawn_in_the_order_in_which_they_were_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(generations.current_app, "send_task", lambda name, args, **options: sent.append(args[0]))
    models = [builders.make_model(adapter="scripted") for _ in range(2)]
    prompts = list(builders.make_prompt_set(4).prompts.order_by("-pk"))
    wanted = [(model, prompt, seed) for seed in range(2) for prompt in prompts for model in models]
    rows = request_generations(wanted, width=16, height=16)
    assert sent == [row.pk for row in rows]
    assert request_generations([*wanted, wanted[0]], width=16, height=16) == [*rows, rows[0]]
    assert len(sent) == 16


@pytest.mark.django_db(transaction=True)
def test_a_duplicated_message_does_not_shorten_the_wait_that_a_provider_asked_for(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[tuple[int, int]] = []
    monkeypatch.setattr(generations.current_app, "send_task", lambda name, args, **options: messages.append(args))
    script(lambda request: return_or_raise(AdapterError(Outcome.RATE_LIMITED, "slow down", retry_after=300)))
    now = timezone.now()
    generation = make_generation(due_at=now)
    for seconds in range(0, 600, 200):
        sweep(now + timedelta(seconds=seconds))
    assert len(messages) == 3
    for message in messages:
        tasks.produce(*message)
    held_back = reload(generation)
    assert (held_back.status, held_back.attempts) == (Status.PENDING, 1)
    assert held_back.due_at >= now + timedelta(seconds=300)

    assert sweep() == 0
    assert sweep(held_back.due_at) == 1
    tasks.produce(*messages[-1])
    assert reload(generation).attempts == 2
