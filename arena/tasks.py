"""Celery tasks of the arena. Each calls one function."""

from celery import shared_task

from arena.leaderboards.snapshots import rate_board
from arena.models import Board
from arena.rater_prompts import safety


@shared_task(name="arena.rate_boards")
def rate_boards() -> None:
    for board in Board.objects.all():
        rate_board(board)


@shared_task(name="arena.check_images")
def check_images() -> None:
    safety.check_waiting_images()
