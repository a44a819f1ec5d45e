"""The page of the background work: what ran when, and what was put aside."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from arena import background
from arena.views.access import for_operators


@for_operators
@require_safe
def show_status(request: HttpRequest) -> HttpResponse:
    try:
        free = background.find_free_megabytes()
    except OSError:
        free = None
    context = {
        "free": free,
        "wanted": settings.MIN_FREE_MB,
        "tasks": background.read_periodic_tasks(),
        "ratings": background.read_ratings(),
        "failed_checks": background.list_failed_checks(),
        "runs": background.list_waiting_runs(),
    }
    return render(request, "arena/status.html", context)
