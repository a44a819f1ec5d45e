"""Builders of the rows that tests need: models, prompts, boards, battles and votes."""

import itertools
import uuid

from django.core.signing import get_cookie_signer
from django.test import Client

from arena.battles.opening import open_battle
from arena.battles.pools import fill_pool
from arena.models import Battle, Board, Exclusion, Vote
from arena.rater_prompts.opening import open_rater_battle
from arena.raters.identity import COOKIE
from arena.votes.casting import cast_vote
from arena.votes.exclusions import exclude_votes
from generators.adapters.base import GenerationRequest
from generators.adapters.registry import load_generator
from generators.images import originals
from generators.models import ImageModel, Prompt, PromptSet
from generators.workers import drawing

_number = itertools.count(1)


def make_model(**fields: object) -> ImageModel:
    n = f"{next(_number):06}"  # padded: models are sorted by their slugs
    defaults = {
        "slug": f"secret-slug-{n}",
        "name": f"Secret Name {n}",
        "organization": f"Secret Provider {n}",
        "family": f"secret-family-{n}",
        "revision": f"secret-revision-{n}",
        "adapter": "sketch",
        "settings": {},
    }
    return ImageModel.objects.create(**{**defaults, **fields})


def make_prompt_set(n_prompts: int = 4) -> PromptSet:
    n = f"{next(_number):06}"  # padded: models are sorted by their slugs
    prompt_set = PromptSet.objects.create(slug=f"prompts-{n}", version="1", title="Prompts", digest="0" * 64)
    for i in range(n_prompts):
        text = f"{i + 1} red circles above a blue square"
        Prompt.objects.create(prompt_set=prompt_set, key=f"p{i}", text=text, category="counting", language="en")
    return prompt_set


def make_board(*, n_models: int = 3, n_prompts: int = 4, drawn: bool = False, **fields: object) -> Board:
    n = f"{next(_number):06}"  # padded: models are sorted by their slugs
    defaults = {"slug": f"board-{n}", "title": f"Board {n}", "canvas_width": 96, "canvas_height": 96}
    board = Board.objects.create(**{**defaults, **fields})
    board.image_models.set([make_model() for _ in range(n_models)])
    if n_prompts:
        board.prompt_sets.set([make_prompt_set(n_prompts)])
    if drawn:
        draw(board)
    return board


def make_edit_board(*, n_prompts: int = 3, n_sources: int = 1, drawn: bool = False, **fields: object) -> Board:
    """A board of edits, each prompt with its own source images."""
    board = make_board(n_prompts=0, task=Board.Task.IMAGE_EDIT, **fields)
    prompt_set = make_prompt_set(n_prompts)
    size = board.canvas_width, board.canvas_height
    for i, prompt in enumerate(prompt_set.prompts.order_by("pk")):
        requests = [GenerationRequest("a tree on a meadow", 10 * i + n, *size) for n in range(n_sources)]
        sources = load_generator("sketch", {}).generate(requests)
        prompt.text = "Add a yellow star in the top left corner and a red car in the bottom right corner"
        prompt.sources = [originals.store(source.data) for source in sources]
        prompt.save()
    board.prompt_sets.set([prompt_set])
    if drawn:
        draw(board)
    return board


def draw(board: Board) -> None:
    """Draw the board's pool in this process, as a worker would."""
    for pk in fill_pool(board):
        drawing.produce(pk)


def make_battle(board: Board, key: uuid.UUID | None = None) -> Battle:
    return open_battle(board, key or uuid.uuid4())


def make_client(key: uuid.UUID) -> Client:
    """A browser whose cookie holds this rater's key."""
    client = Client()
    client.cookies[COOKIE] = get_cookie_signer(salt=COOKIE).sign(str(key))
    return client


def make_vote(board: Board, winner: str = "model_a", key: uuid.UUID | None = None) -> Vote:
    key = key or uuid.uuid4()
    return cast_vote(make_battle(board, key), key, winner)[0]


def exclude(*votes: Vote) -> Exclusion:
    """An exclusion of votes of one board by an operator."""
    return exclude_votes(votes[0].board, [vote.pk for vote in votes], note="a test", made_by="tests")


def make_rater_battle(
    board: Board, text: str = "a red boat under two moons", key: uuid.UUID | None = None, *, drawn: bool = True
) -> Battle:
    """A battle on a custom prompt, on a board that accepts them."""
    battle = open_rater_battle(board, key or uuid.uuid4(), text)
    if drawn:
        for generation in (battle.generation_a, battle.generation_b):
            drawing.produce(generation.pk)
            generation.refresh_from_db()
    return battle
