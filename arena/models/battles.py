"""Battles: blind comparisons of two images, and their stages."""

import secrets
import uuid
from enum import StrEnum
from typing import ClassVar

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse

from arena.models.boards import Board
from generators.models import Generation, ImageModel, Prompt


def new_token() -> str:
    return secrets.token_urlsafe(16)


class Stage(StrEnum):
    """The state of a battle, as one rater sees it."""

    DRAWING = "drawing"
    READY = "ready"
    FAILED = "failed"
    EXCLUDED = "excluded"
    REVEALED = "revealed"


class BattleQuerySet(models.QuerySet["Battle"]):
    def seen_by(self, rater_key: uuid.UUID | None) -> "BattleQuerySet":
        """Battles with the rows that their page needs, annotated with ``voted``: whether this rater has voted."""
        battles = self.select_related("board", "prompt", "generation_a", "generation_b").defer(
            "generation_a__reported",
            "generation_b__reported",  # large, and never shown to a rater
        )
        if rater_key is None:
            return battles
        own = apps.get_model("arena", "Vote").objects.filter(battle=OuterRef("pk"), rater__key=rater_key)
        return battles.annotate(voted=Exists(own))  # type: ignore[no-redef]  # Battle.voted is its default


class Battle(models.Model):
    """A blind comparison of two models' images for one prompt. A browser knows it by its token only."""

    class ExclusionReason(models.TextChoices):
        BROKEN = "broken", "An image is broken"
        UNSAFE = "unsafe", "An image is unsafe"
        REVEALING = "revealing", "An image reveals its model"

    token = models.CharField(max_length=32, unique=True, default=new_token)
    board = models.ForeignKey(Board, models.PROTECT, related_name="battles")
    prompt = models.ForeignKey(Prompt, models.PROTECT)
    model_a = models.ForeignKey(ImageModel, models.PROTECT, related_name="+")
    model_b = models.ForeignKey(ImageModel, models.PROTECT, related_name="+")
    generation_a = models.ForeignKey(Generation, models.PROTECT, related_name="+")
    generation_b = models.ForeignKey(Generation, models.PROTECT, related_name="+")
    # The key of the browser that it was opened for. No Rater exists before the first vote.
    opened_by = models.UUIDField()
    opened_at = models.DateTimeField(auto_now_add=True)
    custom_prompt = models.BooleanField(default=False, help_text="the rater typed the prompt")
    # Custom prompts only, and only with a safety classifier (see arena/rater_prompts/safety.py).
    checked = models.BooleanField(default=False, help_text="the safety classifier passed both images")
    exclusion = models.CharField(max_length=10, choices=ExclusionReason, blank=True)
    excluded_by = models.UUIDField(null=True, blank=True)

    # Whether the rater of seen_by() has voted; not on a new battle.
    voted = False

    objects = BattleQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(model_a=F("model_b")), name="battle_of_two_models"),
            models.CheckConstraint(
                condition=Q(exclusion__in=["", "broken", "unsafe", "revealing"]), name="battle_exclusion_known"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["opened_by", "board", "-id"], name="battle_opened_by"),
            models.Index(fields=["board"], name="battle_excluded", condition=Q(exclusion__gt="")),
            models.Index(fields=["board", "opened_at"], name="battle_custom_prompt", condition=Q(custom_prompt=True)),
        ]

    def __str__(self) -> str:
        return f"battle {self.token}"

    def get_absolute_url(self) -> str:
        return reverse("battle", args=[self.token])

    @property
    def stage(self) -> Stage:
        """The stage for the rater of ``Battle.objects.seen_by``. Votes of other raters do not change it."""
        if self.voted:
            return Stage.REVEALED
        if self.exclusion:
            return Stage.EXCLUDED
        statuses = {self.generation_a.status, self.generation_b.status}
        if statuses & {Generation.Status.REFUSED, Generation.Status.FAILED}:
            return Stage.FAILED
        return Stage.READY if self.can_be_served else Stage.DRAWING

    @property
    def can_be_served(self) -> bool:
        """Whether both images exist and, if the safety classifier checks them, have passed."""
        if any(generation.status != Generation.Status.OK for generation in (self.generation_a, self.generation_b)):
            return False
        found_unsafe = self.exclusion == Battle.ExclusionReason.UNSAFE and self.excluded_by is None
        return self.checked or not (self.custom_prompt and (settings.SAFETY_MODEL or found_unsafe))
