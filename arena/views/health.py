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

from arena import background
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
    """200 if database, broker and media folder work, otherwise 503. The body has "ok" or the error of each.

    It also says when workers last swept and rated. A late one does not make the site unready: it still takes votes.
    """
    parts: dict[str, Callable[[], str]] = {
        "database": _database_fault,
        "broker": broker_fault,
        "media": _media_fault,
    }
    faults = {name: fault() for name, fault in parts.items()}
    ready = not any(faults.values())
    body = {"status": "ready" if ready else "not ready", **{name: fault or "ok" for name, fault in faults.items()}}
    if not faults["database"]:
        body |= _describe_work()
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
    if not os.access(folder, os.W_OK | os.X_OK):
        return "not writable"
    free = background.find_free_megabytes()
    return f"{free} MB free, {settings.MIN_FREE_MB} MB wanted" if free < settings.MIN_FREE_MB else ""


def _describe_work() -> dict[str, str]:
    """When workers last swept, and the board whose rating is latest."""
    ratings = background.read_ratings()
    rating = next((rating for rating in ratings if rating.late), ratings[-1] if ratings else None)
    return {"sweep": str(background.read_sweep()), "rating": f"{rating}, board {rating.name}" if rating else "never"}
