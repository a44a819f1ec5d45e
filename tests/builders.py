"""What tests need to stand on: models that draw, prompts, boards, battles."""

import itertools
import uuid

from arena.battles import open_battle
from arena.models import Battle, Board, Vote
from arena.pools import fill_pool
from arena.voting import cast_vote
from generators import generations
from generators.models import ImageModel, Prompt, PromptSet

_number = itertools.count(1)


def make_model(**fields: object) -> ImageModel:
    n = next(_number)
    defaults = {
        "slug": f"secret-slug-{n}",
        "name": f"Secret Name {n}",
        "organization": f"Secret Maker {n}",
        "family": f"secret-family-{n}",
        "revision": f"secret-revision-{n}",
        "adapter": "sketch",
        "settings": {},
    }
    return ImageModel.objects.create(**{**defaults, **fields})


def make_prompt_set(n_prompts: int = 4) -> PromptSet:
    n = next(_number)
    prompt_set = PromptSet.objects.create(slug=f"prompts-{n}", version="1", title="Prompts", digest="0" * 64)
    for i in range(n_prompts):
        text = f"{i + 1} red circles above a blue square"
        Prompt.objects.create(prompt_set=prompt_set, key=f"p{i}", text=text, category="counting", language="en")
    return prompt_set


def make_board(*, n_models: int = 3, n_prompts: int = 4, drawn: bool = False, **fields: object) -> Board:
    n = next(_number)
    defaults = {"slug": f"board-{n}", "title": f"Board {n}", "canvas_width": 96, "canvas_height": 96}
    board = Board.objects.create(**{**defaults, **fields})
    board.contestants.set([make_model() for _ in range(n_models)])
    if n_prompts:
        board.prompt_sets.set([make_prompt_set(n_prompts)])
    if drawn:
        draw(board)
    return board


def draw(board: Board) -> None:
    """Fill the board's pool as a worker would, in this process."""
    for generation in fill_pool(board):
        generations.produce(generation.pk)


def make_battle(board: Board, key: uuid.UUID | None = None) -> Battle:
    return open_battle(board, key or uuid.uuid4())


def make_vote(board: Board, winner: str = "model_a", key: uuid.UUID | None = None) -> Vote:
    key = key or uuid.uuid4()
    return cast_vote(make_battle(board, key), key, winner)[0]
