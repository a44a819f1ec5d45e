"""Lifecycle of a Run: starts it, has it drawn and scored, and stores its verdict. Only this module changes its state.

::

    DRAWING -> SCORING -> DONE
                  |-----> FAILED      an error in the scoring itself

All state is in the database. ``advance`` takes every open run one step further, so a killed process loses one step at
most. A run whose images could not all be drawn is scored too; the missing ones are unscored, and counted.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import structlog
from celery import current_app
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Count, F, Q

from evaluation.extractors.base import UnavailableInputError
from evaluation.models import MetricResult, Run, Sample, Score
from evaluation.results import MetricOutcome
from evaluation.runs import scoring
from evaluation.runs.scoring import Scoring
from evaluation.suites.suite import Suite, declare_prompts
from generators import database_time
from generators.adapters.base import AdapterError
from generators.adapters.registry import find_capabilities
from generators.generations import request_generations, retry_generations
from generators.models import Budget, Charge, Generation, ImageModel, Prompt
from generators.workers.shutdown import holding

log = structlog.get_logger(__name__)

Status = Run.Status
OPEN_IMAGE = Q(generation__status__in=[Generation.Status.PENDING, Generation.Status.RUNNING])
# A run whose worker was lost this often fails.
MAX_ATTEMPTS = 3
# How often a scoring worker stores its progress, which also renews its claim.
PROGRESS_SECONDS = 1.0


class RunError(Exception):
    """The run cannot be started. The message is for the person who requested it."""


def start(suite: Suite, model: ImageModel, *, baseline: Run | None = None, commit: str = "") -> Run:
    """Start the run of this suite on this model, or return the existing one, and request its images.

    A run that has ended is resumed if images failed, or if a metric has no value because something was missing. Only
    failed images are drawn again, except after a call to a provider that may have been billed. Raises RunError.
    """
    # Prompt sets are kept even if the run cannot start: images may have to be imported for them first.
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
            _resume(run)
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
    """Raise RunError unless a model without an adapter has an imported image for every sample."""
    wanted = len(prompts) * len(suite.seeds)
    n = Generation.objects.filter(model=model, prompt__in=prompts, seed__in=suite.seeds).count()
    if n < wanted:
        sets = " and ".join(sorted({f'"{prompt.prompt_set}"' for prompt in prompts}))
        raise RunError(
            f"{model.name} has no adapter, and {wanted - n:,} of the {wanted:,} images of this suite are missing."
            f" Import them: paragone import_generations MANIFEST --prompt-set {sets}"
        )


def _expect_size(suite: Suite, model: ImageModel, prompts: list[Prompt]) -> None:
    """Raise RunError if images of these prompts and seeds exist in another size: each can be drawn only once."""
    same = Generation.objects.filter(model=model, prompt__in=prompts, seed__in=suite.seeds, imported_from="")
    others = same.exclude(width=suite.width, height=suite.height)
    if other := others.first():
        raise RunError(
            f"{others.count()} images of these prompts and seeds exist in another size"
            f" ({other.width} × {other.height}); the suite wants {suite.width} × {suite.height}."
            " Give the suite that size, or another first_seed."
        )


def _write_spec(suite: Suite, prompts: list[Prompt]) -> dict[str, Any]:
    """Everything the numbers depend on, except the versions used for scoring, which are in Run.record."""
    sets = {str(prompt.prompt_set): prompt.prompt_set.digest for prompt in prompts}
    declared = suite.model_dump(mode="json")
    return {"suite": declared, "digest": suite.digest, "prompt_sets": sets, "seeds": list(suite.seeds)}


def _resume(run: Run) -> None:
    failed = Generation.objects.filter(samples__run=run, status=Generation.Status.FAILED)
    again = retry_generations(failed.exclude(charges__state=Charge.State.UNKNOWN))
    if again or run.status == Status.FAILED or run.results.filter(value=None).exists():
        reset: dict[str, Any] = {"verdict": "", "judgement": {}, "message": "", "finished_at": None, "attempts": 0}
        Run.objects.filter(pk=run.pk).update(status=Status.DRAWING, due_at=None, **reset)
        run.refresh_from_db()


class Progress(NamedTuple):
    """Progress of an open run: ``done`` of ``total`` images or metrics."""

    stage: str
    done: int
    total: int


def describe_progress(run: Run) -> Progress:
    """Progress of an open run, or of its baseline while the run waits for it."""
    baseline = run.baseline
    if baseline and run.status == Status.DRAWING and baseline.status in {Status.DRAWING, Status.SCORING}:
        baseline.refresh_from_db()
        progress = describe_progress(baseline)
        return progress._replace(stage=f"baseline: {progress.stage}")
    if run.status == Status.SCORING:
        waiting = "waiting for the stored images" if run.message else "waiting for a metrics worker"
        return Progress(**run.progress) if run.progress else Progress(waiting, 0, 1)
    outcome_counts = dict(Generation.objects.filter(samples__run=run).values_list("status").annotate(Count("pk")))
    n_open = outcome_counts.get(Generation.Status.PENDING, 0) + outcome_counts.get(Generation.Status.RUNNING, 0)
    total = sum(outcome_counts.values())
    return Progress("drawing", total - n_open, total)


def advance() -> int:
    """Take every open run one step further. Returns the number of runs sent to the workers for scoring."""
    now = database_time.now()
    drawn = Run.objects.filter(status=Status.DRAWING).exclude(pk__in=Sample.objects.filter(OPEN_IMAGE).values("run"))
    # The comparison needs the sample inputs that are stored when the baseline is scored.
    ready = drawn.exclude(baseline__status__in=[Status.DRAWING, Status.SCORING]).values_list("pk", flat=True)
    Run.objects.filter(pk__in=list(ready), status=Status.DRAWING).update(status=Status.SCORING, due_at=now)
    _release_stale_claims(now)
    waiting = Run.objects.filter(status=Status.SCORING, claimed_at=None, due_at__lte=now)
    dispatched = list(waiting.values_list("pk", flat=True))
    waiting.filter(pk__in=dispatched).update(due_at=now + timedelta(seconds=settings.REDISPATCH_SECONDS))
    for pk in dispatched:
        current_app.send_task("evaluation.score", args=(pk,), queue="metrics")
    return len(dispatched)


def _release_stale_claims(now: datetime) -> None:
    lost = Run.objects.filter(status=Status.SCORING, claimed_at__isnull=False, due_at__lte=now)
    message = f"The worker was lost {MAX_ATTEMPTS} times while scoring. See the log of the metrics worker."
    failed: dict[str, Any] = {"status": Status.FAILED, "message": message, "finished_at": now, "claimed_at": None}
    lost.filter(attempts__gte=MAX_ATTEMPTS).update(**failed)
    lost.update(claimed_at=None)


def score(run_id: int) -> None:
    """Claim a run, score it and store the results. Does nothing if the run cannot be claimed."""
    run = _claim(run_id)
    if run is None:
        return
    try:
        with holding(partial(_give_back, run)):
            found = scoring.score_run(run, on_progress=_ProgressReporter(run))
            _store(run, found)
    except (OperationalError, InterfaceError):
        # The database is unreachable, which is no fault of the run. Its claim expires and it is scored again.
        raise
    except _ClaimLostError:
        log.warning("scoring_claim_lost", run=run.pk)
    except UnavailableInputError as error:
        log.warning("scoring_put_off", run=run.pk, reason=str(error))
        _put_off(run, str(error))
    except Exception as error:
        log.exception("scoring_crashed", run=run.pk)
        message = f"{type(error).__name__}: {error}"
        _settle(run, status=Status.FAILED, message=message, claimed_at=None, finished_at=database_time.now())


def _claim(run_id: int) -> Run | None:
    now = database_time.now()
    until = now + timedelta(seconds=settings.SCORING_CLAIM_SECONDS)
    free = Run.objects.filter(pk=run_id, status=Status.SCORING, claimed_at=None)
    if not free.update(claimed_at=now, attempts=F("attempts") + 1, due_at=until, progress={}, message=""):
        return None
    return Run.objects.select_related("model", "baseline").get(pk=run_id)


def _give_back(run: Run) -> None:
    """Give the claim back without counting the attempt, because this worker stops."""
    _settle(run, claimed_at=None, attempts=F("attempts") - 1, due_at=database_time.now(), progress={})


def _put_off(run: Run, reason: str) -> None:
    """Give the claim back, without counting the attempt. The run is scored again after a pause."""
    due_at = database_time.now() + timedelta(seconds=settings.REDISPATCH_SECONDS)
    message = f"The scoring is tried again every {settings.REDISPATCH_SECONDS} s. {reason}"
    _settle(run, claimed_at=None, attempts=F("attempts") - 1, due_at=due_at, message=message, progress={})


class _ClaimLostError(Exception):
    """Another worker has claimed the run, or it has ended."""


class _ProgressReporter:
    """Stores the progress of the scoring, and renews the claim with it."""

    def __init__(self, run: Run) -> None:
        self.run, self.reported_at, self.stage = run, 0.0, ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage == self.stage and done < total and now < self.reported_at + PROGRESS_SECONDS:
            return
        self.stage, self.reported_at = stage, now
        until = database_time.now() + timedelta(seconds=settings.SCORING_CLAIM_SECONDS)
        if not _settle(self.run, due_at=until, progress={"stage": stage, "done": done, "total": total}):
            raise _ClaimLostError


def _settle(run: Run, **changes: Any) -> bool:
    """Change the run if this worker still holds the claim. Returns whether it does."""
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
        "finished_at": database_time.now(),
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
