"""Celery doors: each takes an id and calls one function."""

from celery import shared_task

from generators import generations, sweeping


@shared_task(name="generators.produce")
def produce(generation_id: int, attempts: int | None = None) -> None:
    generations.produce(generation_id, attempts)


@shared_task(name="generators.sweep")
def sweep() -> None:
    sweeping.sweep()
