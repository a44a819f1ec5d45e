"""Boards whose images exist in the database only, and votes on two of them."""

import uuid

from arena.battles.opening import create_battle
from arena.battles.pools import fill_pool
from arena.models import Battle, Board
from arena.votes.casting import cast_vote
from generators.models import Generation
from tests import builders


def make_undrawn_board() -> Board:
    """Three models, four prompts."""
    board = builders.make_board()
    generations = list(Generation.objects.filter(pk__in=fill_pool(board)).order_by("pk"))
    for n, generation in enumerate(generations):
        generation.status, generation.original, generation.media_type = Generation.Status.OK, f"{n:064}", "image/png"
    Generation.objects.bulk_update(generations, ["status", "original", "media_type"])
    return board


def images_of(board: Board) -> list[list[Generation]]:
    """The images of each prompt, by model."""
    prompts = board.prompt_sets.get().prompts.order_by("pk")
    generations = Generation.objects.select_related("model", "prompt").order_by("model__slug")
    return [list(generations.filter(prompt=prompt)) for prompt in prompts]


def vote(board: Board, preferred: Generation, other: Generation, winner: str = "") -> Battle:
    """Vote for the first image, on either side, or "tie" or "both_bad"."""
    battle = create_battle(board, uuid.uuid4(), [preferred, other])
    side = "model_a" if battle.generation_a == preferred else "model_b"
    cast_vote(battle, battle.owner, winner or side)
    return battle
