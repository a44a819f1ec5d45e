"""Celery doors: each takes an id and calls one function."""

from celery import shared_task

from generators import generations


@shared_task(name="generators.produce", queue="gpu")
def produce(generation_id: int) -> None:
    generations.produce(generation_id)


@shared_task(name="generators.sweep", queue="default")
def sweep() -> None:
    generations.sweep()
