"""Celery tasks of the arena. Each calls one function."""

from celery import shared_task
from django.conf import settings

from arena import retention
from arena.leaderboards import schedules
from arena.rater_prompts import safety
from generators.periodic_tasks import run_if_due


@shared_task(name="arena.rate_boards")
def rate_boards() -> None:
    run_if_due("rate_boards", settings.RATING_SECONDS, schedules.dispatch_ratings)


@shared_task(name="arena.rate_board")
def rate_board(board_id: int) -> None:
    schedules.rate_scheduled(board_id)


@shared_task(name="arena.prune")
def prune() -> None:
    run_if_due("prune", settings.PRUNE_SECONDS, retention.prune_in_background)


@shared_task(name="arena.check_images")
def check_images() -> None:
    run_if_due("check_images", settings.SAFETY_CHECK_SECONDS, safety.check_waiting_images)
