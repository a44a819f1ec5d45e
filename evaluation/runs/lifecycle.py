"""The life of a Run: started, drawn, scored, judged. Its state changes here and nowhere else.

::

    DRAWING -> SCORING -> DONE
                  |-----> FAILED      scoring itself went wrong: it says why

The database is the truth. ``advance`` looks at every open run and takes it one step on; whoever is killed in between
loses nothing but the step. A run whose images could not all be drawn is scored all the same: what is missing is
unscored, and counted.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from celery import current_app
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from evaluation.models import MetricResult, Run, Sample, Score
from evaluation.results import MetricOutcome
from evaluation.runs import scoring
from evaluation.runs.scoring import Scoring
from evaluation.suites.suite import Suite, declare_prompts
from generators.adapters.base import AdapterError
from generators.adapters.registry import find_capabilities
from generators.generations import request_generations, retry_generations
from generators.models import Budget, Charge, Generation, ImageModel, Prompt

log = structlog.get_logger(__name__)

Status = Run.Status
OPEN_IMAGE = Q(generation__status__in=[Generation.Status.PENDING, Generation.Status.RUNNING])
# Scoring that was begun this often and never came back is given up.
MAX_ATTEMPTS = 3
# How often a worker that scores says how far it is, which also renews its claim.
TELL_SECONDS = 1.0


class RunError(Exception):
    """Why a run cannot be started, for the person who asked for it."""


def start(suite: Suite, model: ImageModel, *, baseline: Run | None = None, commit: str = "") -> Run:
    """The run of this suite on this model, made where there is none yet; its images are asked for.

    A run that has ended is taken up again if some of its images failed, and only these are drawn again (a call to a
    provider that may have been paid for is not repeated), or if a metric has no value: what it lacked may be here now.
    Raises RunError.
    """
    # Prompt sets stay, whatever comes of the run: images may have to be imported for them first.
    prompts = _pick_prompts(suite)
    if model.adapter:
        _expect_drawable(model, prompts)
        _expect_size(suite, model, prompts)
    else:
        _expect_imported(suite, model, prompts)
    with transaction.atomic():
        run, made = Run.objects.get_or_create(
            suite=suite.name,
            suite_digest=suite.digest,
            model=model,
            baseline=baseline,
            commit=commit,
            defaults={"spec": _write_spec(suite, prompts)},
        )
        if made and suite.budget is not None:
            run.budget = Budget.objects.create(slug=f"run-{run.key}", limit=suite.budget)
            run.save(update_fields=["budget"])
        wanted = [(model, prompt, seed) for prompt in prompts for seed in suite.seeds]
        generations = request_generations(wanted, width=suite.width, height=suite.height, budget=run.budget)
        samples = [Sample(run=run, generation=generation) for generation in generations]
        Sample.objects.bulk_create(samples, ignore_conflicts=True)
        if not made and run.status in {Status.DONE, Status.FAILED}:
            _take_up(run)
    return run


def _pick_prompts(suite: Suite) -> list[Prompt]:
    sets = declare_prompts(suite)
    prompts = Prompt.objects.filter(prompt_set__in=sets).select_related("prompt_set").order_by("prompt_set_id", "pk")
    return [prompt for prompt in prompts if suite.picks(prompt.tags)]


def _expect_drawable(model: ImageModel, prompts: Sequence[Prompt]) -> None:
    try:
        capable = find_capabilities(model.adapter, model.settings)
    except AdapterError as error:
        raise RunError(f"{model.name} cannot draw: {error}") from error
    for prompt in prompts:
        if len(prompt.sources) > capable.max_sources or (prompt.mask and not capable.masks):
            wanted = f"{len(prompt.sources)} source image(s){' and a mask' if prompt.mask else ''}"
            raise RunError(f"Prompt {prompt.key} has {wanted}, which {model.name} does not take.")


def _expect_imported(suite: Suite, model: ImageModel, prompts: Sequence[Prompt]) -> None:
    """A model without an adapter is measured on images that were made elsewhere."""
    wanted = len(prompts) * len(suite.seeds)
    n = Generation.objects.filter(model=model, prompt__in=prompts, seed__in=suite.seeds).count()
    if n < wanted:
        sets = " and ".join(sorted({f'"{prompt.prompt_set}"' for prompt in prompts}))
        raise RunError(
            f"{model.name} has no adapter, so nothing can be drawn here, and {wanted - n:,} of the {wanted:,} images of"
            f" this suite are not there. Import them: paragone import_generations MANIFEST --prompt-set {sets}"
        )


def _expect_size(suite: Suite, model: ImageModel, prompts: list[Prompt]) -> None:
    """One image exists for each model, prompt and seed: what was drawn in another size cannot be drawn again."""
    same = Generation.objects.filter(model=model, prompt__in=prompts, seed__in=suite.seeds, imported_from="")
    others = same.exclude(width=suite.width, height=suite.height)
    if stranger := others.first():
        raise RunError(
            f"{others.count()} images of these prompts and seeds exist in another size"
            f" ({stranger.width} × {stranger.height}); the suite wants {suite.width} × {suite.height}."
            " Give the suite that size, or another first_seed."
        )


def _write_spec(suite: Suite, prompts: list[Prompt]) -> dict[str, Any]:
    """The spec: everything that decides the numbers, but the versions found while scoring (see Run.record)."""
    sets = {str(prompt.prompt_set): prompt.prompt_set.digest for prompt in prompts}
    declared = suite.model_dump(mode="json")
    return {"suite": declared, "digest": suite.digest, "prompt_sets": sets, "seeds": list(suite.seeds)}


def _take_up(run: Run) -> None:
    failed = Generation.objects.filter(samples__run=run, status=Generation.Status.FAILED)
    again = retry_generations(failed.exclude(charges__state=Charge.State.UNKNOWN))
    if again or run.status == Status.FAILED or run.results.filter(value=None).exists():
        reset: dict[str, Any] = {"verdict": "", "judgement": {}, "message": "", "finished_at": None, "attempts": 0}
        Run.objects.filter(pk=run.pk).update(status=Status.DRAWING, due_at=None, **reset)
        run.refresh_from_db()


class Progress(NamedTuple):
    """``done`` of ``total`` images or metrics."""

    stage: str
    done: int
    total: int


def describe_progress(run: Run) -> Progress:
    """How far an open run is; while its baseline is behind, how far that is."""
    behind = run.baseline
    if behind and run.status == Status.DRAWING and behind.status in {Status.DRAWING, Status.SCORING}:
        behind.refresh_from_db()
        baseline = describe_progress(behind)
        return baseline._replace(stage=f"baseline: {baseline.stage}")
    if run.status == Status.SCORING:
        return Progress(**run.progress) if run.progress else Progress("waiting for a worker that scores", 0, 1)
    outcome_counts = dict(Generation.objects.filter(samples__run=run).values_list("status").annotate(Count("pk")))
    n_open = outcome_counts.get(Generation.Status.PENDING, 0) + outcome_counts.get(Generation.Status.RUNNING, 0)
    total = sum(outcome_counts.values())
    return Progress("drawing", total - n_open, total)


def advance() -> int:
    """Take every open run one step on; the number of runs that workers were told to score."""
    now = timezone.now()
    drawn = Run.objects.filter(status=Status.DRAWING).exclude(pk__in=Sample.objects.filter(OPEN_IMAGE).values("run"))
    # The comparison needs what the baseline's own scoring freezes.
    ready = drawn.exclude(baseline__status__in=[Status.DRAWING, Status.SCORING]).values_list("pk", flat=True)
    Run.objects.filter(pk__in=list(ready), status=Status.DRAWING).update(status=Status.SCORING, due_at=now)
    _take_back_claims(now)
    waiting = Run.objects.filter(status=Status.SCORING, claimed_at=None, due_at__lte=now)
    told = list(waiting.values_list("pk", flat=True))
    waiting.filter(pk__in=told).update(due_at=now + timedelta(seconds=settings.REDISPATCH_SECONDS))
    for pk in told:
        current_app.send_task("evaluation.score", args=(pk,), queue="metrics")
    return len(told)


def _take_back_claims(now: datetime) -> None:
    lost = Run.objects.filter(status=Status.SCORING, claimed_at__isnull=False, due_at__lte=now)
    message = f"A worker began to score this {MAX_ATTEMPTS} times and was lost each time. Its log says why."
    given_up: dict[str, Any] = {"status": Status.FAILED, "message": message, "finished_at": now, "claimed_at": None}
    lost.filter(attempts__gte=MAX_ATTEMPTS).update(**given_up)
    lost.update(claimed_at=None)


def score(run_id: int) -> None:
    """Claim, measure, judge, store. Returns quietly where there is nothing to claim."""
    run = _claim(run_id)
    if run is None:
        return
    try:
        found = scoring.score_run(run, on_progress=_Teller(run))
        _store(run, found)
    except (OperationalError, InterfaceError):
        # Our database is away, which says nothing of the run. The claim runs out and it is scored again.
        raise
    except _ClaimLostError:
        log.warning("scoring_claim_lost", run=run.pk)
    except Exception as error:
        log.exception("scoring_crashed", run=run.pk)
        message = f"{type(error).__name__}: {error}"
        _settle(run, status=Status.FAILED, message=message, claimed_at=None, finished_at=timezone.now())


def _claim(run_id: int) -> Run | None:
    now = timezone.now()
    until = now + timedelta(seconds=settings.SCORING_CLAIM_SECONDS)
    free = Run.objects.filter(pk=run_id, status=Status.SCORING, claimed_at=None)
    if not free.update(claimed_at=now, attempts=F("attempts") + 1, due_at=until, progress={}):
        return None
    return Run.objects.select_related("model", "baseline").get(pk=run_id)


class _ClaimLostError(Exception):
    """Another worker has the run now, or it has ended."""


class _Teller:
    """Writes down how far the scoring is, and with it renews the claim."""

    def __init__(self, run: Run) -> None:
        self.run, self.told_at, self.stage = run, 0.0, ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage == self.stage and done < total and now < self.told_at + TELL_SECONDS:
            return
        self.stage, self.told_at = stage, now
        until = timezone.now() + timedelta(seconds=settings.SCORING_CLAIM_SECONDS)
        if not _settle(self.run, due_at=until, progress={"stage": stage, "done": done, "total": total}):
            raise _ClaimLostError


def _settle(run: Run, **changes: Any) -> bool:
    """Change the run if its claim is still this worker's."""
    held = Run.objects.filter(pk=run.pk, status=Status.SCORING, claimed_at=run.claimed_at, attempts=run.attempts)
    return bool(held.update(**changes))


@transaction.atomic
def _store(run: Run, found: Scoring) -> None:
    changes: Mapping[str, Any] = {
        "status": Status.DONE,
        "verdict": found.verdict.outcome if found.verdict else "",
        "judgement": scoring.as_json(found.verdict) if found.verdict else {},
        "record": found.record,
        "progress": {},
        "claimed_at": None,
        "finished_at": timezone.now(),
    }
    if not _settle(run, **changes):
        raise _ClaimLostError
    samples = list(run.samples.order_by("pk"))
    for sample in samples:
        sample.inputs = found.inputs[sample.pk]
    Sample.objects.bulk_update(samples, ["inputs"], batch_size=500)
    Score.objects.filter(sample__run=run).delete()
    Score.objects.bulk_create(found.scores, batch_size=2000)
    run.results.all().delete()
    MetricResult.objects.bulk_create([_result(run, outcome) for outcome in found.outcomes])


def _result(run: Run, outcome: MetricOutcome) -> MetricResult:
    beside = {
        name: getattr(outcome, name) for name in ("value", "ci_low", "ci_high", "n_scored", "n_unscored", "reason")
    }
    return MetricResult(run=run, label=outcome.label, outcome=scoring.as_json(outcome), **beside)
