"""A worker that is told to stop gives its claims back, soon and without counting an attempt."""

import shutil
import signal
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from arena import tasks
from arena.leaderboards import schedules
from arena.models import RatingSchedule
from evaluation.models import Run
from evaluation.runs import lifecycle
from generators.generations import dispatch
from generators.models import Charge, Generation, Price
from generators.workers import shutdown
from generators.workers.claims import claim_rows, give_back
from generators.workers.drawing import produce
from generators.workers.stale_claims import sweep
from tests import builders
from tests.concurrency import PATIENCE, run_at_once, wait_until
from tests.evaluation.held import start_held_run
from tests.evaluation.shades import shades
from tests.generations import make_generation, reload, request_slow_generations, status_of, wait_for_ok
from tests.latch import Latch
from tests.processes import Child, Children, RedisServer

__all__ = ["shades"]

Status = Generation.Status


def with_workers(test: Callable[..., None]) -> Callable[..., None]:
    for mark in (pytest.mark.postgres, pytest.mark.redis, pytest.mark.django_db(transaction=True)):
        test = mark(test)
    return pytest.mark.usefixtures("sends_to_redis")(test)


def to_the_main_process(worker: Child) -> None:
    """As container runtimes and shells do."""
    worker.process.send_signal(signal.SIGTERM)


def to_all_processes(worker: Child) -> None:
    """As systemd does."""
    worker.signal(signal.SIGTERM)


def wait_for_end(worker: Child) -> None:
    worker.process.wait(timeout=PATIENCE)


@with_workers
@pytest.mark.parametrize("stop", [to_the_main_process, to_all_processes])
def test_three_restarts_do_not_fail_a_slow_drawing(
    children: Children, redis: RedisServer, latch: Latch, stop: Callable[[Child], None]
) -> None:
    (generation,) = request_slow_generations(latch)
    for n in range(1, 4):
        worker = children.start_worker(redis.url, PARAGONE_SHUTDOWN_SECONDS="0.5")
        wait_until(lambda n=n: len(latch.arrivals()) == n, "the drawing has begun")
        stop(worker)
        wait_for_end(worker)
        row = reload(generation)
        assert (row.status, row.attempts, row.failures, row.sent_at) == (Status.PENDING, 0, 0, None)
        sweep()
    latch.open()
    children.start_worker(redis.url)
    wait_for_ok(generation)
    assert reload(generation).attempts == 1


@with_workers
def test_a_drawing_that_ends_in_time_is_kept(children: Children, redis: RedisServer, latch: Latch) -> None:
    (generation,) = request_slow_generations(latch)
    worker = children.start_worker(redis.url, PARAGONE_SHUTDOWN_SECONDS="60")
    wait_until(latch.arrivals, "the drawing has begun")
    to_the_main_process(worker)
    worker.wait_for_log("Warm shutdown")
    latch.open()
    wait_for_end(worker)
    assert status_of(generation) == Status.OK


@with_workers
def test_an_idle_worker_ends_at_once(children: Children, redis: RedisServer) -> None:
    worker = children.start_worker(redis.url, PARAGONE_SHUTDOWN_SECONDS="600", concurrency=2)
    worker.wait_for_log("ready")
    to_the_main_process(worker)
    wait_for_end(worker)


@with_workers
@pytest.mark.usefixtures("shades")
def test_three_restarts_do_not_fail_a_long_scoring(
    children: Children, redis: RedisServer, latch: Latch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start_held_run(tmp_path, latch, monkeypatch)
    lifecycle.advance()
    for pk in run.samples.values_list("generation", flat=True):
        produce(pk)
    for n in range(1, lifecycle.MAX_ATTEMPTS + 1):
        worker = children.start_worker(redis.url, PARAGONE_SHUTDOWN_SECONDS="0.5")
        lifecycle.advance()
        wait_until(lambda n=n: len(latch.arrivals()) == n, "the scoring has begun")
        to_the_main_process(worker)
        wait_for_end(worker)
        run.refresh_from_db()
        assert (run.status, run.attempts, run.claimed_at) == (Run.Status.SCORING, 0, None)
        shutil.rmtree(Path(settings.MEDIA_ROOT) / "features")  # so that the next worker must wait, too
    latch.open()
    assert lifecycle.advance() == 1
    children.start_worker(redis.url)
    wait_until(lambda: Run.objects.get(pk=run.pk).status == Run.Status.DONE, "another worker finishes the run")


@pytest.mark.django_db
def test_a_paid_call_in_progress_keeps_its_claim() -> None:
    free, paid = make_generation(), make_generation()
    batch = claim_rows(Generation.objects.all())
    price = Price.objects.create(model=paid.model, valid_from="2020-01-01", units={}, estimate=1)
    Charge.objects.create(generation=paid, attempt=1, model=paid.model, price=price, amount=Decimal(1))
    give_back(batch)
    assert (status_of(free), status_of(paid)) == (Status.PENDING, Status.RUNNING)
    assert (reload(free).attempts, reload(paid).attempts) == (0, 1)


@pytest.mark.django_db
def test_a_claim_that_is_lost_or_settled_is_not_given_back() -> None:
    done, lost = make_generation(), make_generation()
    batch = claim_rows(Generation.objects.all())
    Generation.objects.filter(pk=done.pk).update(status=Status.FAILED, reason="invalid")
    Generation.objects.filter(pk=lost.pk).update(attempts=2)  # claimed again by another worker
    give_back(batch)
    assert (status_of(done), status_of(lost), reload(lost).attempts) == (Status.FAILED, Status.RUNNING, 2)


@pytest.mark.django_db(transaction=True)
def test_the_claim_on_a_rating_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    board = builders.make_board()
    monkeypatch.setattr("celery.current_app.send_task", lambda *args, **options: None)
    tasks.rate_boards()
    # As in a worker, the claims are given back by another thread.
    stop: Callable[[Any], Any] = lambda board: run_at_once([shutdown.give_claims_back])  # noqa: E731
    with monkeypatch.context() as stopping:
        stopping.setattr(schedules, "rate_board", stop)
        tasks.rate_board(board.pk)
    schedule = RatingSchedule.objects.get()
    assert (schedule.claimed_at, schedule.sent_at, schedule.failures, schedule.rated_at) == (None, None, 0, None)
    assert schedules.dispatch_ratings() == 1


def test_one_claim_that_cannot_be_given_back_does_not_affect_the_others() -> None:
    given: list[str] = []

    def fail() -> None:
        raise ConnectionError("the database is away")

    first, last = partial(given.append, "first"), partial(given.append, "last")
    with shutdown.holding(first), shutdown.holding(fail), shutdown.holding(last):
        shutdown.give_claims_back()
    assert given == ["first", "last"]
    shutdown.give_claims_back()
    assert given == ["first", "last"]


@with_workers
def test_a_killed_worker_still_loses_an_attempt(children: Children, redis: RedisServer, latch: Latch) -> None:
    (generation,) = request_slow_generations(latch)
    worker = children.start_worker(redis.url)
    wait_until(latch.arrivals, "the drawing has begun")
    worker.kill()
    row = reload(generation)
    assert (row.status, row.attempts) == (Status.RUNNING, 1)
    Generation.objects.update(due_at=row.claimed_at)
    sweep()
    assert (status_of(generation), reload(generation).failures) == (Status.PENDING, 1)
    dispatch([reload(generation)])
