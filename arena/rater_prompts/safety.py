"""A look at the images that were drawn for raters' prompts, by a classifier on this machine, before they are shown.

Only the pool's child processes call this: it needs torch, which the site never imports. The database is the truth: a
battle that waits to be looked at says so itself, and a tick that was lost is made good by the next.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from django.conf import settings
from django.utils import timezone

from arena.battles import blinding, opening
from arena.models import Battle
from generators.models import Generation

if TYPE_CHECKING:
    from transformers import ImageClassificationPipeline

log = structlog.get_logger(__name__)

# What such classifiers call an image that anyone may see. It is unsafe from this probability of all other labels on.
SAFE_LABELS: Final = {"safe", "sfw", "normal", "neutral"}
UNSAFE_FROM: Final = 0.5


class ClassifierError(Exception):
    """The folder in PARAGONE_SAFETY_MODEL holds nothing that tells safe images. Until it does, none is shown."""


def check_waiting_images() -> int:
    """Look at the images of all battles that wait for it; the number of these battles."""
    waiting = Battle.objects.filter(
        custom_prompt=True,
        checked=False,
        exclusion="",
        generation_a__status=Generation.Status.OK,
        generation_b__status=Generation.Status.OK,
        opened_at__gte=timezone.now() - opening.RESUME_WITHIN,
    )
    found = list(waiting.select_related("board", "generation_a", "generation_b").order_by("id"))
    for battle in found:
        check_images(battle)
    return len(found)


def check_images(battle: Battle) -> None:
    """Let the battle be shown, or set it aside: what is looked at is exactly what a rater would see.

    Raises ClassifierError.
    """
    board = battle.board
    classifier = _load_classifier(settings.SAFETY_MODEL)
    try:
        for generation in (battle.generation_a, battle.generation_b):
            file = blinding.derive(generation.original, board.canvas_width, board.canvas_height)
            if _is_unsafe(classifier, file):
                opening.exclude_battle(battle, Battle.ExclusionReason.UNSAFE, None)
                log.info("battle_unsafe", battle=battle.pk)
                return
    except blinding.UnviewableImageError:
        opening.exclude_battle(battle, Battle.ExclusionReason.BROKEN, None)
        return
    Battle.objects.filter(pk=battle.pk).update(checked=True)


def _is_unsafe(classifier: "ImageClassificationPipeline", file: Path) -> bool:
    found = classifier(str(file), top_k=None)
    unsafe: float = sum(label["score"] for label in found if label["label"].lower() not in SAFE_LABELS)
    return unsafe >= UNSAFE_FROM


@lru_cache(maxsize=1)
def _load_classifier(folder: str) -> "ImageClassificationPipeline":
    """From the folder alone: a name that is no folder would be looked for on the network."""
    if not (Path(folder) / "config.json").is_file():
        raise ClassifierError(f"PARAGONE_SAFETY_MODEL is {folder}, and that is no folder with a config.json.")
    from transformers import logging, pipeline

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # On the processor: the card's memory is for drawing.
    classifier = pipeline("image-classification", model=folder, device="cpu")
    labels = {label.lower() for label in (classifier.model.config.id2label or {}).values()}
    if not labels & SAFE_LABELS or labels <= SAFE_LABELS:
        raise ClassifierError(
            f"The classifier in {folder} has the labels {', '.join(sorted(labels))}; wanted one of "
            f"{', '.join(sorted(SAFE_LABELS))} for what may be shown, and others for what may not."
        )
    return classifier
