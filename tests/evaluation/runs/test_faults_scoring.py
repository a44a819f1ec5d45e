"""A worker that is killed in the middle of a scoring: another goes on from what is stored."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from evaluation.extractors.registry import EXTRACTORS
from evaluation.metrics.registry import METRICS
from evaluation.models import Run
from evaluation.runs import lifecycle
from generators.workers.drawing import produce
from tests import builders
from tests.evaluation.shades import write_suite
from tests.latch import Latch
from tests.processes import Children, RedisServer, wait_until

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sends_to_redis", "shades"),
]


def test_a_worker_killed_at_half_is_replaced_and_looks_at_no_image_twice(
    children: Children, redis: RedisServer, latch: Latch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXTRACTORS, "held", "tests.evaluation.held.HeldShade")
    monkeypatch.setitem(METRICS, "held-shade", "tests.evaluation.held.HeldMean")
    metric = f'[[metrics]]\nmetric = "held-shade"\nfolder = "{latch.folder}"\n'
    run = lifecycle.start(write_suite(tmp_path, metrics=[], more=metric), builders.make_model(adapter="scripted"))
    for pk in run.samples.values_list("generation", flat=True):
        produce(pk)
    worker = children.start_worker(redis.url)
    lifecycle.advance()
    wait_until(latch.arrivals, "half of the images are looked at")
    worker.kill()
    run.refresh_from_db()
    assert (run.status, run.attempts) == (Run.Status.SCORING, 1)
    assert run.progress["done"] < run.progress["total"] == 8

    latch.open()
    Run.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert lifecycle.advance() == 1
    children.start_worker(redis.url)
    wait_until(lambda: Run.objects.get(pk=run.pk).status == Run.Status.DONE, "another worker ends it")
    run.refresh_from_db()
    assert run.attempts == 2
    assert run.results.get().value == 7.5
    assert len((latch.folder / "looks").read_text()) == 8
