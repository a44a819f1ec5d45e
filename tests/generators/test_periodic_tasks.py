"""Periodic tasks: the database decides what is due, whatever the clocks of beat and the workers say."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as project
from redis import Redis

from arena.settings import EMBEDDED_BROKER, find_expiry
from generators import database_time, tasks
from generators.generations import request_generations
from generators.models import Generation, PeriodicTask
from generators.periodic_tasks import run_if_due
from generators.workers import stale_claims
from generators.workers.claims import claim_rows, find_due_time
from tests import builders
from tests.clock import Clock, shift_clock
from tests.concurrency import run_at_once, wait_until
from tests.generations import make_generation, reload
from tests.processes import Child, RedisServer

pytestmark = pytest.mark.django_db

AHEAD_AND_BEHIND = pytest.mark.parametrize("shift", [-3600.0, -7.0, 7.0, 3600.0])


class Work:
    def __init__(self) -> None:
        self.n = 0

    def __call__(self) -> None:
        self.n += 1


def test_a_task_runs_once_a_period_however_many_messages_arrive(clock: Clock) -> None:
    work = Work()
    for _ in range(50):
        run_if_due("sweep", 5, work)
    assert work.n == 1
    clock.advance(2.4)
    assert not run_if_due("sweep", 5, work)
    clock.advance(2.2)  # beat's messages do not come at exact intervals
    assert run_if_due("sweep", 5, work)
    assert work.n == 2


def test_a_long_period_is_kept_although_beat_asks_every_minute(clock: Clock) -> None:
    work = Work()
    for _ in range(60 * 24 * 2):
        run_if_due("weekly", 7 * 24 * 3600, work)
        clock.advance(60)
    assert work.n == 1
    clock.advance(5 * 24 * 3600)
    assert run_if_due("weekly", 7 * 24 * 3600, work)


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_take_it_at_once_run_it_once() -> None:
    PeriodicTask.objects.create(name="sweep")
    work = Work()
    assert sorted(run_at_once([lambda: run_if_due("sweep", 5, work)] * 4)) == [False, False, False, True]
    assert work.n == 1


def test_a_failure_is_kept_and_the_next_run_clears_it(clock: Clock) -> None:
    def fail() -> None:
        raise RuntimeError("the table is gone")

    run_if_due("sweep", 5, Work())
    before = PeriodicTask.objects.get()
    clock.advance(5)
    with pytest.raises(RuntimeError):
        run_if_due("sweep", 5, fail)
    task = PeriodicTask.objects.get()
    assert task.error == "RuntimeError: the table is gone"
    assert (task.started_at, task.succeeded_at) == (clock.now, before.succeeded_at)
    clock.advance(5)
    run_if_due("sweep", 5, Work())
    task.refresh_from_db()
    assert (task.error, task.succeeded_at) == ("", clock.now)


def test_a_database_whose_clock_was_set_back_does_not_stop_the_tasks(clock: Clock) -> None:
    work = Work()
    run_if_due("sweep", 5, work)
    clock.advance(-86_400)
    assert run_if_due("sweep", 5, work)


def test_a_daily_task_whose_worker_was_lost_runs_again_within_the_hour(clock: Clock) -> None:
    day, work = 86_400, Work()
    assert run_if_due("prune", day, work)
    clock.advance(day)
    PeriodicTask.objects.update(started_at=database_time.now())  # a worker took it, and was killed
    clock.advance(3_000)
    assert not run_if_due("prune", day, work)
    clock.advance(601)
    assert run_if_due("prune", day, work)
    assert not run_if_due("prune", day, work)


def test_messages_of_beat_expire_by_a_margin_that_clocks_do_not_differ_by() -> None:
    """A worker compares the time of expiry with its own clock."""
    assert all(entry["options"]["expires"] for entry in project.CELERY_BEAT_SCHEDULE.values())
    assert find_expiry("redis://192.0.2.1:6379/0") == 86_400
    assert find_expiry(EMBEDDED_BROKER) == 60  # one machine, one clock


@AHEAD_AND_BEHIND
def test_a_worker_with_a_wrong_clock_sweeps(monkeypatch: pytest.MonkeyPatch, shift: float) -> None:
    row = make_generation(due_at=database_time.now() - timedelta(seconds=1))
    shift_clock(monkeypatch, shift)
    tasks.sweep()
    assert reload(row).sent_at is not None
    assert abs(PeriodicTask.objects.get().succeeded_at - database_time.now()) < timedelta(seconds=60)


@AHEAD_AND_BEHIND
def test_the_claim_of_a_worker_with_a_wrong_clock_lasts_as_long_as_any_other(
    monkeypatch: pytest.MonkeyPatch, shift: float, settings
) -> None:
    make_generation()
    with monkeypatch.context() as wrong:
        shift_clock(wrong, shift)
        (row,) = claim_rows(Generation.objects.all())
    now = database_time.now()
    assert abs(reload(row).due_at - now - timedelta(seconds=settings.CLAIM_SECONDS)) < timedelta(seconds=60)
    stale_claims.sweep()
    assert reload(row).status == Generation.Status.RUNNING
    stale_claims.sweep(now + timedelta(seconds=settings.CLAIM_SECONDS + 60))
    assert reload(row).status == Generation.Status.PENDING


@AHEAD_AND_BEHIND
def test_rows_and_pauses_are_due_by_the_clock_of_the_database(monkeypatch: pytest.MonkeyPatch, shift: float) -> None:
    model, prompts = builders.make_model(adapter="scripted"), builders.make_prompt_set(1).prompts
    shift_clock(monkeypatch, shift)
    (row,) = request_generations([(model, prompts.get(), 0)], width=16, height=16)
    now = database_time.now()
    for time in (row.sent_at, row.due_at, find_due_time(0)):
        assert abs(time - now) < timedelta(seconds=300)


@pytest.mark.redis
def test_beat_runs_where_nothing_can_be_written(redis: RedisServer, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "arena.settings",
        "PARAGONE_BROKER_URL": redis.url,
        "PARAGONE_VAR": "/proc/paragone",  # not even root can make it
        "PARAGONE_SWEEP_SECONDS": "1",
        "PARAGONE_LOG_LEVEL": "INFO",
    }
    command = [sys.executable, "-m", "celery", "-A", "arena.celery", "beat", "--loglevel", "INFO"]
    beats = [Child(command, tmp_path / f"beat{n}.log", environment) for n in range(2)]
    try:
        with Redis(port=redis.port) as broker:
            wait_until(lambda: broker.llen("default") >= 8, "two beats send messages")
    finally:
        for beat in beats:
            beat.kill()
