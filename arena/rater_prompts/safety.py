"""Safety check of images drawn for raters' prompts: a local classifier checks them before raters see them.

Only the child processes of workers run this: it needs torch, which the site never imports. Battles that wait for a
check are found in the database, so the next run of the beat task makes up for a lost one.
"""

from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from arena.battles import blinding, opening
from arena.battles.closing import close_battle
from arena.models import Battle, Closure, Exclusion, FailedSafetyCheck, Vote
from arena.votes.exclusions import exclude_automatically
from generators import database_time
from generators.images.originals import StorageError
from generators.models import Generation
from generators.providers.redaction import redact

if TYPE_CHECKING:
    from transformers import ImageClassificationPipeline

log = structlog.get_logger(__name__)

# Labels that classifiers use for safe images. An image is unsafe if all other labels together reach UNSAFE_FROM.
SAFE_LABELS: Final = {"safe", "sfw", "normal", "neutral"}
UNSAFE_FROM: Final = 0.5
# A rater waits for the check, so a battle whose check fails is tried again soon, and then ended.
MAX_FAILURES: Final = 3
RETRY_SECONDS: Final = 2


class ClassifierError(Exception):
    """The folder in PARAGONE_SAFETY_MODEL has no usable classifier. No image is shown until it has one."""


def check_waiting_images() -> int:
    """Check the images of all battles that wait for it. Returns the number of these battles."""
    waiting = Battle.objects.filter(
        custom_prompt=True,
        checked=False,
        closed_at__isnull=True,
        generation_a__status=Generation.Status.OK,
        generation_b__status=Generation.Status.OK,
        opened_at__gte=timezone.now() - opening.RESUME_WITHIN,
    ).exclude(failed_safety_check__due_at__gt=database_time.now())
    found = list(waiting.select_related("board", "generation_a", "generation_b").order_by("id"))
    for battle in found:
        try:
            check_images(battle)
        except (ClassifierError, OperationalError, InterfaceError):
            raise  # it would fail for every battle
        except StorageError as error:
            log.warning("safety_check_put_off", battle=battle.pk, reason=str(error))
        except Exception as error:
            log.exception("safety_check_failed", battle=battle.pk)
            _note_failure(battle, error)
    return len(found)


def _note_failure(battle: Battle, error: Exception) -> None:
    """Keep the reason. The battle is checked again after a pause; the last failure closes it."""
    failed, _ = FailedSafetyCheck.objects.get_or_create(battle=battle, defaults={"due_at": database_time.now()})
    failed.failures += 1
    failed.due_at = database_time.now() + timedelta(seconds=RETRY_SECONDS * 2**failed.failures)
    failed.error = redact(f"{type(error).__name__}: {error}")[:2000]
    failed.save()
    if failed.failures >= MAX_FAILURES:
        close_battle(battle, Closure.BLOCKED)


def check_images(battle: Battle) -> None:
    """Pass or close the battle. The classifier sees exactly the derivatives that a rater would see.

    Raises:
        ClassifierError: There is no usable classifier.
    """
    board = battle.board
    classifier = _load_classifier(settings.SAFETY_MODEL)
    try:
        for generation in (battle.generation_a, battle.generation_b):
            file = blinding.derive(generation.original, board.canvas_width, board.canvas_height)
            if _is_unsafe(classifier, file):
                _close_or_exclude(battle, Closure.BLOCKED, Exclusion.Reason.UNSAFE)
                log.info("battle_unsafe", battle=battle.pk)
                return
    except blinding.UnviewableImageError:
        _close_or_exclude(battle, Closure.DAMAGED, Exclusion.Reason.REPORTED_IMAGE)
        return
    Battle.objects.filter(pk=battle.pk).update(checked=True)


def _close_or_exclude(battle: Battle, closure: str, reason: str) -> None:
    """Close the battle; if its vote was cast before the check, exclude the vote instead."""
    if not close_battle(battle, closure):
        for vote in Vote.objects.filter(battle=battle):
            exclude_automatically(vote, reason)


def _is_unsafe(classifier: "ImageClassificationPipeline", file: Path) -> bool:
    found = classifier(str(file), top_k=None)
    unsafe: float = sum(label["score"] for label in found if label["label"].lower() not in SAFE_LABELS)
    return unsafe >= UNSAFE_FROM


@lru_cache(maxsize=1)
def _load_classifier(folder: str) -> "ImageClassificationPipeline":
    """Load the classifier from a local folder. Transformers would look up any other name on the network."""
    if not (Path(folder) / "config.json").is_file():
        raise ClassifierError(f"PARAGONE_SAFETY_MODEL is {folder}, which is not a folder with a config.json.")
    from transformers import logging, pipeline

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # On the CPU: the GPU's memory is for the generators.
    classifier = pipeline("image-classification", model=folder, device="cpu")
    labels = {label.lower() for label in (classifier.model.config.id2label or {}).values()}
    if not labels & SAFE_LABELS or labels <= SAFE_LABELS:
        raise ClassifierError(
            f"The classifier in {folder} has the labels {', '.join(sorted(labels))}. It needs one of "
            f"{', '.join(sorted(SAFE_LABELS))} for safe images, and another label for unsafe ones."
        )
    return classifier
