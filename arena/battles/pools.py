"""Image pool of a board: generates every image the board can show before raters need it."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from django.db import transaction

from arena.models import Board
from generators.generations import request_generations
from generators.models import Generation, ImageModel, Prompt
from generators.workers.stale_claims import dispatch_due, sweep_if_due

BATCH = 1000
OPEN = (Generation.Status.PENDING, Generation.Status.RUNNING)


def fill_pool(board: Board, on_batch: Callable[[int, int], None] = lambda n_done, total: None) -> list[int]:
    """The ids of all images the board can show (each active model with an adapter, prompt and seed).

    Requests the missing ones, in transactions of their own: an interrupted call is continued by the next one.
    ``on_batch`` is called with the images requested and their total.
    """
    pool: list[int] = []
    wanted = _list_pool(board)
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        with transaction.atomic():
            found = request_generations(batch, width=board.canvas_width, height=board.canvas_height, at_once=False)
        pool += [generation.pk for generation in found]
        on_batch(len(pool), len(wanted))
    dispatch_due()
    return pool


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


def watch_pool(pool: Sequence[int], on_tick: Callable[[int, int], None]) -> dict[str, int]:
    """Wait until every image is drawn or has failed. Returns the number of images by status.

    ``on_tick`` is called with the number done and the total at each poll; its exceptions end the watch.
    """
    ids = set(pool)
    of_pool = Generation.objects.filter(pk__range=(min(ids, default=0), max(ids, default=0)))
    while True:
        n_open = len(ids.intersection(of_pool.filter(status__in=OPEN).values_list("pk", flat=True)))
        on_tick(len(pool) - n_open, len(pool))
        if n_open == 0:
            return dict(Counter(status for pk, status in of_pool.values_list("pk", "status").iterator() if pk in ids))
        # Beat may not run: then this sends the messages of a large pool, part by part.
        sweep_if_due()
        time.sleep(0.2)
