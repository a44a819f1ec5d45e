"""The Celery application: ``celery -A arena.celery worker``."""

import os

from celery import Celery
from celery.signals import worker_init
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.transport import TRANSPORT_ALIASES

from generators.workers.process_setup import share_cores

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.settings")

TRANSPORT_ALIASES["embedded"] = "arena.broker:Transport"

app = Celery("paragone")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()
worker_init.connect(share_cores)
