"""Run argument of commands: the key of a run, or its first characters."""

import string
from typing import Final
from uuid import UUID

from django.core.management.base import CommandError
from django.db.models import QuerySet

from evaluation.models import Run

KEY_DIGITS: Final = 32


def find_run(key: str) -> Run:
    """The run whose key starts with ``key``. Raises CommandError listing the newest runs."""
    found = _find_runs(key.replace("-", "").lower())
    if (n := found.count()) == 1:
        return found.get()
    rows = Run.objects.values_list("key", "suite", "model__slug", "status")[:5]
    newest = "\n".join(f"  {uuid}  {suite} on {model}: {status}" for uuid, suite, model, status in rows)
    problem = f"{n} runs start with" if n else "There is no run"
    raise CommandError(f"{problem} {key!r}. The newest:\n{newest or '  none yet'}")


def _find_runs(digits: str) -> QuerySet[Run]:
    """The runs whose keys begin with these digits: a range of the index of keys."""
    runs = Run.objects.select_related("model", "baseline")
    if not 1 <= len(digits) <= KEY_DIGITS or set(digits) - set(string.hexdigits):
        return runs.none()
    return runs.filter(key__range=[UUID(digits.ljust(KEY_DIGITS, digit)) for digit in "0f"])
