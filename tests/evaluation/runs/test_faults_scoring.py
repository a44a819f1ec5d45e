"""A worker killed while scoring: another one resumes from the stored features."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from evaluation.models import Run
from evaluation.runs import lifecycle
from tests.concurrency import wait_until
from tests.evaluation.held import start_held_run
from tests.evaluation.runs.scored_runs import draw
from tests.latch import Latch
from tests.processes import Children, RedisServer

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sends_to_redis", "shades"),
]


def test_a_killed_worker_is_replaced_and_no_image_is_extracted_twice(
    children: Children, redis: RedisServer, latch: Latch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start_held_run(tmp_path, latch, monkeypatch)
    draw(run)
    worker = children.start_worker(redis.url)
    lifecycle.advance()
    wait_until(latch.arrivals, "features of half of the images are extracted")
    worker.kill()
    run.refresh_from_db()
    assert (run.status, run.attempts) == (Run.Status.SCORING, 1)
    assert run.progress["done"] < run.progress["total"] == 8

    latch.open()
    Run.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert lifecycle.advance() == 1
    children.start_worker(redis.url)
    wait_until(lambda: Run.objects.get(pk=run.pk).status == Run.Status.DONE, "another worker finishes the run")
    run.refresh_from_db()
    assert run.attempts == 2
    assert run.results.get().value == 7.5
    assert len((latch.folder / "extracted").read_text()) == 8
