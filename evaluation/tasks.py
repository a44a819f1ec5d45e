"""Celery tasks. Each calls one function."""

from celery import shared_task
from django.conf import settings

from evaluation.runs import lifecycle
from generators.periodic_tasks import run_if_due


@shared_task(name="evaluation.advance")
def advance() -> None:
    run_if_due("advance_runs", settings.SWEEP_SECONDS, lifecycle.advance)


# Reading the text in ten thousand images takes hours. The claim, which the worker renews, shows whether it is alive.
@shared_task(name="evaluation.score", time_limit=24 * 3600)
def score(run_id: int) -> None:
    lifecycle.score(run_id)
