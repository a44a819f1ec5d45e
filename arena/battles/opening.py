"""The life of a Battle: opened, drawn, shown, set aside."""

import random
import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import lru_cache

from django.db import transaction
from django.utils import timezone

from arena.battles import blinding
from arena.battles.matchmaking import Matchups, choose, weigh_matchups
from arena.leaderboards.matchup_counts import read_matchup_counts
from arena.models import Battle, Board, Leaderboard, Stage, Vote
from generators.generations import request_generations
from generators.models import Generation, ImageModel, Prompt

# A rater who comes back within this time finds the battle that was left open, so that reloading the page is no way of
# looking for a pair one would like to judge.
RESUME_WITHIN = timedelta(hours=12)
# Matchups tried before the board is said to have nothing to compare: the wanted ones, then any.
MATCHUPS_TRIED = 20

_rng = random.SystemRandom()


class NoMatchupError(Exception):
    """The board has no two models with a prompt that both can show. The message is for the page."""


def open_battle(board: Board, rater_key: uuid.UUID) -> Battle:
    """The battle this browser left open on the board, or a new one with sides drawn by lot."""
    if not board.takes_votes:
        raise NoMatchupError("This board shows votes made elsewhere. There is nothing to vote on here.")
    left = Battle.objects.filter(board=board, opened_by=rater_key, opened_at__gte=timezone.now() - RESUME_WITHIN)
    newest = left.seen_by(rater_key).order_by("-id").first()
    if newest and newest.stage in {Stage.READY, Stage.DRAWING}:
        return newest
    with transaction.atomic():
        return create_battle(board, rater_key, _choose_generations(board, rater_key))


def create_battle(
    board: Board, rater_key: uuid.UUID, generations: Sequence[Generation], *, custom_prompt: bool = False
) -> Battle:
    """A new battle between two generations of one prompt, on sides drawn by lot."""
    generation_a, generation_b = _rng.sample(generations, 2)
    return Battle.objects.create(
        board=board,
        prompt=generation_a.prompt,
        model_a=generation_a.model,
        model_b=generation_b.model,
        generation_a=generation_a,
        generation_b=generation_b,
        opened_by=rater_key,
        custom_prompt=custom_prompt,
    )


def choose_matchup(board: Board, models: Collection[int]) -> tuple[int, int]:
    """The two of these models (two ids or more) that are wanted next on the board."""
    return choose(_find_matchups(board, models), _rng)


def exclude_battle(battle: Battle, reason: str, rater_key: uuid.UUID | None) -> None:
    """Take the battle out of the count, its votes too. The first reason stays; an unknown one is a ValueError."""
    if reason not in Battle.ExclusionReason.values:
        raise ValueError(f"Unknown reason {reason!r}; known are {', '.join(Battle.ExclusionReason.values)}.")
    Battle.objects.filter(pk=battle.pk, exclusion="").update(exclusion=reason, excluded_by=rater_key)
    battle.refresh_from_db(fields=["exclusion", "excluded_by"])


def prepare_images(battle: Battle) -> bool:
    """Make all derivatives, so that neither side arrives later than the other; False when one cannot be shown."""
    try:
        for original in (battle.generation_a.original, battle.generation_b.original, *battle.prompt.sources):
            blinding.derive(original, battle.board.canvas_width, battle.board.canvas_height)
    except blinding.UnviewableImageError:
        exclude_battle(battle, Battle.ExclusionReason.BROKEN, None)
        return False
    return True


def _choose_generations(board: Board, rater_key: uuid.UUID) -> list[Generation]:
    """The two images to compare next: of two models, for one prompt and seed."""
    models = {model.pk: model for model in board.active_models.defer("settings")}
    if len(models) < 2:
        raise NoMatchupError("This board has fewer than two models that meet in battles.")
    matchups = _find_matchups(board, models)
    seen = set(Vote.objects.filter(board=board, rater__key=rater_key).values_list("prompt_id", flat=True))
    for attempt in range(MATCHUPS_TRIED):
        # A model that is wanted most may have nothing to show.
        wanted = attempt < MATCHUPS_TRIED // 2
        matchup = [models[pk] for pk in (choose(matchups, _rng) if wanted else _rng.sample(list(models), 2))]
        if choice := _choose_prompt(board, matchup, seen):
            prompt_id, seed = choice
            drawn = Generation.objects.filter(model__in=matchup, prompt=prompt_id, seed=seed)
            generations = list(drawn.select_related("model", "prompt").defer("reported", "model__settings"))
            return generations if len(generations) == 2 else _request(board, matchup, prompt_id, seed)
    raise NoMatchupError("No two models of this board have a prompt that both can show.")


def _find_matchups(board: Board, models: Collection[int]) -> Matchups:
    newest = Leaderboard.objects.filter(board=board).order_by("-id").values_list("pk", flat=True).first()
    return _weigh(newest, tuple(sorted(models)), board.preliminary_below, board.target_model_id)


@lru_cache(maxsize=64)
def _weigh(leaderboard_id: int | None, models: tuple[int, ...], floor: int, target_model: int | None) -> Matchups:
    """How likely each pair is to meet next: once a snapshot, which never changes."""
    matchup_counts = read_matchup_counts(leaderboard_id) if leaderboard_id else {}
    return weigh_matchups(
        models, matchup_counts, target_model=target_model if target_model in models else None, floor=floor
    )


def _request(board: Board, matchup: Sequence[ImageModel], prompt_id: int, seed: int) -> list[Generation]:
    prompt = Prompt.objects.get(pk=prompt_id)
    return request_generations(
        [(model, prompt, seed) for model in matchup], width=board.canvas_width, height=board.canvas_height
    )


def _choose_prompt(board: Board, matchup: Sequence[ImageModel], seen: Collection[int]) -> tuple[int, int] | None:
    """(prompt id, seed) for these models: drawn ones first, and among them those this rater has not seen."""
    generations = Generation.objects.filter(model__in=matchup, prompt__prompt_set__boards=board, seed__lt=board.seeds)
    drawn = Counter(generations.ready().values_list("prompt_id", "seed"))
    warm = [choice for choice, n_models in drawn.items() if n_models == 2]
    if fresh := [choice for choice in warm if choice[0] not in seen]:
        return _rng.choice(fresh)
    if all(model.adapter for model in matchup):
        prompts = Prompt.objects.filter(prompt_set__boards=board).exclude(pk__in=seen).values_list("pk", flat=True)
        cold = {(pk, seed) for pk in prompts for seed in range(board.seeds)}
        undrawable = generations.filter(status__in=[Generation.Status.REFUSED, Generation.Status.FAILED])
        if cold and (drawable := cold - set(undrawable.values_list("prompt_id", "seed"))):
            return _rng.choice(sorted(drawable))
    return _rng.choice(warm) if warm else None
