"""Celery tasks: each takes an id and calls one function."""

from celery import shared_task

from generators.workers import drawing, stale_claims


@shared_task(name="generators.produce")
def produce(generation_id: int, attempts: int | None = None) -> None:
    drawing.produce(generation_id, attempts)


@shared_task(name="generators.sweep")
def sweep() -> None:
    stale_claims.sweep_if_due()
