"""Health checks for load balancers: is the process alive, and can it serve requests?"""

import os
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from arena.checks import broker_fault


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 if database, broker and media folder work, otherwise 503. The body has "ok" or the error of each."""
    parts: dict[str, Callable[[], str]] = {
        "database": _database_fault,
        "broker": broker_fault,
        "media": _media_fault,
    }
    faults = {name: fault() for name, fault in parts.items()}
    ready = not any(faults.values())
    body = {"status": "ready" if ready else "not ready", **{name: fault or "ok" for name, fault in faults.items()}}
    return JsonResponse(body, status=200 if ready else 503)


def _database_fault() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return type(error).__name__
    return ""


def _media_fault() -> str:
    folder = Path(settings.MEDIA_ROOT)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return type(error).__name__
    return "" if os.access(folder, os.W_OK | os.X_OK) else "not writable"
