"""Prompts that raters type: two models draw one now, and the rater compares what comes out.

Nobody is known here, so a limit for each browser stops only those who keep their cookie. Beside it stands what holds
for everyone together: how many prompts a board draws in an hour, and how many may wait at once.
"""

import hashlib
import secrets
import uuid
from datetime import timedelta
from math import ceil
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from arena.battles.opening import NoMatchupError, choose_matchup, create_battle
from arena.battles.pools import OPEN
from arena.models import Battle, BattleQuerySet, Board
from arena.rater_prompts import moderation
from generators.generations import request_generations
from generators.models import ImageModel, Prompt, PromptSet, Provider
from generators.prompts.text import check_prompt

# Characters; every provider takes as many.
LONGEST_TYPED: Final = 1000
HOUR: Final = timedelta(hours=1)
# A board draws as much in an hour as this many raters at their limit may ask for.
RATERS_AT_ONCE: Final = 10
MOST_WAITING: Final = 20
# What every provider that has seeds takes as one.
SEEDS: Final = 2**31


class PromptRefusedError(Exception):
    """The board does not draw this. The message is for the page."""


class PromptLimitError(Exception):
    """Not now, but after ``retry_after`` seconds. The message is for the page."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def open_rater_battle(board: Board, rater_key: uuid.UUID, text: str) -> Battle:
    """A battle on the prompt that this rater typed, its two images asked for now.

    Raises PromptRefusedError (by the board or by moderation), ValueError for a text that nothing can be drawn from,
    PromptLimitError, or NoMatchupError where no two models can draw now.
    """
    if not board.takes_prompts:
        raise PromptRefusedError("Raters cannot type prompts on this board.")
    text = _check_text(text)
    if reason := moderation.find_objection(text):
        raise PromptRefusedError(f"{reason} Change the prompt and try again.")
    with transaction.atomic():
        # One at a time on a board, or two requests at the same moment would both find room.
        Board.objects.select_for_update(no_key=True).get(pk=board.pk)
        _expect_room(board, rater_key)
        matchup = _choose_models(board)
        prompt = _store_prompt(board, text)
        # A seed of its own: drawn now, and not what another rater saw for the same words.
        seed = secrets.randbelow(SEEDS)
        generations = request_generations(
            [(model, prompt, seed) for model in matchup], width=board.canvas_width, height=board.canvas_height
        )
        return create_battle(board, rater_key, generations, custom_prompt=True)


def _check_text(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise ValueError("There is no prompt yet. Say what to draw.")
    if len(text) > LONGEST_TYPED:
        raise ValueError(f"The prompt has {len(text):,} characters; at most {LONGEST_TYPED:,} are taken. Shorten it.")
    return check_prompt(text)


def _expect_room(board: Board, rater_key: uuid.UUID) -> None:
    """Raises PromptLimitError."""
    recent = Battle.objects.filter(board=board, custom_prompt=True, opened_at__gte=timezone.now() - HOUR)
    limit = board.rater_prompts_per_hour
    if wait := _find_wait(recent.filter(opened_by=rater_key), limit):
        raise PromptLimitError(
            f"This board draws {limit} prompts an hour for one person, and you have had yours. "
            f"Your next one can be drawn in {_say_minutes(wait)}.",
            wait,
        )
    if wait := _find_wait(recent, limit * RATERS_AT_ONCE):
        raise PromptLimitError(
            f"This board has drawn as many prompts as it can in an hour. Try again in {_say_minutes(wait)}.", wait
        )
    undrawn = recent.filter(Q(generation_a__status__in=OPEN) | Q(generation_b__status__in=OPEN))
    if undrawn.count() >= MOST_WAITING:
        raise PromptLimitError("Many prompts are being drawn now. Try again in a minute.", 60)


def _find_wait(recent: BattleQuerySet, limit: int) -> int:
    """Seconds until fewer than ``limit`` of these are younger than an hour; 0 when they are fewer now."""
    newest = list(recent.order_by("-opened_at").values_list("opened_at", flat=True)[:limit])
    if len(newest) < limit:
        return 0
    opened_at = newest[-1] if newest else timezone.now()
    return max(1, ceil((opened_at + HOUR - timezone.now()).total_seconds()))


def _say_minutes(seconds: int) -> str:
    minutes = ceil(seconds / 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def _choose_models(board: Board) -> list[ImageModel]:
    """Two of the board's active_models that can draw now."""
    away = Provider.objects.filter(resume_at__gt=timezone.now()).values("slug")
    able = board.active_models.exclude(adapter="").exclude(adapter__in=away)
    models = {model.pk: model for model in able}
    if len(models) < 2:
        raise NoMatchupError("Fewer than two models of this board can draw now. Try again later.")
    return [models[pk] for pk in choose_matchup(board, models)]


def _store_prompt(board: Board, text: str) -> Prompt:
    """The prompt of these words, in the set that the board's raters add to; the pool draws nothing from it."""
    prompt_set, _ = PromptSet.objects.get_or_create(
        slug=f"raters-{board.slug}"[:100], version="1", defaults={"title": f"Typed by raters: {board.title}"[:200]}
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    prompt, _ = Prompt.objects.get_or_create(prompt_set=prompt_set, key=digest, defaults={"text": text})
    return prompt
