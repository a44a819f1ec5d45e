"""Celery tasks. Each calls one function."""

from celery import shared_task

from evaluation.runs import lifecycle


@shared_task(name="evaluation.advance")
def advance() -> None:
    lifecycle.advance()


# Reading the text in ten thousand images takes hours. The claim, which the worker renews, shows whether it is alive.
@shared_task(name="evaluation.score", time_limit=24 * 3600)
def score(run_id: int) -> None:
    lifecycle.score(run_id)
