"""Activity of a run that a command waits for: who works on it, and whether any worker is there."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from evaluation.models import Run
from evaluation.runs import lifecycle
from evaluation.runs.activity import describe_activity, describe_progress
from generators.management import standstill
from generators.management.standstill import Standstill
from generators.models import Generation, ImageModel
from generators.workers.presence import describe_drawing
from tests import builders
from tests.concurrency import wait_until
from tests.evaluation.held import start_held_run
from tests.evaluation.runs.scored_runs import draw, prepare
from tests.evaluation.shades import write_suite
from tests.latch import Latch
from tests.processes import Children, RedisServer

pytestmark = pytest.mark.usefixtures("shades")


def run_with(status: str, n: int, folder: Path, model: ImageModel) -> Run:
    """A prepared run with ``n`` images of that status, claimed a minute ago."""
    run = prepare(lifecycle.start(write_suite(folder), model))
    pks = list(run.samples.values_list("generation", flat=True)[:n])
    now = timezone.now()
    times = {"claimed_at": now - timedelta(minutes=1), "due_at": now + timedelta(minutes=9)}
    Generation.objects.filter(pk__in=pks).update(status=status, **times)
    return run


@pytest.mark.django_db
def test_images_that_workers_draw_need_no_answer_of_a_worker(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generators.workers.presence.describe_absence", pytest.fail)
    run = run_with("running", 3, tmp_path, model)
    assert describe_progress(run) == ("drawing", 0, 8)
    found = describe_activity(run)
    assert found.startswith("drawing, 0 of 8. 3 images are being drawn, the first for 6")
    # Another model waits for the same workers.
    other = builders.make_model(adapter="scripted")
    behind = prepare(lifecycle.start(write_suite(tmp_path), other))
    expected = "queued for drawing, 0 of 8. Queued: workers of the queue gpu are drawing 3 other images."
    assert describe_activity(behind) == expected
    waiting = lifecycle.start(write_suite(tmp_path, n=5), builders.make_model(adapter="scripted"), baseline=behind)
    prepare(waiting)
    assert describe_progress(waiting).stage == "baseline: queued for drawing"
    assert describe_activity(waiting) == f"baseline: {expected}"


@pytest.mark.django_db
def test_a_scoring_says_who_works_on_it(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.runs.activity.describe_absence", lambda queue: f"No worker takes {queue}.")
    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    lifecycle.advance()
    run.refresh_from_db()
    assert describe_activity(run) == "queued for scoring, 0 of 1. No worker takes metrics."
    now = timezone.now()
    progress = {"stage": "extractor clip/b32", "done": 30, "total": 40}
    Run.objects.update(claimed_at=now - timedelta(seconds=90), due_at=now + timedelta(seconds=595), progress=progress)
    run.refresh_from_db()
    assert describe_activity(run).startswith(
        "scoring: extractor clip/b32, 30 of 40. A worker has been scoring for 90 s and reported "
    )
    other = lifecycle.start(write_suite(tmp_path, n=5), model)
    draw(other)
    lifecycle.advance()
    other.refresh_from_db()
    assert describe_activity(other) == "queued for scoring, 0 of 1. Workers are scoring 1 other run."
    Run.objects.filter(pk=run.pk).update(due_at=now - timedelta(seconds=1))
    run.refresh_from_db()
    assert describe_activity(run).endswith("The worker is lost; another one takes over.")


def test_a_standstill_is_described_at_longer_and_longer_intervals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter(range(0, 100_000, 5))
    now = [0.0]

    def tick() -> float:
        now[0] = float(next(seconds))
        return now[0]

    monkeypatch.setattr(standstill.time, "monotonic", tick)
    watch = Standstill(lambda: "No worker is there.")
    for _ in range(120):
        watch.note(("drawing", 3, 8))
    lines = capsys.readouterr().err.splitlines()
    assert all(line.endswith("s. No worker is there.") for line in lines)
    assert 4 <= len(lines) <= 7
    watch.note(("drawing", 4, 8))
    watch.note(("drawing", 4, 8))
    assert capsys.readouterr().err == ""


@pytest.mark.postgres
@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sends_to_redis")
def test_only_where_no_worker_answers_the_command_says_so(
    children: Children, redis: RedisServer, latch: Latch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start_held_run(tmp_path, latch, monkeypatch)
    prepare(run)
    waiting = Generation.objects.filter(samples__run=run)
    absent = "No worker of the queue gpu answers. Start one: celery -A arena.celery worker --queues gpu"
    assert describe_drawing(waiting) == absent
    draw(run)
    lifecycle.advance()
    run.refresh_from_db()
    assert "No worker of the queue metrics answers." in describe_activity(run)

    children.start_worker(redis.url)
    wait_until(latch.arrivals, "features of half of the images are extracted")
    run.refresh_from_db()
    assert describe_activity(run).startswith(f"scoring: extractor held/{latch.folder}, ")
    assert "A worker has been scoring for" in describe_activity(run)
    # The busy worker answers for its queues.
    Run.objects.update(claimed_at=None)
    run.refresh_from_db()
    assert "A worker of the queue metrics answers" in describe_activity(run)
    latch.open()
    redis.stop()
    assert "The broker cannot be reached: OperationalError. See PARAGONE_BROKER_URL." in describe_activity(run)
