"""Opening of battles: the choice of models, prompt and images."""

import random
import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import lru_cache

from django.db import IntegrityError, transaction
from django.utils import timezone

from arena.battles import blinding
from arena.battles.closing import close_battle
from arena.battles.matchmaking import Matchups, choose, weigh_matchups
from arena.leaderboards.matchup_counts import read_matchup_counts
from arena.models import Battle, Board, Closure, Leaderboard, Stage, Vote
from arena.raters.limits import LimitReachedError, take_opening
from generators.generations import request_generations
from generators.models import Generation, ImageModel, Prompt

# A rater who returns within this time gets the same open battle again, so that reloading the page cannot be used to
# look for a particular pair.
RESUME_WITHIN = timedelta(hours=12)
# Matchups tried before the board has nothing to compare: first by matchmaking, then any two models.
MAX_MATCHUPS = 20

_rng = random.SystemRandom()


class NoMatchupError(Exception):
    """The board has no two models with a prompt that both can show. The message is shown to the rater."""


def open_battle(board: Board, rater_key: uuid.UUID, network: str = "") -> Battle:
    """The battle that this rater has open on the board, or a new one on random sides.

    Raises:
        NoMatchupError: The board takes no votes, or has nothing to compare.
        LimitReachedError: The rater or the network has opened too many battles.
    """
    if not board.takes_votes:
        raise NoMatchupError(f"This board shows {board.get_origin_display()}. You cannot vote on it.")
    if battle := find_open(board, rater_key):
        return battle
    try:
        with transaction.atomic():
            generations = _choose_generations(board, rater_key)
            # In the transaction: what opens no battle is not counted, and what is beyond a limit draws nothing.
            over_limit = not take_opening(rater_key, network)
            return create_battle(board, rater_key, generations, network=network, over_limit=over_limit)
    except (IntegrityError, LimitReachedError):
        # The constraint lets one of several concurrent requests open a battle. After any other error there is none.
        if battle := find_open(board, rater_key):
            return battle
        raise


def find_open(board: Board, rater_key: uuid.UUID) -> Battle | None:
    """The rater's open battle on the board. One that cannot be shown or has expired is closed, and not returned."""
    battle = Battle.objects.for_page().filter(board=board, owner=rater_key, closed_at__isnull=True).first()
    if battle is None:
        return None
    if battle.opened_at < timezone.now() - RESUME_WITHIN:
        close_battle(battle, Closure.EXPIRED)
    elif battle.stage_for(rater_key) is Stage.FAILED:
        close_battle(battle, Closure.FAILED)
    return None if battle.closed_at else battle


def create_battle(
    board: Board,
    rater_key: uuid.UUID,
    generations: Sequence[Generation],
    *,
    network: str = "",
    over_limit: bool = False,
    custom_prompt: bool = False,
) -> Battle:
    """Create a battle between two generations of one prompt, on random sides."""
    generation_a, generation_b = _rng.sample(generations, 2)
    return Battle.objects.create(
        board=board,
        prompt=generation_a.prompt,
        model_a=generation_a.model,
        model_b=generation_b.model,
        generation_a=generation_a,
        generation_b=generation_b,
        owner=rater_key,
        network=network,
        over_limit=over_limit,
        custom_prompt=custom_prompt,
    )


def choose_matchup(board: Board, models: Collection[int]) -> tuple[int, int]:
    """Draw the next two of these models (at least two ids) by matchmaking."""
    return choose(_find_matchups(board, models), _rng)


def prepare_images(battle: Battle) -> bool:
    """Make all derivatives, so that both sides load equally fast. If one cannot be shown, close the battle.

    Returns:
        Whether all images can be shown.
    """
    try:
        for original in (battle.generation_a.original, battle.generation_b.original, *battle.prompt.sources):
            blinding.derive(original, battle.board.canvas_width, battle.board.canvas_height)
    except blinding.UnviewableImageError:
        close_battle(battle, Closure.DAMAGED)
        return False
    return True


def _choose_generations(board: Board, rater_key: uuid.UUID) -> list[Generation]:
    """The two generations to compare next: of two models, for one prompt and seed."""
    models = {model.pk: model for model in board.active_models.defer("settings")}
    if len(models) < 2:
        raise NoMatchupError("This board has fewer than two active models.")
    matchups = _find_matchups(board, models)
    seen = set(Vote.objects.filter(board=board, rater__key=rater_key).values_list("prompt_id", flat=True))
    for attempt in range(MAX_MATCHUPS):
        # Then any two: the models that matchmaking prefers may have nothing to show.
        by_matchmaking = attempt < MAX_MATCHUPS // 2
        matchup = [models[pk] for pk in (choose(matchups, _rng) if by_matchmaking else _rng.sample(list(models), 2))]
        if choice := _choose_prompt(board, matchup, seen):
            prompt_id, seed = choice
            drawn = Generation.objects.filter(model__in=matchup, prompt=prompt_id, seed=seed)
            generations = list(drawn.select_related("model", "prompt").defer("reported", "model__settings"))
            return generations if len(generations) == 2 else _request(board, matchup, prompt_id, seed)
    raise NoMatchupError("No two models of this board have images for the same prompt.")


def _find_matchups(board: Board, models: Collection[int]) -> Matchups:
    newest = Leaderboard.objects.filter(board=board).order_by("-id").values_list("pk", flat=True).first()
    return weigh_snapshot(newest, tuple(sorted(models)), board.preliminary_below, board.target_model_id)


@lru_cache(maxsize=64)
def weigh_snapshot(
    leaderboard_id: int | None, models: tuple[int, ...], floor: int, target_model: int | None
) -> Matchups:
    """The matchups of a snapshot. Cached, because a snapshot never changes."""
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
    """(prompt id, seed) for these models: preferably drawn and not yet voted on by this rater, then not yet drawn."""
    generations = Generation.objects.filter(model__in=matchup, prompt__prompt_set__boards=board, seed__lt=board.seeds)
    drawn = Counter(generations.ready().values_list("prompt_id", "seed"))
    ready = [choice for choice, n_models in drawn.items() if n_models == 2]
    if fresh := [choice for choice in ready if choice[0] not in seen]:
        return _rng.choice(fresh)
    if all(model.adapter for model in matchup):
        prompts = Prompt.objects.filter(prompt_set__boards=board).exclude(pk__in=seen).values_list("pk", flat=True)
        unseen = {(pk, seed) for pk in prompts for seed in range(board.seeds)}
        failed = generations.filter(status__in=[Generation.Status.REFUSED, Generation.Status.FAILED])
        if unseen and (drawable := unseen - set(failed.values_list("prompt_id", "seed"))):
            return _rng.choice(sorted(drawable))
    return _rng.choice(ready) if ready else None
