"""Battles on prompts that raters type: two models draw the prompt now, and the rater compares the images.

Beside the limits of a rater and a network (arena/raters/limits.py), two limits apply to all raters of a board together:
prompts per hour, and prompts waiting at once.
"""

import hashlib
import secrets
import uuid
from datetime import timedelta
from math import ceil
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from arena.battles.closing import close_battle
from arena.battles.opening import NoMatchupError, choose_matchup, create_battle, find_open
from arena.battles.pools import OPEN
from arena.models import Battle, BattleQuerySet, Board, Closure
from arena.rater_prompts import moderation
from arena.raters.limits import LimitReachedError, take_opening, take_prompt
from generators import database_time
from generators.generations import request_generations
from generators.models import Generation, ImageModel, Prompt, PromptSet, Provider
from generators.prompts.text import check_prompt
from generators.providers.servers import find_server

# In characters; every provider accepts this many.
LONGEST_TYPED: Final = 1000
HOUR: Final = timedelta(hours=1)
# The hourly limit of a board is this many times the limit of one rater.
RATERS_AT_ONCE: Final = 10
MAX_WAITING: Final = 20
# Seeds below this are accepted by every provider that has seeds.
SEEDS: Final = 2**31


class PromptRefusedError(Exception):
    """The prompt is refused. The message is shown to the rater."""


def open_rater_battle(board: Board, rater_key: uuid.UUID, text: str, network: str = "") -> Battle:
    """Create a battle on a prompt that this rater typed, and request its two images.

    The battle that the rater had open on the board is closed as skipped.

    Raises:
        ValueError: The text is empty, too long, or has characters that cannot be drawn.
        PromptRefusedError: The board takes no prompts, or moderation refuses the text.
        LimitReachedError: The rater, the network or the board has reached a limit.
        NoMatchupError: Fewer than two models can draw now.
    """
    if not board.takes_prompts:
        raise PromptRefusedError("Raters cannot type prompts on this board.")
    text = _check_text(text)
    if reason := moderation.find_objection(text):
        raise PromptRefusedError(f"{reason} Change the prompt and try again.")
    with transaction.atomic():
        # Locks the board, so that concurrent requests cannot pass the limits together.
        Board.objects.select_for_update(no_key=True).get(pk=board.pk)
        _expect_room(board, rater_key)
        take_prompt(rater_key, network)
        over_limit = not take_opening(rater_key, network)
        matchup = _choose_models(board)
        prompt = _store_prompt(board, text)
        # A random seed, so that the images are new even if another rater typed the same words.
        seed = secrets.randbelow(SEEDS)
        generations = request_generations(
            [(model, prompt, seed) for model in matchup], width=board.canvas_width, height=board.canvas_height
        )
        return _replace_battle(board, rater_key, generations, network=network, over_limit=over_limit)


def _replace_battle(
    board: Board, rater_key: uuid.UUID, generations: list[Generation], *, network: str, over_limit: bool
) -> Battle:
    """Create the battle in place of the one that the rater has open."""
    while left := find_open(board, rater_key):
        close_battle(left, Closure.SKIPPED)
    try:
        with transaction.atomic():
            return create_battle(
                board, rater_key, generations, network=network, over_limit=over_limit, custom_prompt=True
            )
    except IntegrityError:
        # Unless another request of this rater opened a battle at the same moment.
        if not find_open(board, rater_key):
            raise
    return _replace_battle(board, rater_key, generations, network=network, over_limit=over_limit)


def _check_text(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise ValueError("The prompt is empty. Describe what to draw.")
    if len(text) > LONGEST_TYPED:
        raise ValueError(
            f"The prompt has {len(text):,} characters, but at most {LONGEST_TYPED:,} are allowed. Shorten it."
        )
    return check_prompt(text)


def _expect_room(board: Board, rater_key: uuid.UUID) -> None:
    """Raises LimitReachedError."""
    recent = Battle.objects.filter(board=board, custom_prompt=True, opened_at__gte=timezone.now() - HOUR)
    limit = board.rater_prompts_per_hour
    if wait := _find_wait(recent.filter(owner=rater_key), limit):
        raise LimitReachedError(f"You have reached the limit of {limit} prompts per hour on this board.", wait)
    if wait := _find_wait(recent, limit * RATERS_AT_ONCE):
        raise LimitReachedError("This board has reached its hourly limit of raters' prompts.", wait)
    waiting = recent.filter(Q(generation_a__status__in=OPEN) | Q(generation_b__status__in=OPEN))
    if waiting.count() >= MAX_WAITING:
        raise LimitReachedError("Many prompts are waiting to be drawn.", 60)


def _find_wait(recent: BattleQuerySet, limit: int) -> int:
    """Seconds until fewer than ``limit`` of these are younger than an hour; 0 if there are fewer now."""
    newest = list(recent.order_by("-opened_at").values_list("opened_at", flat=True)[:limit])
    if len(newest) < limit:
        return 0
    opened_at = newest[-1] if newest else timezone.now()
    return max(1, ceil((opened_at + HOUR - timezone.now()).total_seconds()))


def _choose_models(board: Board) -> list[ImageModel]:
    """Two of the board's active models that can draw now."""
    paused = set(Provider.objects.filter(resume_at__gt=database_time.now()).values_list("slug", "host"))
    able = board.active_models.exclude(adapter="")
    models = {model.pk: model for model in able if find_server(model) not in paused}
    if len(models) < 2:
        raise NoMatchupError("Fewer than two models of this board can draw now. Try again later.")
    return [models[pk] for pk in choose_matchup(board, models)]


def _store_prompt(board: Board, text: str) -> Prompt:
    """Find or create the prompt in the set of the board's raters. The image pool does not use this set."""
    prompt_set, _ = PromptSet.objects.get_or_create(
        slug=f"raters-{board.slug}"[:100], version="1", defaults={"title": f"Typed by raters: {board.title}"[:200]}
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    prompt, _ = Prompt.objects.get_or_create(prompt_set=prompt_set, key=digest, defaults={"text": text})
    return prompt
