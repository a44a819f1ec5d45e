"""Preparation of a run: started by one row, then given its samples in batches by each call of advance."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evaluation.models import Run, Sample
from evaluation.runs import lifecycle
from evaluation.runs.activity import Progress, describe_progress
from generators.models import Generation, ImageModel, Prompt
from tests import builders
from tests.concurrency import run_at_once
from tests.evaluation.runs.scored_runs import finish, prepare
from tests.evaluation.shades import write_suite

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shades")]

Status = Run.Status


@pytest.fixture
def by_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "PREPARED_AT_ONCE", 3)


def samples_of(run: Run) -> list[tuple[str, int]]:
    return list(run.samples.order_by("pk").values_list("generation__prompt__key", "generation__seed"))


def test_a_start_writes_the_run_alone_however_many_images_it_has(
    tmp_path: Path, model: ImageModel, sent: list[int]
) -> None:
    counts = []
    for n in (2, 60):
        suite = write_suite(tmp_path, n=n)
        lifecycle.declare_prompts(suite)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            run = lifecycle.start(suite, model)
        counts.append(len(queries))
        assert (run.status, run.spec["n_samples"]) == (Status.PREPARING, 2 * n)
    assert counts[0] == counts[1]
    assert not Sample.objects.exists()
    assert not Generation.objects.exists()
    assert sent == []


@pytest.mark.usefixtures("by_three")
def test_samples_are_added_in_batches_in_the_order_of_prompts_and_seeds(
    tmp_path: Path, model: ImageModel, sent: list[int]
) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    assert describe_progress(run) == Progress("preparing", 0, 8)
    progress = []
    while run.status == Status.PREPARING:
        lifecycle.advance()
        run.refresh_from_db()
        progress.append(describe_progress(run))
    assert progress == [Progress("preparing", 3, 8), Progress("preparing", 6, 8), Progress("queued for drawing", 0, 8)]
    assert samples_of(run) == [(f"p{i}", seed) for i in range(4) for seed in (0, 1)]


@pytest.mark.usefixtures("by_three")
def test_a_killed_preparation_is_continued(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_killed(*args: Any, **kwargs: Any) -> None:
        raise SystemExit("killed")

    run = lifecycle.start(write_suite(tmp_path), model)
    lifecycle.advance()
    with monkeypatch.context() as patch:
        patch.setattr(Sample.objects, "bulk_create", be_killed)
        with pytest.raises(SystemExit):
            lifecycle.advance()
    assert (run.samples.count(), Generation.objects.count()) == (3, 3), "the batch is rolled back"
    assert len(samples_of(prepare(run))) == len(set(samples_of(run))) == 8
    assert finish(run).status == Status.DONE


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("by_three")
def test_two_processes_at_once_add_each_sample_once(tmp_path: Path, model: ImageModel, sent: list[int]) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    while run.status == Status.PREPARING:
        assert run_at_once([lifecycle.advance] * 2) == [0, 0]
        run.refresh_from_db()
    assert samples_of(run) == [(f"p{i}", seed) for i in range(4) for seed in (0, 1)]


def test_a_run_that_cannot_be_prepared_fails_alone_and_the_next_start_resumes_it(
    tmp_path: Path, model: ImageModel, sent: list[int]
) -> None:
    broken = lifecycle.start(write_suite(tmp_path), model)
    whole = lifecycle.start(write_suite(tmp_path, n=5), builders.make_model(adapter="scripted"))
    Prompt.objects.filter(prompt_set__version="4", key="p3").delete()
    lifecycle.advance()
    broken.refresh_from_db()
    assert broken.status == Status.FAILED
    assert broken.message.startswith("The suite has 6 samples, but had 8 when the run was started.")
    assert finish(whole).status == Status.DONE
    Prompt.objects.create(prompt_set=Prompt.objects.filter(prompt_set__version="4")[0].prompt_set, key="p3", text="x")
    again = lifecycle.start(write_suite(tmp_path), model)
    assert (again, again.status, again.message) == (broken, Status.PREPARING, "")
    assert finish(again).status == Status.DONE


def test_an_image_of_another_size_that_appears_after_the_start_fails_the_run(
    tmp_path: Path, model: ImageModel, sent: list[int]
) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    prompt = Prompt.objects.get(key="p1")
    Generation.objects.create(model=model, prompt=prompt, width=32, height=64, due_at=run.created_at)
    lifecycle.advance()
    run.refresh_from_db()
    assert run.status == Status.FAILED
    assert "exist in another size" in run.message
