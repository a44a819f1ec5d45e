"""Base of commands that dispatch tasks."""

import logging
from typing import Any

from django.core.management.base import BaseCommand


class DispatchingCommand(BaseCommand):
    """A command that runs without a log line for each dispatched task, which would hide its own output."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        log = logging.getLogger("django_structlog.celery")
        level = log.level
        log.setLevel(max(log.getEffectiveLevel(), logging.WARNING))
        try:
            return super().execute(*args, **options)
        finally:
            log.setLevel(level)
