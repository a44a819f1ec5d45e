"""The Celery application: ``celery -A arena.celery worker``."""

import os
from typing import Any

from celery import Celery, signals
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.transport import TRANSPORT_ALIASES

from generators.workers import shutdown
from generators.workers.process_setup import share_cores

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.settings")

TRANSPORT_ALIASES["embedded"] = "arena.broker:Transport"

app = Celery("paragone")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()
signals.worker_init.connect(share_cores)
signals.worker_process_init.connect(shutdown.watch_for_sigterm)
signals.task_prerun.connect(shutdown.note_start)
signals.task_postrun.connect(shutdown.note_end)


@signals.worker_init.connect
def stop_soon_after_sigterm(sender: Any, **kwargs: Any) -> None:
    def stop(how: str, **kwargs: Any) -> None:
        if how == "Warm":
            shutdown.pass_on_sigterm(sender)

    signals.worker_shutting_down.connect(stop, weak=False)
