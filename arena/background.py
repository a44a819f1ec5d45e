"""State of the background work, for health checks and operators: disk space, periodic tasks, ratings, work put aside.

Ages are by the clock of the database, which also wrote the times.
"""

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from arena.leaderboards.schedules import REST
from arena.models import FailedSafetyCheck, RatingSchedule
from evaluation.models import Run
from generators import database_time
from generators.models import PeriodicTask

MEGABYTE: Final = 1_000_000
# Seconds beyond its period after which a periodic task or a rating is late: a worker may have been restarted.
PATIENCE: Final = 120.0
MAX_LISTED: Final = 50


@dataclass(frozen=True)
class TaskState:
    """A periodic task, or the rating of a board. ``age`` is in seconds since its last success; None: there is none."""

    name: str
    age: float | None
    late: bool
    error: str = ""
    seconds: float | None = None

    def __str__(self) -> str:
        age = "never" if self.age is None else f"{self.age:.0f} s ago"
        return f"{'late: ' if self.late else ''}{age}"


def find_free_megabytes() -> int:
    """Free space under the media folder. Raises OSError."""
    return shutil.disk_usage(Path(settings.MEDIA_ROOT)).free // MEGABYTE


def read_periodic_tasks() -> list[TaskState]:
    now = database_time.now()
    return [_describe_task(task, now) for task in PeriodicTask.objects.all()]


def read_sweep() -> TaskState:
    """The sweep, which recovers claims and messages: if it is late, no worker takes beat's tasks, or no beat runs."""
    task = PeriodicTask.objects.filter(name="sweep").first() or PeriodicTask(name="sweep")
    return _describe_task(task, database_time.now())


def _describe_task(task: PeriodicTask, now: datetime) -> TaskState:
    """A task is late if its last run failed, or if it has not succeeded within its period and the patience."""
    age = _find_age(task.succeeded_at, now)
    beat: dict[str, Any] = settings.CELERY_BEAT_SCHEDULE.get(task.name, {})
    period = settings.PRUNE_SECONDS if task.name == "prune" else beat.get("schedule", 0)
    late = bool(task.error) or age is None or age > period + PATIENCE
    return TaskState(task.name, age, late, task.error)


def read_ratings() -> list[TaskState]:
    """The last rating of each board, the longest ago first."""
    now = database_time.now()
    schedules = RatingSchedule.objects.select_related("board").order_by("rated_at")
    return [_describe_rating(schedule, now) for schedule in schedules]


def _describe_rating(schedule: RatingSchedule, now: datetime) -> TaskState:
    age, seconds = _find_age(schedule.rated_at, now), schedule.seconds or 0.0
    allowed = (REST + 2) * seconds + settings.RATING_SECONDS + settings.REDISPATCH_SECONDS + PATIENCE
    late = bool(schedule.error) or age is None or age > allowed
    return TaskState(schedule.board.slug, age, late, schedule.error, schedule.seconds)


def _find_age(time: datetime | None, now: datetime) -> float | None:
    return None if time is None else max(0.0, (now - time).total_seconds())


def list_failed_checks() -> list[FailedSafetyCheck]:
    return list(FailedSafetyCheck.objects.select_related("battle__board").order_by("-due_at")[:MAX_LISTED])


def list_waiting_runs() -> list[Run]:
    """Runs whose scoring was put off, with the reason in ``message``."""
    waiting = Run.objects.filter(status=Run.Status.SCORING).exclude(message="")
    return list(waiting.select_related("model").order_by("-pk")[:MAX_LISTED])
