"""Image pool of a board: its images, the wait for them, and the command draw_pool."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from arena.battles import pools
from arena.battles.pools import fill_pool, watch_pool
from generators import database_time
from generators.models import Generation, ImageModel, PeriodicTask, Price
from generators.workers import drawing, stale_claims
from tests import builders
from tests.transactions import in_transaction

pytestmark = pytest.mark.django_db


def test_the_pool_has_every_model_prompt_and_seed_once() -> None:
    board = builders.make_board(n_models=2, n_prompts=3, seeds=2)
    assert len(fill_pool(board)) == 12
    assert fill_pool(board) == fill_pool(board)
    assert Generation.objects.count() == 12


def test_retired_models_and_models_without_an_adapter_are_not_in_the_pool() -> None:
    board = builders.make_board(n_models=3, n_prompts=1)
    retired, elsewhere, drawing = board.image_models.all()
    ImageModel.objects.filter(pk=retired.pk).update(lifecycle="retired")
    ImageModel.objects.filter(pk=elsewhere.pk).update(adapter="")
    assert [Generation.objects.get(pk=pk).model for pk in fill_pool(board)] == [drawing]


def test_watching_a_pool_ends_when_every_image_is_drawn_or_failed() -> None:
    board = builders.make_board(n_models=2, n_prompts=1)
    pool = fill_pool(board)
    ImageModel.objects.filter(generations=pool[1]).update(settings={"sharpness": 1})

    def draw(n_done: int, total: int) -> None:
        if n_done < total:
            drawing.produce(pool[n_done])

    assert watch_pool(pool, draw) == {"ok": 1, "failed": 1}


def test_draw_pool_waits_and_reports(capsys: pytest.CaptureFixture[str]) -> None:
    board = builders.make_board(drawn=True)
    call_command("draw_pool", board=board.slug, wait=True)
    out = capsys.readouterr().out
    assert f"12 images in the pool of {board.slug}" in out
    assert "12 ok" in out
    with pytest.raises(CommandError, match=board.slug):
        call_command("draw_pool", board="nowhere")


def test_a_dry_run_lists_missing_images_and_costs_and_draws_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    board = builders.make_board(n_models=3, n_prompts=5)
    free, paid, priceless = board.image_models.all()
    ImageModel.objects.filter(pk=paid.pk).update(adapter="openai", settings={"model": "gpt-image-1.5"}, budget="0.50")
    ImageModel.objects.filter(pk=priceless.pk).update(adapter="flux")
    Price.objects.create(model=paid, valid_from="2026-01-01", units={"image": "0.04"}, estimate="0.05")
    call_command("draw_pool", board=board.slug, dry_run=True)
    out = capsys.readouterr().out
    assert f"{free.slug}: 5 images\n" in out
    assert f"{paid.slug}: 5 images, $0.25 at most, $0.50 left in its budget" in out
    assert f"{priceless.slug}: 5 images; without a price for today" in out
    assert "15 images are missing" in out
    assert not Generation.objects.exists()


def test_a_pool_is_requested_in_batches_and_an_interrupted_one_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "BATCH", 5)
    board, seen = builders.make_board(n_models=3, n_prompts=4), []

    def note(n_done: int, total: int) -> None:
        assert not in_transaction()
        seen.append((n_done, total))
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_pool(board, note)
    assert Generation.objects.count() == 10
    assert len(fill_pool(board, note)) == Generation.objects.count() == 12
    assert seen == [(5, 12), (10, 12), (5, 12), (10, 12), (12, 12)]


def test_draw_pool_says_that_no_worker_answers_and_what_workers_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    board = builders.make_board(n_models=1, n_prompts=2)
    polls = iter(range(100))

    def work() -> bool:
        # Nothing happens at first. Then a worker draws the images one after the other.
        rows = Generation.objects.order_by("pk")
        if (poll := next(polls)) == 2:
            now = database_time.now()
            claimed = {"status": "running", "claimed_at": now, "due_at": now + timedelta(minutes=1)}
            Generation.objects.filter(pk=rows[0].pk).update(**claimed)
        elif poll == 4:
            rows.update(status="pending")
            for row in rows:
                drawing.produce(row.pk)
        return True

    monkeypatch.setattr("generators.management.standstill.QUIET_SECONDS", 0.0)
    monkeypatch.setattr("generators.management.standstill.MAX_QUIET_SECONDS", 0.0)
    monkeypatch.setattr("generators.workers.presence.describe_absence", lambda queue: f"No worker of {queue} answers.")
    monkeypatch.setattr(pools, "sweep_if_due", work)
    monkeypatch.setattr(pools.time, "sleep", lambda seconds: None)
    call_command("draw_pool", board=board.slug, wait=True)
    out, err = capsys.readouterr()
    assert "2 ok" in out
    assert "No worker of gpu answers." in err
    assert "1 image is being drawn, the first for 0 s." in err


def test_of_a_large_pool_a_bounded_number_is_sent_and_the_wait_sends_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stale_claims, "SENT_AT_ONCE", 5)
    board = builders.make_board(n_models=3, n_prompts=4)
    pool = fill_pool(board)
    sent = Generation.objects.exclude(sent_at=None)
    assert list(sent.order_by("pk").values_list("pk", flat=True)) == pool[:5]
    n_polls = 0

    def work(n_done: int, total: int) -> None:
        nonlocal n_polls
        n_polls += 1
        # A worker draws what was sent to it. The next poll is another sweep's.
        for pk in sent.filter(status="pending").values_list("pk", flat=True):
            drawing.produce(pk)
        PeriodicTask.objects.update(started_at=None)

    assert watch_pool(pool, work) == {"ok": 12}
    assert n_polls >= 3
