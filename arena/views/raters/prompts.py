"""Form for a rater's own prompt. htmx requests get the fragment, others the whole page."""

import uuid
from http import HTTPStatus

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.views.decorators.http import require_http_methods

from arena.battles.drawing_times import find_usual_seconds
from arena.battles.opening import NoMatchupError
from arena.models import Board
from arena.rater_prompts.opening import LONGEST_TYPED, PromptRefusedError, open_rater_battle
from arena.raters.identity import read_rater_key, write_rater_key
from arena.raters.limits import LimitReachedError
from arena.raters.networks import find_network
from arena.views.access import for_raters
from arena.views.raters.battles import HtmxRequest


@for_raters
@require_http_methods(["GET", "HEAD", "POST"])
def rater_prompt(request: HtmxRequest, slug: str) -> HttpResponse:
    board = get_object_or_404(Board, slug=slug)
    key = read_rater_key(request)
    if request.method == "POST":
        return _draw(request, board, key)
    status = HTTPStatus.OK if board.takes_prompts else HTTPStatus.FORBIDDEN
    return write_rater_key(request, _show(request, board, status), key or uuid.uuid4())


def _draw(request: HtmxRequest, board: Board, key: uuid.UUID | None) -> HttpResponse:
    if key is None:
        problem = "Your browser sent no cookie, so the prompt was not drawn. Allow cookies and try again."
        return _show(request, board, HTTPStatus.FORBIDDEN, problem)
    try:
        battle = open_rater_battle(board, key, request.POST.get("prompt", ""), find_network(request))
    except ValueError as error:
        return _show(request, board, HTTPStatus.BAD_REQUEST, str(error))
    except PromptRefusedError as error:
        return _show(request, board, HTTPStatus.FORBIDDEN, str(error))
    except NoMatchupError as error:
        return _show(request, board, HTTPStatus.CONFLICT, str(error))
    except LimitReachedError as error:
        response = _show(request, board, HTTPStatus.TOO_MANY_REQUESTS, str(error))
        response["Retry-After"] = str(error.retry_after)
        return response
    # htmx follows the redirect too, and shows the battle's fragment under its address.
    return HttpResponseRedirect(battle.get_absolute_url(), status=HTTPStatus.SEE_OTHER)


def _show(request: HtmxRequest, board: Board, status: int, problem: str = "") -> HttpResponse:
    context = {
        "board": board,
        "problem": problem,
        "text": request.POST.get("prompt", ""),
        "longest_typed": LONGEST_TYPED,
        "usual_seconds": find_usual_seconds(board, before=timezone.now()),
    }
    template = "arena/_rater_prompt.html" if request.htmx else "arena/rater_prompt.html"
    response = render(request, template, context, status=status)
    patch_cache_control(response, no_store=True)
    patch_vary_headers(response, ["HX-Request"])
    return response
