"""Run argument of commands: the key of a run, or its first characters."""

import string

from django.core.management.base import CommandError

from evaluation.models import Run


def find_run(key: str) -> Run:
    """The run whose key starts with ``key``. Raises CommandError listing the newest runs."""
    wanted = key.replace("-", "").lower()
    known = bool(wanted) and not set(wanted) - set(string.hexdigits)
    found = [run for run in Run.objects.select_related("model", "baseline") if run.key.hex.startswith(wanted)]
    if known and len(found) == 1:
        return found[0]
    newest = "\n".join(f"  {run.key}  {run.suite} on {run.model.slug}: {run.status}" for run in Run.objects.all()[:5])
    problem = f"{len(found)} runs start with" if known and found else "There is no run"
    raise CommandError(f"{problem} {key!r}. The newest:\n{newest or '  none yet'}")
