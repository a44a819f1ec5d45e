"""Battles: blind comparisons of two images, and their stages."""

import secrets
import uuid
from enum import StrEnum
from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from arena.models.boards import Board
from generators.models import Generation, ImageModel, Prompt


def new_token() -> str:
    return secrets.token_urlsafe(16)


class Stage(StrEnum):
    """The state of a battle, as one rater sees it.

    Before the vote everyone but its owner sees only that it is TAKEN. After the vote it is REVEALED to everyone.
    """

    DRAWING = "drawing"
    READY = "ready"
    FAILED = "failed"
    ENDED = "ended"
    TAKEN = "taken"
    REVEALED = "revealed"


class Closure(models.TextChoices):
    """How a battle was closed: by its vote, or why without one."""

    VOTE = "vote", "Voted on"
    # Reported by the owner.
    BROKEN = "broken", "An image is broken"
    UNSAFE = "unsafe", "An image is unsafe"
    REVEALING = "revealing", "An image reveals its model"
    # Left by the owner, for a prompt of their own.
    SKIPPED = "skipped", "Another pair was asked for"
    # Found by the site.
    FAILED = "failed", "An image could not be drawn"
    DAMAGED = "damaged", "An image file is missing or damaged"
    BLOCKED = "blocked", "The safety check did not pass both images"
    EXPIRED = "expired", "Not voted on in time"


# The reasons for which an owner can report a battle.
REPORTS: Final = (Closure.BROKEN, Closure.UNSAFE, Closure.REVEALING)
# The closures by which an owner gets another pair without a vote.
SKIPS: Final = (*REPORTS, Closure.SKIPPED)


class BattleQuerySet(models.QuerySet["Battle"]):
    def for_page(self) -> "BattleQuerySet":
        """Battles with the rows that their page needs."""
        return self.select_related("board", "prompt", "generation_a", "generation_b").defer(
            "generation_a__reported",
            "generation_b__reported",  # large, and never shown to a rater
        )


class Battle(models.Model):
    """A blind comparison of two models' images for one prompt. A browser knows it by its token only.

    It belongs to the rater to whom it was handed, its owner, takes one vote from them, and is closed by it. The
    database enforces this (arena/triggers.py). A battle that is closed without a vote takes none.
    """

    token = models.CharField(max_length=32, unique=True, default=new_token)
    board = models.ForeignKey(Board, models.PROTECT, related_name="battles")
    prompt = models.ForeignKey(Prompt, models.PROTECT)
    model_a = models.ForeignKey(ImageModel, models.PROTECT, related_name="+")
    model_b = models.ForeignKey(ImageModel, models.PROTECT, related_name="+")
    generation_a = models.ForeignKey(Generation, models.PROTECT, related_name="+")
    generation_b = models.ForeignKey(Generation, models.PROTECT, related_name="+")
    # The key of the rater to whom it was handed. No Rater exists before the first vote.
    owner = models.UUIDField()
    opened_at = models.DateTimeField(auto_now_add=True)
    # See arena/raters/networks.py. Blank if no request opened the battle.
    network = models.CharField(max_length=32, blank=True, help_text="keyed hash of the network it was opened from")
    over_limit = models.BooleanField(
        default=False, help_text="opened by a new rater beyond the limit of the network: a vote does not count"
    )
    # Null and blank while it is open.
    closed_at = models.DateTimeField(null=True, blank=True)
    closure = models.CharField(max_length=10, choices=Closure, blank=True)
    custom_prompt = models.BooleanField(default=False, help_text="the rater typed the prompt")
    # Custom prompts only, and only with a safety classifier (see arena/rater_prompts/safety.py).
    checked = models.BooleanField(default=False, help_text="the safety classifier passed both images")

    objects = BattleQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(model_a=F("model_b")), name="battle_of_two_models"),
            models.UniqueConstraint(
                fields=["owner", "board"],
                condition=Q(closed_at__isnull=True),
                name="one_open_battle_per_rater_and_board",
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, closure="")
                | Q(closed_at__isnull=False, closure__in=Closure.values),
                name="closed_battle_says_why",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["owner", "closed_at"], name="battle_owner"),
            models.Index(fields=["board", "opened_at"], name="battle_custom_prompt", condition=Q(custom_prompt=True)),
        ]

    def __str__(self) -> str:
        return f"battle {self.token}"

    def get_absolute_url(self) -> str:
        return reverse("battle", args=[self.token])

    def stage_for(self, rater_key: uuid.UUID | None) -> Stage:
        """The stage for the rater with this key, or for someone without one."""
        if self.closure == Closure.VOTE:
            return Stage.REVEALED
        if rater_key != self.owner:
            return Stage.TAKEN
        if self.closure:
            return Stage.FAILED if self.closure == Closure.FAILED else Stage.ENDED
        statuses = {self.generation_a.status, self.generation_b.status}
        if statuses & {Generation.Status.REFUSED, Generation.Status.FAILED}:
            return Stage.FAILED
        return Stage.READY if self.can_be_served else Stage.DRAWING

    @property
    def can_be_served(self) -> bool:
        """Whether both images exist and, if the safety classifier checks them, have passed."""
        if any(generation.status != Generation.Status.OK for generation in (self.generation_a, self.generation_b)):
            return False
        return self.checked or not (self.custom_prompt and settings.SAFETY_MODEL)
