"""Presence of workers: what they do about rows that a command waits for, and whether any takes tasks of a queue."""

from typing import Final

import structlog
from celery import current_app
from django.db.models import Count, Min

from generators import database_time
from generators.generations import find_queue
from generators.models import Generation, GenerationQuerySet

log = structlog.get_logger(__name__)

# Workers that do not answer in this time are taken to be absent.
ANSWER_SECONDS: Final = 2


def describe_drawing(rows: GenerationQuerySet) -> str:
    """The state of the open rows, in a sentence: they are being drawn, queued, or no worker takes them."""
    now = database_time.now()
    claimed = rows.filter(status=Generation.Status.RUNNING, due_at__gt=now)
    drawing = claimed.aggregate(n=Count("pk"), first=Min("claimed_at"))
    if drawing["n"]:
        return f"{_count(drawing['n'])} being drawn, the first for {(now - drawing['first']).total_seconds():.0f} s."
    adapters = rows.filter(status=Generation.Status.PENDING).values_list("model__adapter", flat=True).distinct()
    queues = sorted({find_queue(adapter) for adapter in adapters})
    if not queues:
        return "Nothing is queued."
    return " ".join(_describe_queue(queue) for queue in queues)


def _describe_queue(queue: str) -> str:
    busy = Generation.objects.filter(status=Generation.Status.RUNNING, due_at__gt=database_time.now())
    n_busy = sum(find_queue(adapter) == queue for adapter in busy.values_list("model__adapter", flat=True))
    if n_busy:
        return f"Queued: workers of the queue {queue} are drawing {n_busy:,} other images."
    return describe_absence(queue) or f"Queued: a worker of the queue {queue} answers and has not started them yet."


def describe_absence(queue: str) -> str:
    """The reason why no worker takes tasks of the queue, and the remedy; "" if one does. Asks the broker."""
    try:
        with current_app.connection_for_write(connect_timeout=ANSWER_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=ANSWER_SECONDS)
            answers = current_app.control.inspect(timeout=ANSWER_SECONDS, connection=connection).active_queues()
    except Exception as error:
        # Each transport raises its own errors.
        log.info("workers_not_asked", error=str(error))
        return f"The broker cannot be reached: {type(error).__name__}. See PARAGONE_BROKER_URL."
    taken = {taken["name"] for queues in (answers or {}).values() for taken in queues}
    if queue in taken:
        return ""
    others = f" Workers of other queues answer: {', '.join(sorted(taken))}." if taken else ""
    return f"No worker of the queue {queue} answers.{others} Start one: celery -A arena.celery worker --queues {queue}"


def _count(n: int) -> str:
    return "1 image is" if n == 1 else f"{n:,} images are"
