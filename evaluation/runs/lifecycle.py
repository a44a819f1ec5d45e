"""Lifecycle of a Run: starts it, has it drawn and scored, and stores its verdict. Only this module changes its state.

::

    PREPARING -> DRAWING -> SCORING -> DONE
        |                      |-----> FAILED      an error in the preparation, or in the scoring itself
        '------------------------------^

All state is in the database. ``start`` writes one row. ``advance`` takes every open run one step further, so a killed
process loses one step at most: it prepares a run (adds its samples and requests their images) in batches, and has it
scored when its images have ended. Beat calls it, and each command that waits. A run whose images could not all be drawn
is scored too; the missing ones are unscored, and counted.

If the store of the images fails while a run is scored, the scoring is put off, up to ``MAX_PUT_OFFS`` times. Then the
run ends, and samples whose images could not be read are unscored until ``resume`` has them scored again.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, F, OuterRef, Q

from evaluation.extractors.base import UnavailableInputError
from evaluation.models import MetricResult, Run, Sample, Score
from evaluation.results import MetricOutcome
from evaluation.runs import scoring
from evaluation.runs.sample_inputs import UNREAD
from evaluation.runs.scoring import Scoring
from evaluation.suites.suite import Suite, declare_prompts
from generators import database_time
from generators.adapters.base import AdapterError
from generators.adapters.registry import find_capabilities
from generators.generations import NOT_IMPORTED, request_generations, retry_generations
from generators.models import Budget, Charge, Generation, GenerationQuerySet, ImageModel, Prompt, PromptSet
from generators.prompts.packs import PromptDeclaration, find_prompt_sets
from generators.workers.shutdown import holding
from generators.workers.stale_claims import dispatch_due

log = structlog.get_logger(__name__)

Status = Run.Status
OPEN_IMAGE = Q(generation__status__in=[Generation.Status.PENDING, Generation.Status.RUNNING])
# Samples that one step adds to a run, in one transaction of about a third of a second.
PREPARED_AT_ONCE = 1000
# A run whose worker was lost this often fails.
MAX_ATTEMPTS = 3
# A run whose images could not be read is scored again this often, every ``REDISPATCH_SECONDS``.
MAX_PUT_OFFS = 10
# How often a scoring worker stores its progress, which also renews its claim.
PROGRESS_SECONDS = 1.0


class RunError(Exception):
    """The run cannot be started. The message is for the person who requested it."""


def start(suite: Suite, model: ImageModel, *, baseline: Run | None = None, commit: str = "") -> Run:
    """Start the run of this suite on this model, or return the existing one. ``advance`` requests its images.

    A run that has ended is resumed, see ``resume``. Raises RunError.
    """
    # Prompt sets are kept even if the run cannot start: images may have to be imported for them first.
    sets = declare_prompts(suite)
    if model.adapter:
        _expect_drawable(model, suite.prompts)
        _expect_size(suite, model, Generation.objects.filter(prompt__prompt_set__in=sets))
    else:
        _expect_imported(suite, model, _pick_prompts(suite, sets))
    with transaction.atomic():
        run, made = Run.objects.get_or_create(
            suite=suite.name,
            suite_digest=suite.digest,
            model=model,
            baseline=baseline,
            commit=commit,
            defaults={"spec": _write_spec(suite, sets)},
        )
        if made and suite.budget is not None:
            run.budget = Budget.objects.create(slug=f"run-{run.key}", limit=suite.budget)
            run.save(update_fields=["budget"])
    if not made:
        resume(run)
    return run


def _pick_prompts(suite: Suite, sets: Sequence[PromptSet]) -> list[Prompt]:
    """The prompts of the suite, in the order of its samples."""
    prompts = Prompt.objects.filter(prompt_set__in=sets).only("tags")
    return [prompt for prompt in prompts.order_by("prompt_set_id", "pk") if suite.picks(prompt.tags)]


def _expect_drawable(model: ImageModel, prompts: Sequence[PromptDeclaration]) -> None:
    try:
        capable = find_capabilities(model.adapter, model.settings)
    except AdapterError as error:
        raise RunError(f"{model.name} cannot draw: {error}") from error
    for prompt in prompts:
        if len(prompt.sources) > capable.max_sources or (prompt.mask and not capable.masks):
            wanted = f"{len(prompt.sources)} source image(s){' and a mask' if prompt.mask else ''}"
            raise RunError(f"Prompt {prompt.key} has {wanted}, which {model.name} does not take.")


def _expect_imported(suite: Suite, model: ImageModel, prompts: Sequence[Prompt]) -> None:
    """Raise RunError if a model without an adapter has no imported image at all. Others are unscored, and counted."""
    known = Generation.objects.filter(model=model, prompt__in=prompts, seed__in=suite.seeds)
    if not known.exclude(reason=NOT_IMPORTED).exists():
        sets = " and ".join(sorted(f'"{named}"' for named in PromptSet.objects.filter(prompts__in=prompts).distinct()))
        raise RunError(
            f"{model.name} has no adapter, and {suite.n_samples:,} of the {suite.n_samples:,} images of this suite are"
            " missing."
            f" Import them: paragone import_generations MANIFEST --prompt-set {sets}"
        )


def _expect_size(suite: Suite, model: ImageModel, generations: GenerationQuerySet) -> None:
    """Raise RunError if images of the suite's prompts and seeds exist in another size: each can be drawn only once."""
    drawn = generations.filter(model=model, seed__in=suite.seeds, imported_from="")
    others = drawn.exclude(width=suite.width, height=suite.height).values_list("prompt__tags", "width", "height")
    if sizes := [(width, height) for tags, width, height in others if suite.picks(tags)]:
        width, height = sizes[0]
        raise RunError(
            f"{len(sizes)} images of these prompts and seeds exist in another size ({width} × {height}); the suite"
            f" wants {suite.width} × {suite.height}. Give the suite that size, or another first_seed."
        )


def _write_spec(suite: Suite, sets: Sequence[PromptSet]) -> dict[str, Any]:
    """Everything the numbers depend on, except the versions used for scoring, which are in Run.record."""
    return {
        "suite": suite.model_dump(mode="json"),
        "digest": suite.digest,
        "prompt_sets": {str(prompt_set): prompt_set.digest for prompt_set in sets},
        "seeds": list(suite.seeds),
        "n_samples": suite.n_samples,
    }


@transaction.atomic
def resume(run: Run) -> bool:
    """Resume a run that has ended, if anything may be different now. Returns whether it is resumed.

    - Failed images are drawn again, except after a call to a provider that may have been billed.
    - It is scored again if images were drawn or imported since, or if a metric has no value because something was
      missing.
    - If only images could not be read from the store, it is scored again with the inputs that it has: the values of all
      other samples stay.
    """
    # Locked, so that of two processes one resumes the run.
    ended = Run.objects.select_for_update(of=("self",)).filter(pk=run.pk).exclude(status__in=Run.OPEN).first()
    if ended is None:
        return False
    failed = Generation.objects.filter(samples__run=run, status=Generation.Status.FAILED)
    again = retry_generations(failed.exclude(charges__state=Charge.State.UNKNOWN))
    late = run.samples.filter(generation__status=Generation.Status.OK, inputs__outcome__in=["failed", "refused"])
    is_stale = again or ended.status == Status.FAILED or ended.results.filter(value=None).exists() or late.exists()
    if not is_stale and not ended.record.get(UNREAD):
        return False
    reset: dict[str, Any] = {"verdict": "", "judgement": {}, "message": "", "finished_at": None, "attempts": 0}
    if is_stale:
        reset["record"] = {}
    Run.objects.filter(pk=run.pk).update(status=Status.PREPARING, due_at=None, put_offs=0, **reset)
    run.refresh_from_db()
    return True


def advance() -> int:
    """Take every open run one step further. Returns the number of runs sent to the workers for scoring."""
    _prepare_runs()
    now = database_time.now()
    open_images = Sample.objects.filter(OPEN_IMAGE, run=OuterRef("pk"))
    drawn = Run.objects.filter(~Exists(open_images), status=Status.DRAWING)
    # The comparison needs the sample inputs that are stored when the baseline is scored.
    ready = drawn.exclude(baseline__status__in=Run.OPEN).values_list("pk", flat=True)
    Run.objects.filter(pk__in=list(ready), status=Status.DRAWING).update(status=Status.SCORING, due_at=now)
    _release_stale_claims(now)
    waiting = Run.objects.filter(status=Status.SCORING, claimed_at=None, due_at__lte=now)
    dispatched = list(waiting.values_list("pk", flat=True))
    waiting.filter(pk__in=dispatched).update(due_at=now + timedelta(seconds=settings.REDISPATCH_SECONDS))
    for pk in dispatched:
        current_app.send_task("evaluation.score", args=(pk,), queue="metrics")
    return len(dispatched)


def _prepare_runs() -> None:
    """Prepare the next batch of each run that needs it. A run that cannot be prepared fails, and no other."""
    waiting = list(Run.objects.filter(status=Status.PREPARING).order_by("pk").values_list("pk", flat=True))
    for pk in waiting:
        try:
            _prepare(pk)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.exception("preparation_failed", run=pk)
            message = str(error) if isinstance(error, RunError) else f"{type(error).__name__}: {error}"
            failed = {"status": Status.FAILED, "message": message, "finished_at": database_time.now()}
            Run.objects.filter(pk=pk, status=Status.PREPARING).update(**failed)
    if waiting:
        dispatch_due()


@transaction.atomic
def _prepare(run_id: int) -> None:
    """Add the next samples of a run and request their images. The samples so far say where to continue."""
    # Locked, so that of two processes that prepare the run one adds the batch and the other passes.
    free = Run.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=run_id, status=Status.PREPARING)
    run = free.select_related("model", "budget").first()
    if run is None:
        return
    suite, n_done = Suite.model_validate(run.spec["suite"]), run.samples.count()
    prompts = _pick_prompts(suite, find_prompt_sets(run.spec["prompt_sets"]))
    subjects = [(prompt, seed) for prompt in prompts for seed in suite.seeds]
    if len(subjects) != run.spec["n_samples"]:
        raise RunError(
            f"The suite has {len(subjects):,} samples, but had {run.spec['n_samples']:,} when the run was started."
            " Its prompts were deleted meanwhile."
        )
    batch = subjects[n_done : n_done + PREPARED_AT_ONCE]
    _expect_size(suite, run.model, Generation.objects.filter(prompt__in={prompt for prompt, _ in batch}))
    generations = request_generations(
        [(run.model, prompt, seed) for prompt, seed in batch],
        width=suite.width,
        height=suite.height,
        budget=run.budget,
        at_once=False,
    )
    Sample.objects.bulk_create([Sample(run=run, generation=generation) for generation in generations], batch_size=500)
    if n_done + len(batch) == len(subjects):
        run.status = Status.DRAWING
        run.save(update_fields=["status"])


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
            is_last = run.put_offs >= MAX_PUT_OFFS
            found = scoring.score_run(run, on_progress=_ProgressReporter(run), is_last=is_last)
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
    message = (
        f"Images cannot be read. The scoring is tried again in {settings.REDISPATCH_SECONDS} s"
        f" ({run.put_offs + 1} of {MAX_PUT_OFFS} times). {reason}"
    )
    changes = {"attempts": F("attempts") - 1, "put_offs": F("put_offs") + 1, "message": message, "progress": {}}
    _settle(run, claimed_at=None, due_at=due_at, **changes)


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
    _store_scores(run, found.scores)
    run.results.all().delete()
    MetricResult.objects.bulk_create([_result(run, outcome) for outcome in found.outcomes])


def _store_scores(run: Run, scores: Sequence[Score]) -> None:
    """Store the scores. Those that are equal to stored ones stay."""
    stored = {_list_values(score): score.pk for score in Score.objects.filter(sample__run=run)}
    found = {_list_values(score): score for score in scores}
    Score.objects.filter(pk__in=[pk for values, pk in stored.items() if values not in found]).delete()
    Score.objects.bulk_create([score for values, score in found.items() if values not in stored], batch_size=2000)


def _list_values(score: Score) -> tuple[Any, ...]:
    columns = tuple(score.columns)
    return score.sample_id, score.label, score.value, columns, score.note, score.error, score.is_unread


def _result(run: Run, outcome: MetricOutcome) -> MetricResult:
    beside = {
        name: getattr(outcome, name) for name in ("value", "ci_low", "ci_high", "n_scored", "n_unscored", "reason")
    }
    return MetricResult(run=run, label=outcome.label, outcome=scoring.as_json(outcome), **beside)
