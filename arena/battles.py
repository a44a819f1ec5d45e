"""The life of a Battle: opened, drawn, shown, set aside."""

import random
import uuid
from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from arena import blinding, matchmaking
from arena.models import Battle, Board, Leaderboard, Vote
from arena.tallies import count_meetings
from generators.generations import request_generations
from generators.models import Generation, ImageModel, Prompt

# A rater who comes back within this time finds the battle that was left open, so that reloading the page is no way of
# looking for a pair one would like to judge.
RESUME_WITHIN = timedelta(hours=12)
# Different matchups tried before the board is said to have nothing to compare.
MATCHUPS_TRIED = 20

_rng = random.SystemRandom()


class Stage(StrEnum):
    """What a battle looks like to one rater."""

    DRAWING = "drawing"
    READY = "ready"
    FAILED = "failed"
    SET_ASIDE = "set_aside"
    REVEALED = "revealed"


class NothingToCompare(Exception):
    """The board has no two models with a prompt that both can show. The message is for the page."""


def open_battle(board: Board, rater_key: uuid.UUID) -> Battle:
    """The battle this browser left open on the board, or a new one with sides drawn by lot."""
    if not board.takes_votes:
        raise NothingToCompare("This board shows votes made elsewhere. There is nothing to vote on here.")
    newest = (
        Battle.objects.select_related("board", "prompt", "generation_a", "generation_b")
        .filter(board=board, opened_by=rater_key, opened_at__gte=timezone.now() - RESUME_WITHIN)
        .order_by("-id")
        .first()
    )
    if newest and stage_of(newest, rater_key) in {Stage.READY, Stage.DRAWING}:
        return newest
    with transaction.atomic():
        prompt, seed, models = _choose(board, rater_key)
        _rng.shuffle(models)
        model_a, model_b = models
        generation_a, generation_b = request_generations(
            [(model_a, prompt, seed), (model_b, prompt, seed)], width=board.canvas_width, height=board.canvas_height
        )
        return Battle.objects.create(
            board=board,
            prompt=prompt,
            model_a=model_a,
            model_b=model_b,
            generation_a=generation_a,
            generation_b=generation_b,
            opened_by=rater_key,
        )


def stage_of(battle: Battle, rater_key: uuid.UUID | None) -> Stage:
    """What this rater may see. Another rater's vote changes nothing."""
    if rater_key and Vote.objects.filter(battle=battle, rater__key=rater_key).exists():
        return Stage.REVEALED
    if battle.set_aside:
        return Stage.SET_ASIDE
    statuses = {battle.generation_a.status, battle.generation_b.status}
    if statuses & {Generation.Status.REFUSED, Generation.Status.FAILED}:
        return Stage.FAILED
    return Stage.READY if statuses == {Generation.Status.OK} else Stage.DRAWING


def set_aside(battle: Battle, reason: str, rater_key: uuid.UUID | None) -> None:
    """Take the battle out of the count, its votes too. The first reason stays; an unknown one is a ValueError."""
    if reason not in Battle.SetAside.values:
        raise ValueError(f"Unknown reason {reason!r}; known are {', '.join(Battle.SetAside.values)}.")
    Battle.objects.filter(pk=battle.pk, set_aside="").update(set_aside=reason, set_aside_by=rater_key)
    battle.refresh_from_db(fields=["set_aside", "set_aside_by"])


def prepare_images(battle: Battle) -> bool:
    """Make both derivatives, so that neither arrives later than the other; False when one cannot be shown."""
    try:
        for generation in (battle.generation_a, battle.generation_b):
            blinding.derive(generation.original, battle.board.canvas_width, battle.board.canvas_height)
    except blinding.UnviewableImage:
        set_aside(battle, Battle.SetAside.BROKEN, None)
        return False
    return True


def _choose(board: Board, rater_key: uuid.UUID) -> tuple[Prompt, int, list[ImageModel]]:
    models = {m.pk: m for m in board.contestants.exclude(lifecycle=ImageModel.Lifecycle.RETIRED)}
    if len(models) < 2:
        raise NothingToCompare("This board has fewer than two models that are not retired.")
    meetings = count_meetings(newest.pk) if (newest := Leaderboard.objects.newest(board)) else {}
    seen = set(Vote.objects.filter(board=board, rater__key=rater_key).values_list("prompt_id", flat=True))
    for _ in range(MATCHUPS_TRIED):
        matchup = [models[pk] for pk in matchmaking.choose_matchup(list(models), meetings, _rng)]
        if choice := _choose_prompt(board, matchup, seen):
            return Prompt.objects.get(pk=choice[0]), choice[1], matchup
    raise NothingToCompare("No two models of this board have a prompt that both can show.")


def _choose_prompt(board: Board, matchup: list[ImageModel], seen: Collection[int]) -> tuple[int, int] | None:
    """(prompt id, seed) for these models: drawn ones first, and among them those this rater has not seen."""
    generations = Generation.objects.filter(model__in=matchup, prompt__prompt_set__boards=board, seed__lt=board.seeds)
    warm = list(
        generations.ready().values_list("prompt_id", "seed").annotate(n=Count("id")).filter(n=2)
        .values_list("prompt_id", "seed")
    )  # fmt: skip
    if fresh := [choice for choice in warm if choice[0] not in seen]:
        return _rng.choice(fresh)
    if all(model.adapter for model in matchup):
        undrawable = set(
            generations.filter(status__in=[Generation.Status.REFUSED, Generation.Status.FAILED])
            .values_list("prompt_id", "seed")
        )  # fmt: skip
        prompts = Prompt.objects.filter(prompt_set__boards=board).values_list("pk", flat=True)
        cold = [(pk, seed) for pk in prompts if pk not in seen for seed in range(board.seeds)]
        if drawable := [choice for choice in cold if choice not in undrawable and choice not in set(warm)]:
            return _rng.choice(drawable)
    return _rng.choice(warm) if warm else None
