"""Lifecycle of a run: started once, drawn, scored once, judged, and resumed after an interruption."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from evaluation.models import Run, Score
from evaluation.runs import lifecycle, scoring
from evaluation.runs.lifecycle import RunError
from evaluation.suites.suite import load_suite
from generators.adapters.base import AdapterError, GeneratedImage, GenerationRequest, Outcome
from generators.images import originals
from generators.models import Charge, Generation, ImageModel, Prompt
from generators.workers.drawing import produce
from tests import builders
from tests.evaluation.runs.scored_runs import draw, finish, prepare, result_of
from tests.evaluation.shades import Shade, write_suite
from tests.fake_adapters import Script, paint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shades")]

Status = Run.Status
GATE = '[[gate]]\nmetric = "mean-shade"\nat_least = 2\n'


def test_each_prompt_is_drawn_once_per_seed_and_a_second_start_requests_nothing(
    tmp_path: Path, model: ImageModel
) -> None:
    run = prepare(lifecycle.start(write_suite(tmp_path), model))
    wanted = {(sample.generation.prompt.key, sample.generation.seed) for sample in run.samples.all()}
    assert wanted == {(f"p{i}", seed) for i in range(4) for seed in (0, 1)}
    assert lifecycle.start(write_suite(tmp_path), model) == run
    assert Generation.objects.count() == 8
    assert prepare(lifecycle.start(write_suite(tmp_path), model, commit="abc")) != run
    assert Generation.objects.count() == 8


def test_a_changed_suite_of_the_same_name_has_a_new_run(tmp_path: Path, model: ImageModel) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    other = lifecycle.start(write_suite(tmp_path, more=GATE), model)
    assert run != other
    assert run.suite_digest != other.suite_digest
    assert not run.spec["suite"]["gate"]


def test_a_run_is_scored_when_its_last_image_has_ended(tmp_path: Path, model: ImageModel, sent: list[int]) -> None:
    run = prepare(lifecycle.start(write_suite(tmp_path), model))
    last, *others = run.samples.values_list("generation", flat=True)
    for pk in others:
        produce(pk)
    assert lifecycle.advance() == 0
    produce(last)
    assert lifecycle.advance() == 1
    assert sent == [run.pk]
    assert lifecycle.advance() == 0, "the message was just sent"


def test_a_lost_message_is_sent_again(tmp_path: Path, model: ImageModel, sent: list[int], settings: Any) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    lifecycle.advance()
    Run.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert lifecycle.advance() == 1
    assert sent == [run.pk, run.pk]


def test_a_scored_run_has_all_results_and_a_verdict(tmp_path: Path, model: ImageModel, sent: list[int]) -> None:
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


def test_missing_images_are_unscored_and_not_zero(
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


def test_a_run_is_scored_once_even_if_it_is_dispatched_twice(
    tmp_path: Path, model: ImageModel, sent: list[int]
) -> None:
    run = finish(lifecycle.start(write_suite(tmp_path), model))
    ended = run.finished_at
    lifecycle.score(run.pk)
    run.refresh_from_db()
    assert (run.finished_at, run.attempts) == (ended, 1)


def test_a_lost_worker_is_replaced_and_features_are_not_extracted_again(
    tmp_path: Path, model: ImageModel, sent: list[int]
) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    lifecycle.advance()
    Shade.dies_after = 4
    with pytest.raises(SystemExit):
        lifecycle.score(run.pk)
    assert Shade.n_extracted == 4
    assert lifecycle.advance() == 0, "the claim has not expired"
    Run.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert lifecycle.advance() == 1
    Shade.dies_after = None
    lifecycle.score(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempts, Shade.n_extracted) == (Status.DONE, 2, 8)
    assert result_of(run, "mean-shade").value == 7.5


def test_a_run_that_kills_every_worker_fails_with_a_message(tmp_path: Path, model: ImageModel, sent: list[int]) -> None:
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


def test_a_worker_whose_claim_expired_changes_nothing(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    lifecycle.advance()
    score_run = scoring.score_run

    def be_overtaken(claimed: Run, **arguments: Any) -> scoring.Scoring:
        found = score_run(claimed, **arguments)
        monkeypatch.setattr(scoring, "score_run", score_run)
        Run.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        lifecycle.advance()
        lifecycle.score(run.pk)
        Score.objects.update(note="of the second")
        return found

    monkeypatch.setattr(scoring, "score_run", be_overtaken)
    lifecycle.score(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempts) == (Status.DONE, 2)
    assert set(Score.objects.filter(value__isnull=False).values_list("note", flat=True)) == {"of the second"}


def test_an_error_in_the_scoring_fails_the_run_and_the_next_start_retries(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("evaluation.runs.scoring.judge", lambda *_: 1 / 0)
        run = finish(lifecycle.start(write_suite(tmp_path, more=GATE), model))
    assert run.status == Status.FAILED
    assert run.message == "ZeroDivisionError: division by zero"
    assert not run.results.exists()
    assert finish(lifecycle.start(write_suite(tmp_path, more=GATE), model)).verdict == "pass"


def test_a_second_start_draws_only_failed_images_again(
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
    assert again.status == Status.PREPARING
    finish(again)
    assert drawn == ["xx", "xx"]
    assert (result_of(run, "mean-shade").n_scored, result_of(run, "mean-shade").n_unscored) == (6, 2)
    assert lifecycle.start(write_suite(tmp_path), model).status == Status.DONE


def test_a_call_that_may_have_been_billed_is_not_repeated(
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


def test_a_run_waits_for_its_baseline_and_reports_the_difference(
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


def test_images_of_another_size_prevent_the_start(tmp_path: Path, model: ImageModel) -> None:
    run = prepare(lifecycle.start(write_suite(tmp_path), model))
    run.samples.all().delete()
    run.delete()
    Generation.objects.filter(seed=0).update(width=32)
    with pytest.raises(RunError, match=r"4 images of these prompts and seeds exist in another size \(32 × 64\)"):
        lifecycle.start(write_suite(tmp_path), model)
    assert not Run.objects.exists()


def test_a_model_without_an_adapter_is_evaluated_on_imported_images(tmp_path: Path, sent: list[int]) -> None:
    suite, model = write_suite(tmp_path), builders.make_model(adapter="")
    with pytest.raises(RunError, match=r'8 of the 8 images .* are missing.* --prompt-set "shades 4"'):
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


def test_a_model_that_cannot_edit_cannot_run_an_edit_suite(tmp_path: Path, model: ImageModel) -> None:
    write_suite(tmp_path)
    (tmp_path / "source.png").write_bytes(paint(1))
    with (tmp_path / "pack.toml").open("a") as pack:
        pack.write('sources = ["source.png"]\n')
    suite = load_suite(tmp_path / "suite.toml")
    with pytest.raises(RunError, match=r"Prompt p3 has 1 source image\(s\), which .* does not take"):
        lifecycle.start(suite, model)


def test_a_run_has_the_budget_of_its_suite(tmp_path: Path, model: ImageModel) -> None:
    run = prepare(lifecycle.start(write_suite(tmp_path, first='budget = "3"'), model))
    assert run.budget
    assert run.budget.limit == 3
    assert set(Generation.objects.values_list("budget", flat=True)) == {run.budget.pk}
