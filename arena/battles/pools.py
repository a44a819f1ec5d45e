"""Image pool of a board: generates every image the board can show before raters need it."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from django.db import transaction

from arena.models import Board
from generators.generations import request_generations
from generators.models import Generation, ImageModel, Prompt
from generators.workers.stale_claims import sweep_if_due

OPEN = (Generation.Status.PENDING, Generation.Status.RUNNING)


def fill_pool(board: Board) -> list[Generation]:
    """All images the board can show (each active model with an adapter, prompt and seed). Requests the missing ones."""
    with transaction.atomic():
        return request_generations(_list_pool(board), width=board.canvas_width, height=board.canvas_height)


def count_missing(board: Board) -> Counter[ImageModel]:
    """Number of images missing from the pool, by model."""
    there = Generation.objects.filter(prompt__prompt_set__boards=board, seed__lt=board.seeds)
    drawn = set(there.values_list("model_id", "prompt_id", "seed"))
    return Counter(model for model, prompt, seed in _list_pool(board) if (model.pk, prompt.pk, seed) not in drawn)


def _list_pool(board: Board) -> list[tuple[ImageModel, Prompt, int]]:
    models = board.active_models.exclude(adapter="")
    prompts = list(Prompt.objects.filter(prompt_set__boards=board).order_by("pk"))
    # Prompt by prompt, so that the first pairs are complete early.
    return [(model, prompt, seed) for seed in range(board.seeds) for prompt in prompts for model in models]


def watch_pool(pool: Sequence[Generation], on_tick: Callable[[int, int], None]) -> dict[str, int]:
    """Wait until every image is drawn or has failed. Returns the number of images by status.

    ``on_tick`` is called with the number done and the total at each poll; its exceptions end the watch.
    """
    first, last = min((g.pk for g in pool), default=0), max((g.pk for g in pool), default=0)
    ids = {g.pk for g in pool}
    while True:
        rows = Generation.objects.filter(pk__range=(first, last)).values_list("pk", "status")
        outcome_counts = Counter(status for pk, status in rows if pk in ids)
        n_done = len(pool) - sum(outcome_counts[status] for status in OPEN)
        on_tick(n_done, len(pool))
        if n_done == len(pool):
            return dict(outcome_counts)
        sweep_if_due()
        time.sleep(0.2)
