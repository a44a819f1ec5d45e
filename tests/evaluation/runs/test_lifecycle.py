"""The life of a run: started once, drawn, scored once, judged; resumed after any interruption."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from evaluation.models import Run, Score
from evaluation.runs import lifecycle
from evaluation.runs.lifecycle import RunError
from generators.adapters.base import AdapterError, GeneratedImage, GenerationRequest, Outcome
from generators.images import originals
from generators.models import Charge, Generation, ImageModel, Prompt
from generators.workers.drawing import produce
from tests import builders
from tests.evaluation.runs.scored_runs import draw, finish, result_of
from tests.evaluation.shades import Shade, write_suite
from tests.fake_adapters import Script, paint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shades")]

Status = Run.Status
GATE = '[[gate]]\nmetric = "mean-shade"\nat_least = 2\n'


def test_each_prompt_is_drawn_once_for_each_seed_and_a_second_start_asks_for_nothing(
    tmp_path: Path, model: ImageModel
) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    wanted = {(sample.generation.prompt.key, sample.generation.seed) for sample in run.samples.all()}
    assert wanted == {(f"p{i}", seed) for i in range(4) for seed in (0, 1)}
    assert lifecycle.start(write_suite(tmp_path), model) == run
    assert Generation.objects.count() == 8
    assert lifecycle.start(write_suite(tmp_path), model, commit="abc") != run
    assert Generation.objects.count() == 8


def test_another_suite_of_the_same_name_is_another_run(tmp_path: Path, model: ImageModel) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    other = lifecycle.start(write_suite(tmp_path, more=GATE), model)
    assert run != other
    assert run.suite_digest != other.suite_digest
    assert not run.spec["suite"]["gate"]


def test_a_run_is_scored_when_its_last_image_has_ended(tmp_path: Path, model: ImageModel, sent: list[int]) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    last, *others = run.samples.values_list("generation", flat=True)
    for pk in others:
        produce(pk)
    assert lifecycle.advance() == 0
    produce(last)
    assert lifecycle.advance() == 1
    assert sent == [run.pk]
    assert lifecycle.advance() == 0, "the message is on its way"


def test_a_lost_message_is_sent_again(tmp_path: Path, model: ImageModel, sent: list[int], settings: Any) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    lifecycle.advance()
    Run.objects.update(due_at=timezone.now())
    assert lifecycle.advance() == 1
    assert sent == [run.pk, run.pk]


def test_a_scored_run_holds_every_number_and_a_verdict(tmp_path: Path, model: ImageModel, sent: list[int]) -> None:
    run = finish(lifecycle.start(write_suite(tmp_path, more=GATE), model))
    assert (run.status, run.verdict) == (Status.DONE, "pass")
    # Shades are 10 × seed + length of the prompt: 1, 2, 3, 4, 11, 12, 13, 14.
    mean = result_of(run, "mean-shade")
    assert mean.value == 7.5
    assert mean.ci_low is not None
    assert 7.5 > mean.ci_low > 5
    assert (mean.n_scored, mean.n_unscored) == (8, 0)
    assert result_of(run, "spread").value == 13
    scores = Score.objects.filter(sample__run=run, label="mean-shade").order_by("value")
    assert [(score.value, score.note) for score in scores][:2] == [(1, "seed 0"), (2, "seed 0")]
    assert mean.outcome["identity"]["extractors"] == {"shade": {"name": "shade", "version": "1"}}
    assert result_of(run, "spread").outcome["identity"]["n"] == 8
    assert run.judgement["rules"][0]["outcome"] == "pass"
    assert run.record["versions"]["numpy"]


def test_images_that_are_not_there_are_unscored_and_never_a_zero(
    tmp_path: Path, model: ImageModel, sent: list[int], script: Script
) -> None:
    def draw_some(request: GenerationRequest) -> GeneratedImage:
        if request.prompt == "x":
            raise AdapterError(Outcome.REFUSED, "no", stage="prompt")
        if request.prompt == "xx":
            raise AdapterError(Outcome.INVALID, "never")
        return GeneratedImage(paint(100), "image/png")

    script(draw_some)
    run = finish(lifecycle.start(write_suite(tmp_path, more=GATE), model))
    mean = result_of(run, "mean-shade")
    assert (mean.value, mean.n_scored, mean.n_unscored) == (100, 4, 4)
    assert mean.outcome["reasons"] == {"no image: refused (refused)": 2, "no image: failed (invalid)": 2}
    assert run.verdict == "inconclusive"
    errors = Score.objects.filter(sample__run=run, label="mean-shade", value=None)
    assert errors.count() == 4
    assert all(score.error for score in errors)


def test_a_run_is_scored_once_however_often_workers_are_told(
    tmp_path: Path, model: ImageModel, sent: list[int]
) -> None:
    run = finish(lifecycle.start(write_suite(tmp_path), model))
    ended = run.finished_at
    lifecycle.score(run.pk)
    run.refresh_from_db()
    assert (run.finished_at, run.attempts) == (ended, 1)


def test_a_worker_lost_while_scoring_is_replaced_and_features_are_not_extracted_again(
    tmp_path: Path, model: ImageModel, sent: list[int]
) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    lifecycle.advance()
    Shade.dies_after = 4
    with pytest.raises(SystemExit):
        lifecycle.score(run.pk)
    assert Shade.looks == 4
    assert lifecycle.advance() == 0, "the claim still holds"
    Run.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert lifecycle.advance() == 1
    Shade.dies_after = None
    lifecycle.score(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempts, Shade.looks) == (Status.DONE, 2, 8)
    assert result_of(run, "mean-shade").value == 7.5


def test_what_kills_every_worker_is_given_up_and_said(tmp_path: Path, model: ImageModel, sent: list[int]) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    Shade.dies_after = 0
    for _ in range(lifecycle.MAX_ATTEMPTS):
        lifecycle.advance()
        with pytest.raises(SystemExit):
            lifecycle.score(run.pk)
        Run.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert lifecycle.advance() == 0
    run.refresh_from_db()
    assert run.status == Status.FAILED
    assert "3 times" in run.message
    Shade.dies_after = None
    assert finish(lifecycle.start(write_suite(tmp_path), model)).status == Status.DONE


def test_a_worker_that_comes_back_after_its_claim_ran_out_changes_nothing(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    lifecycle.advance()
    store = lifecycle._store

    def be_overtaken(claimed: Run, found: Any) -> None:
        monkeypatch.setattr(lifecycle, "_store", store)
        Run.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        lifecycle.advance()
        lifecycle.score(run.pk)
        Score.objects.update(note="of the second")
        store(claimed, found)

    monkeypatch.setattr(lifecycle, "_store", be_overtaken)
    lifecycle.score(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempts) == (Status.DONE, 2)
    assert set(Score.objects.filter(value__isnull=False).values_list("note", flat=True)) == {"of the second"}


def test_an_error_in_the_scoring_itself_is_said_and_the_next_start_tries_again(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("evaluation.runs.scoring.judge", lambda *_: 1 / 0)
        run = finish(lifecycle.start(write_suite(tmp_path, more=GATE), model))
    assert run.status == Status.FAILED
    assert run.message == "ZeroDivisionError: division by zero"
    assert not run.results.exists()
    assert finish(lifecycle.start(write_suite(tmp_path, more=GATE), model)).verdict == "pass"


def test_a_second_start_draws_again_what_failed_and_nothing_else(
    tmp_path: Path, model: ImageModel, sent: list[int], script: Script
) -> None:
    def fail_some(request: GenerationRequest) -> GeneratedImage:
        if request.prompt == "x":
            raise AdapterError(Outcome.REFUSED, "no", stage="prompt")
        if request.prompt == "xx":
            raise AdapterError(Outcome.INVALID, "not now")
        return GeneratedImage(paint(100), "image/png")

    script(fail_some)
    run = finish(lifecycle.start(write_suite(tmp_path), model))
    assert result_of(run, "mean-shade").n_scored == 4
    drawn: list[str] = []

    def note(request: GenerationRequest) -> GeneratedImage:
        drawn.append(request.prompt)
        return GeneratedImage(paint(50), "image/png")

    script(note)
    again = lifecycle.start(write_suite(tmp_path), model)
    assert again == run
    assert again.status == Status.DRAWING
    finish(again)
    assert drawn == ["xx", "xx"]
    assert (result_of(run, "mean-shade").n_scored, result_of(run, "mean-shade").n_unscored) == (6, 2)
    assert lifecycle.start(write_suite(tmp_path), model).status == Status.DONE


def test_a_call_that_may_have_been_paid_is_not_made_again(
    tmp_path: Path, model: ImageModel, sent: list[int], script: Script
) -> None:
    def fail(request: GenerationRequest) -> GeneratedImage:
        raise AdapterError(Outcome.INVALID, "no")

    script(fail)
    run = finish(lifecycle.start(write_suite(tmp_path), model))
    paid = run.samples.order_by("pk").first()
    assert paid
    price = model.prices.create(valid_from="2026-01-01", units={"image": "1"}, estimate=1)
    Charge.objects.create(
        generation=paid.generation, attempt=1, model=model, price=price, state=Charge.State.UNKNOWN, amount=1
    )
    lifecycle.start(write_suite(tmp_path), model)
    open_images = Generation.objects.filter(status=Generation.Status.PENDING)
    assert open_images.count() == 7
    assert paid.generation not in open_images


def test_a_run_with_a_baseline_waits_for_it_and_says_the_difference(
    tmp_path: Path, model: ImageModel, sent: list[int], script: Script
) -> None:
    other = builders.make_model(adapter="scripted")
    suite = write_suite(tmp_path, more='[[gate]]\nmetric = "mean-shade"\nmin_gain = 1\n')
    baseline = lifecycle.start(suite, other)
    run = lifecycle.start(suite, model, baseline=baseline)
    draw(baseline)
    script(lambda request: GeneratedImage(paint(5 + 10 * request.seed + len(request.prompt)), "image/png"))
    draw(run)
    lifecycle.advance()
    run.refresh_from_db()
    assert run.status == Status.DRAWING, "the baseline is not scored yet"
    lifecycle.score(baseline.pk)
    finish(run)
    comparison = result_of(run, "mean-shade").outcome["comparison"]
    assert (comparison["value"], comparison["baseline"], comparison["difference"]) == (12.5, 7.5, 5)
    assert (comparison["n_samples"], comparison["n_prompts"]) == (8, 4)
    assert result_of(run, "spread").outcome["comparison"]["difference"] == 0
    assert run.verdict == "pass"


def test_what_exists_in_another_size_is_refused_before_anything_is_drawn(tmp_path: Path, model: ImageModel) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    run.samples.all().delete()
    run.delete()
    Generation.objects.filter(seed=0).update(width=32)
    with pytest.raises(RunError, match=r"4 images of these prompts and seeds exist in another size \(32 × 64\)"):
        lifecycle.start(write_suite(tmp_path), model)
    assert not Run.objects.exists()


def test_a_model_without_an_adapter_is_measured_on_imported_images(tmp_path: Path, sent: list[int]) -> None:
    suite, model = write_suite(tmp_path), builders.make_model(adapter="")
    with pytest.raises(RunError, match=r'8 of the 8 images .* are not there.* --prompt-set "shades 4"'):
        lifecycle.start(suite, model)
    assert not Run.objects.exists()
    assert not Generation.objects.exists()
    for n, (prompt, seed) in enumerate((prompt, seed) for prompt in Prompt.objects.all() for seed in suite.seeds):
        Generation.objects.create(
            model=model, prompt=prompt, seed=seed, width=16, height=16, due_at=timezone.now(), media_type="image/png",
            status=Generation.Status.OK, original=originals.store(paint(n)), imported_from="manifest.csv",
        )  # fmt: skip
    run = finish(lifecycle.start(suite, model))
    assert result_of(run, "mean-shade").value == 3.5


def test_a_model_that_cannot_edit_is_refused_an_edit(tmp_path: Path, model: ImageModel) -> None:
    suite = write_suite(tmp_path)
    lifecycle.start(suite, builders.make_model(adapter="scripted"))
    Prompt.objects.filter(key="p2").update(sources=["0" * 64])
    with pytest.raises(RunError, match=r"Prompt p2 has 1 source image\(s\), which .* does not take"):
        lifecycle.start(suite, model)


def test_a_budget_of_the_suite_is_the_runs_own(tmp_path: Path, model: ImageModel) -> None:
    run = lifecycle.start(write_suite(tmp_path, first='budget = "3"'), model)
    assert run.budget
    assert run.budget.limit == 3
    assert set(Generation.objects.values_list("budget", flat=True)) == {run.budget.pk}
