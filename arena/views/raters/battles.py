"""Pages of a battle. htmx requests get the fragment, others the whole page."""

import uuid
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.views.decorators.http import require_POST, require_safe
from django_htmx.middleware import HtmxDetails

from arena.battles import blinding, closing, opening, padding
from arena.battles.drawing_times import find_usual_seconds
from arena.battles.opening import NoMatchupError
from arena.leaderboards.matchup_counts import read_battle_counts
from arena.models import Battle, Board, Leaderboard, Rating, Stage, Vote
from arena.models.battles import REPORTS
from arena.rater_prompts.opening import LONGEST_TYPED
from arena.raters.identity import read_rater_key, write_rater_key
from arena.raters.limits import LimitReachedError
from arena.raters.networks import find_network
from arena.views.access import for_raters
from arena.votes import casting
from arena.votes.looks import read_look
from generators.images import originals
from generators.images.originals import StorageError
from generators.models import Generation


class HtmxRequest(HttpRequest):
    htmx: HtmxDetails  # set by the middleware of django_htmx


# Other raters' votes on two models are shown from this many on.
MIN_OTHER_VOTES = 10
# In the address of a page that has set the cookie, and expects it.
COOKIE_SET = "cookie-set"
# If no worker starts an image within this many seconds, the page says that none is available.
NO_WORKER_AFTER = 20


@for_raters
@require_safe
def open_battle(request: HtmxRequest, slug: str) -> HttpResponse:
    """Show the rater's open battle. None is opened for pages fetched ahead, or for programs that keep no cookie."""
    board = get_object_or_404(Board, slug=slug)
    if _is_unseen(request):
        return _never_store(HttpResponse(status=HTTPStatus.NO_CONTENT))
    key = read_rater_key(request)
    if key is None:
        return _ask_for_cookie(request, board)
    try:
        battle = opening.open_battle(board, key, find_network(request))
    except NoMatchupError as error:
        return _render(request, {"board": board, "stage": "nothing", "problem": str(error)}, HTTPStatus.NOT_FOUND)
    except LimitReachedError as error:
        context = {"board": board, "stage": "limit", "problem": str(error)}
        response = _render(request, context, HTTPStatus.TOO_MANY_REQUESTS)
        response["Retry-After"] = str(error.retry_after)
        return response
    return write_rater_key(request, _show(request, battle, key), key)


@for_raters
@require_safe
def show_battle(request: HtmxRequest, token: str) -> HttpResponse:
    return _show(request, _find(token), read_rater_key(request))


@for_raters
@require_safe
def battle_image(request: HtmxRequest, token: str, side: str) -> HttpResponse:
    """One of the two images as a derivative, once both exist: neither can be fetched before the other."""
    battle = _find(token)
    generations = {"a": battle.generation_a, "b": battle.generation_b}
    if battle.stage_for(read_rater_key(request)) not in {Stage.READY, Stage.REVEALED} or not battle.can_be_served:
        raise Http404("The images are not drawn yet, or not shown to you.")
    return _serve(battle, side, generations[side].original)


@for_raters
@require_safe
def battle_source(request: HtmxRequest, token: str, number: int = 1) -> HttpResponse:
    """A source image of the edit. Served as a derivative like the two results, so that they compare fairly."""
    battle = _find(token)
    if battle.stage_for(read_rater_key(request)) not in {Stage.DRAWING, Stage.READY, Stage.REVEALED}:
        raise Http404("The image is not shown to you.")
    if not 1 <= number <= len(battle.prompt.sources):
        raise Http404("The prompt has no such source image.")
    return _serve(battle, f"source-{number}", battle.prompt.sources[number - 1])


def _serve(battle: Battle, name: str, original: str) -> HttpResponse:
    """The derivative of an original, as this battle serves it. Browsers never get the original itself."""
    try:
        with originals.disk_errors():
            data = padding.read_image(battle, name, original)
    except blinding.UnviewableImageError as error:
        raise Http404("The image cannot be shown.") from error
    response = HttpResponse(data, content_type=blinding.MEDIA_TYPE)
    # No file name: it is a digest, which would link battles that show the same image.
    response["Content-Disposition"] = "inline"
    patch_cache_control(response, private=True, immutable=True, max_age=3600)
    return response


@for_raters
@require_POST
def vote(request: HtmxRequest, token: str) -> HttpResponse:
    key = read_rater_key(request)
    battle = _find(token)
    if key is None:
        problem = "Your browser sent no cookie, so your vote was not counted. Allow cookies and vote again."
        return _show(request, battle, None, problem, HTTPStatus.FORBIDDEN)
    try:
        stored, _ = casting.cast_vote(battle, key, request.POST.get("winner", ""), read_look(request.POST))
    except ValueError as error:
        return _show(request, battle, key, str(error), HTTPStatus.BAD_REQUEST)
    except casting.BattleNotOpenError as error:
        return _show(request, battle, key, str(error), HTTPStatus.CONFLICT)
    if not request.htmx:
        return HttpResponseRedirect(battle.get_absolute_url(), status=HTTPStatus.SEE_OTHER)
    # Silent for the same answer: a page sends its vote again when it got no response.
    changed = stored.winner != request.POST.get("winner")
    response = _show(request, battle, key, "You had voted before. Your first vote stands." if changed else "")
    response["HX-Push-Url"] = battle.get_absolute_url()
    return response


@for_raters
@require_POST
def report_problem(request: HtmxRequest, token: str) -> HttpResponse:
    key = read_rater_key(request)
    battle = _find(token)
    try:
        closing.report_problem(battle, key, request.POST.get("reason", ""))
    except ValueError as error:
        return _show(request, battle, key, str(error), HTTPStatus.BAD_REQUEST)
    except closing.ReportRefusedError as error:
        return _show(request, battle, key, str(error), HTTPStatus.CONFLICT)
    if request.htmx:
        return _show(request, battle, key)
    return HttpResponseRedirect(battle.get_absolute_url(), status=HTTPStatus.SEE_OTHER)


def _is_unseen(request: HttpRequest) -> bool:
    """Whether perhaps no person sees the response: HEAD requests, and pages that a browser fetches ahead."""
    purposes = (request.headers.get(name, "").lower() for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"))
    return request.method == "HEAD" or any("prefetch" in words or "preview" in words for words in purposes)


def _ask_for_cookie(request: HtmxRequest, board: Board) -> HttpResponse:
    """Set the cookie and load the page again. If the cookie has not come back then, say that cookies are needed."""
    if COOKIE_SET in request.GET:
        response = _render(request, {"board": board, "stage": "cookie"}, HTTPStatus.FORBIDDEN)
    else:
        response = _never_store(HttpResponseRedirect(f"{request.path}?{COOKIE_SET}=1"))
    return write_rater_key(request, response, uuid.uuid4())


def _never_store(response: HttpResponse) -> HttpResponse:
    patch_cache_control(response, no_store=True)
    return response


def _find(token: str) -> Battle:
    return get_object_or_404(Battle.objects.for_page(), token=token)


def _show(
    request: HtmxRequest, battle: Battle, key: uuid.UUID | None, problem: str = "", status: int = HTTPStatus.OK
) -> HttpResponse:
    stage = battle.stage_for(key)
    if stage is Stage.READY and not opening.prepare_images(battle):
        stage = battle.stage_for(key)
    context: dict[str, Any] = {
        "board": battle.board,
        "stage": stage.value,
        "problem": problem,
        "longest_typed": LONGEST_TYPED,
    }
    if stage is Stage.TAKEN:
        return _render(request, context, max(status, HTTPStatus.FORBIDDEN))
    context |= {
        "battle": battle,
        "is_own": key == battle.owner,
        "sources": _list_sources(battle),
        "reports": [(reason.value, reason.label) for reason in REPORTS],
        "was_reported": battle.closure in REPORTS,
    }
    if stage is Stage.DRAWING:
        context |= _drawing(battle)
    if stage is Stage.REVEALED:
        context |= _revealed(battle)
        if key == battle.owner and not _is_unseen(request):
            context |= _following(request, battle.board, key)
    return _render(request, context, status)


def _list_sources(battle: Battle) -> list[str]:
    """The URLs of the battle's source images."""
    numbers = range(1, len(battle.prompt.sources) + 1)
    return [reverse("battle_source", args=[battle.token, *([number] if number > 1 else [])]) for number in numbers]


def _render(request: HtmxRequest, context: dict[str, Any], status: int) -> HttpResponse:
    template = "arena/_battle.html" if request.htmx else "arena/battle.html"
    response = _never_store(render(request, template, context, status=status))
    patch_vary_headers(response, ["HX-Request"])
    return response


def _drawing(battle: Battle) -> dict[str, Any]:
    """Progress of both drawings. The usual time is the board's: a model's own time could identify it."""
    waiting = [g for g in (battle.generation_a, battle.generation_b) if g.status == Generation.Status.PENDING]
    waited = max(((timezone.now() - g.created_at).total_seconds() for g in waiting), default=0.0)
    usual_seconds = find_usual_seconds(battle.board, before=battle.opened_at)
    context = {"usual_seconds": usual_seconds, "no_worker": waited > NO_WORKER_AFTER}
    return context | _count_drawn(battle) if battle.custom_prompt else context


def _count_drawn(battle: Battle) -> dict[str, Any]:
    """Progress of both drawings together, so that it does not show which side is slower."""
    generations = (battle.generation_a, battle.generation_b)
    return {
        "n_drawn": sum(generation.status == Generation.Status.OK for generation in generations),
        "is_taken": any(g.attempts or g.status != Generation.Status.PENDING for g in generations),
        "seconds": int((timezone.now() - battle.opened_at).total_seconds()),
    }


def _revealed(battle: Battle) -> dict[str, Any]:
    context: dict[str, Any] = {"vote": battle.vote}
    newest = Leaderboard.objects.newest(battle.board)
    ratings = {r.model_id: r for r in Rating.objects.filter(leaderboard=newest)} if newest else {}
    context["sides"] = [
        {"letter": letter, "model": model, "rating": ratings.get(model.pk)}
        for letter, model in (("A", battle.model_a), ("B", battle.model_b))
    ]
    context["others"] = _share_votes(newest, battle) if newest else None
    return context


def _following(request: HtmxRequest, board: Board, key: uuid.UUID) -> dict[str, Any]:
    """The rater's next battle. Its images are prepared and preloaded now, so that it appears at once."""
    try:
        following = opening.open_battle(board, key, find_network(request))
    except (NoMatchupError, LimitReachedError) as error:
        return {"no_next": str(error)}
    with suppress(StorageError):  # the vote is stored, so its result is shown
        if following.stage_for(key) is Stage.READY and opening.prepare_images(following):
            return {"preload": following, "preload_sources": _list_sources(following)}
    return {}


def _share_votes(leaderboard: Leaderboard, battle: Battle) -> dict[str, Any] | None:
    """Shares of all votes on these two models; None if there are too few."""
    outcome_counts = read_battle_counts(leaderboard.pk, battle)
    total = sum(outcome_counts.values())
    if total < MIN_OTHER_VOTES:
        return None
    shares = [
        {"winner": w, "label": label, "percent": 100 * outcome_counts[w] / total} for w, label in Vote.Winner.choices
    ]
    return {"total": total, "shares": shares}
