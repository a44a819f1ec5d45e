"""Pages of runs: their list, the progress and results of each, and its reports."""

import uuid
from collections.abc import Callable
from typing import Final

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from arena.views.access import for_operators
from evaluation.models import Run
from evaluation.reasons import group_reasons
from evaluation.reports.html import to_html
from evaluation.reports.json import to_json
from evaluation.reports.junit import to_junit
from evaluation.reports.markdown import to_markdown
from evaluation.reports.report import RunReport
from evaluation.runs.activity import describe_progress
from evaluation.runs.reports import list_warnings, make_report
from generators.images import originals

PAGE = 50
# By the extension of the URL.
DOWNLOADS: Final[dict[str, tuple[str, Callable[[RunReport], str]]]] = {
    "json": ("application/json", to_json),
    "md": ("text/markdown; charset=utf-8", to_markdown),
    "xml": ("application/xml", to_junit),
}


@for_operators
@require_safe
def list_runs(request: HttpRequest) -> HttpResponse:
    # The JSON of a run is large, and the list does not show it.
    runs = Run.objects.select_related("model", "baseline__model").order_by("-created_at")
    runs = runs.defer(*(f"{owner}{name}" for owner in ("", "baseline__") for name in ("spec", "judgement", "record")))
    page = Paginator(runs, PAGE).get_page(request.GET.get("page"))
    return render(request, "arena/runs.html", {"page": page})


@for_operators
@require_safe
def show_run(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """A run with its results. While it is open, htmx reloads the fragment with its progress."""
    run = get_object_or_404(Run.objects.select_related("model", "baseline__model"), key=key)
    context = {
        "run": run,
        "title": run.spec["suite"]["title"],
        "is_open": run.is_open,
        "progress": describe_progress(run),
        "warnings": list_warnings(run),
        "outcomes": [
            {**result.outcome, "unscored": group_reasons(result.outcome["reasons"])} for result in run.results.all()
        ],
    }
    whole = not request.headers.get("HX-Request")
    return render(request, "arena/run.html" if whole else "arena/_run.html", context)


@for_operators
@require_safe
def show_report(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """The report as one self-contained file. It runs no script and loads nothing."""
    run = get_object_or_404(Run, key=key)
    response = HttpResponse(to_html(make_report(run), originals.read))
    response["Content-Security-Policy"] = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"
    return response


@for_operators
@require_safe
def download_report(request: HttpRequest, key: uuid.UUID, kind: str) -> HttpResponse:
    if kind not in DOWNLOADS:
        raise Http404(f"There is no report of kind {kind!r}. Known: {', '.join(DOWNLOADS)}, html.")
    run = get_object_or_404(Run, key=key)
    media_type, write = DOWNLOADS[kind]
    name = f"{run.suite}-{run.model.slug}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(write(make_report(run)), content_type=media_type, headers=headers)
