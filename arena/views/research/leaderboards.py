"""Pages of the boards: the list of boards, and each board's newest leaderboard."""

from typing import Final

from django.db.models import F, OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from arena.leaderboards import charts, exports
from arena.models import Board, Leaderboard, Rating
from arena.views.access import for_raters

# Which votes may depend on each other, by cluster column.
CLUSTERS: Final = {"rater": "of one rater", "prompt": "on one prompt"}


@for_raters
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    newest = Leaderboard.objects.filter(board=OuterRef("pk")).order_by("-id")
    # In the query of ratings, the board is two queries out.
    of_board = Leaderboard.objects.filter(board=OuterRef(OuterRef("pk"))).order_by("-id")
    boards = Board.objects.annotate(
        n_votes=Subquery(newest.values("n_votes")[:1]),
        computed_at=Subquery(newest.values("computed_at")[:1]),
        leader=Subquery(
            Rating.objects.filter(leaderboard=Subquery(of_board.values("pk")[:1]), value__isnull=False)
            .order_by("-value")
            .values("model__name")[:1]
        ),
    )
    return render(request, "arena/home.html", {"boards": boards})


@for_raters
@require_safe
def leaderboard(request: HttpRequest, slug: str) -> HttpResponse:
    board = get_object_or_404(Board, slug=slug)
    newest = Leaderboard.objects.newest(board)
    rows = _rows(newest) if newest else []
    axis, rated = charts.list_rating_rows(rows)
    context = {
        "board": board,
        "leaderboard": newest,
        "axis": axis,
        "rated": rated,
        "unrated": [row for row in rows if row.unrated],
        "total": len(rows),
        "clusters": " or ".join(CLUSTERS[name] for name in _list_clusters(newest)),
        "downloads": list(exports.MEDIA_TYPES),
    }
    return render(request, "arena/leaderboard.html", context)


@for_raters
@require_safe
def interval_chart(request: HttpRequest, slug: str) -> HttpResponse:
    newest = Leaderboard.objects.newest(get_object_or_404(Board, slug=slug))
    rated = [row for row in _rows(newest) if row.value is not None] if newest else []
    if not rated:
        raise Http404("There are no ratings yet.")
    return HttpResponse(charts.interval_plot(rated), content_type="application/json")


@for_raters
@require_safe
def download(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    newest = Leaderboard.objects.newest(get_object_or_404(Board, slug=slug))
    if newest is None or kind not in exports.MEDIA_TYPES:
        raise Http404("There is no such file yet.")
    name = f"{slug}-{newest.pk}.{kind}"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(exports.write(newest, kind), content_type=exports.MEDIA_TYPES[kind], headers=disposition)


def _list_clusters(leaderboard: Leaderboard | None) -> list[str]:
    interval = leaderboard.parameters["interval"] if leaderboard else ""
    return [name for name in interval.split("+") if name in CLUSTERS]


def _rows(leaderboard: Leaderboard) -> list[Rating]:
    return list(leaderboard.ratings.select_related("model").order_by(F("value").desc(nulls_last=True), "model__name"))
