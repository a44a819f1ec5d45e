"""Activity of an open run: its progress, and what workers do for it."""

from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count

from evaluation.models import Run
from generators import database_time
from generators.models import Generation
from generators.workers.presence import describe_absence, describe_drawing

Status = Run.Status


class Progress(NamedTuple):
    """Progress of an open run: ``done`` of ``total`` images or metrics."""

    stage: str
    done: int
    total: int


def describe_progress(run: Run) -> Progress:
    """Progress of an open run, or of its baseline while the run waits for it."""
    if run.status == Status.PREPARING:
        return Progress("preparing", run.samples.count(), run.spec["n_samples"])
    if baseline := _find_open_baseline(run):
        progress = describe_progress(baseline)
        return progress._replace(stage=f"baseline: {progress.stage}")
    if run.status == Status.SCORING:
        if run.progress:
            return Progress(f"scoring: {run.progress['stage']}", run.progress["done"], run.progress["total"])
        waiting = "waiting for the stored images" if run.message else "queued for scoring"
        return Progress("scoring" if run.claimed_at else waiting, 0, 1)
    outcome_counts = dict(Generation.objects.filter(samples__run=run).values_list("status").annotate(Count("pk")))
    n_running = outcome_counts.get(Generation.Status.RUNNING, 0)
    n_open = outcome_counts.get(Generation.Status.PENDING, 0) + n_running
    total = sum(outcome_counts.values())
    stage = "queued for drawing" if n_open == total and not n_running else "drawing"
    return Progress(stage, total - n_open, total)


def describe_activity(run: Run) -> str:
    """The work on an open run, in a sentence.

    Claims in the database show who works. Workers are asked for an answer only if none of them has claimed anything.
    """
    progress = describe_progress(run)
    state = f"{progress.stage}, {progress.done:,} of {progress.total:,}"
    if baseline := _find_open_baseline(run):
        run = baseline
    if run.status == Status.DRAWING:
        return f"{state}. {describe_drawing(Generation.objects.filter(samples__run=run))}"
    return f"{state}. {_describe_scoring(run)}".rstrip() if run.status == Status.SCORING else f"{state}."


def _describe_scoring(run: Run) -> str:
    now = database_time.now()
    if run.claimed_at and run.due_at and run.due_at > now:
        reported_at = run.due_at - timedelta(seconds=settings.SCORING_CLAIM_SECONDS)
        return (
            f"A worker has been scoring for {(now - run.claimed_at).total_seconds():.0f} s"
            f" and reported {(now - reported_at).total_seconds():.0f} s ago."
        )
    if run.claimed_at:
        return "The worker is lost; another one takes over."
    if run.message:
        return run.message
    others = Run.objects.filter(status=Status.SCORING, claimed_at__isnull=False, due_at__gt=now).count()
    if others:
        return f"Workers are scoring {others:,} other run{'s' if others > 1 else ''}."
    absence = describe_absence("metrics")
    return absence or "A worker of the queue metrics answers and has not started it yet."


def _find_open_baseline(run: Run) -> Run | None:
    """The baseline that a drawn run waits for."""
    baseline = run.baseline
    if baseline is None or run.status != Status.DRAWING or not baseline.is_open:
        return None
    baseline.refresh_from_db()
    return baseline if baseline.is_open else None
