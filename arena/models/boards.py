"""Boards, and the raters who vote on them."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.urls import reverse

from generators.models import ImageModel, PromptSet


class Origin(models.TextChoices):
    """Origin of votes. A board's origin never changes, and all its votes share it."""

    HUMAN = "human", "votes cast here"
    IMPORTED = "imported", "imported votes"
    SIMULATED = "simulated", "simulated votes"


class Board(models.Model):
    """An arena with its own task, models, prompts and votes."""

    class Task(models.TextChoices):
        TEXT_TO_IMAGE = "text_to_image", "Text to image"
        IMAGE_EDIT = "image_edit", "Image edit"

    class Interval(models.TextChoices):
        RATER = "rater", "votes of one rater may depend on each other"
        PROMPT = "prompt", "votes on one prompt may depend on each other"
        BOTH = "rater+prompt", "votes of one rater, and votes on one prompt, may depend on each other"
        SANDWICH = "sandwich", "votes are independent"

    class RaterPrompts(models.TextChoices):
        OFF = "off", "raters cannot type prompts"
        NOT_COUNTED = "not_counted", "raters may type prompts; votes on them do not count"
        COUNTED = "counted", "raters may type prompts; votes on them count"

    slug = models.SlugField(max_length=100, unique=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    task = models.CharField(max_length=20, choices=Task, default=Task.TEXT_TO_IMAGE)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.HUMAN)
    image_models = models.ManyToManyField(ImageModel, related_name="boards", blank=True)
    prompt_sets = models.ManyToManyField(PromptSet, related_name="boards", blank=True)
    canvas_width = models.PositiveIntegerField(default=1024, help_text="width in pixels of the frame of each image")
    canvas_height = models.PositiveIntegerField(default=1024)
    seeds = models.PositiveSmallIntegerField(default=1, help_text="images per model and prompt in the pool")
    preliminary_below = models.PositiveIntegerField(default=50, help_text="a rating from fewer votes is preliminary")
    interval = models.CharField(
        max_length=20,
        choices=Interval,
        default=Interval.RATER,
        help_text="dependence that the intervals allow for",
    )
    target_model = models.ForeignKey(
        ImageModel,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="model that battles measure first",
    )
    rater_prompts = models.CharField(max_length=20, choices=RaterPrompts, default=RaterPrompts.OFF)
    rater_prompts_per_hour = models.PositiveSmallIntegerField(default=20, help_text="prompts per rater and hour")
    # Simulated boards only: the strength model of their raters (see arena/simulation.py).
    simulation = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(origin__in=Origin.values), name="board_origin_known"),
            models.CheckConstraint(
                condition=Q(interval__in=["rater", "prompt", "rater+prompt", "sandwich"]), name="board_interval_known"
            ),
            models.CheckConstraint(
                condition=Q(rater_prompts__in=["off", "not_counted", "counted"]), name="board_rater_prompts_known"
            ),
            models.CheckConstraint(
                condition=Q(origin=Origin.SIMULATED, simulation__isnull=False)
                | (~Q(origin=Origin.SIMULATED) & Q(simulation__isnull=True)),
                name="board_simulated_says_how",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("leaderboard", args=[self.slug])

    @property
    def takes_votes(self) -> bool:
        """Whether raters can vote here. Boards of other origins only show their votes."""
        return self.origin == Origin.HUMAN

    @property
    def takes_prompts(self) -> bool:
        """Whether raters may type prompts here. Never on an edit board: an edit needs a source image."""
        wanted = self.rater_prompts != self.RaterPrompts.OFF
        return wanted and self.takes_votes and self.task == self.Task.TEXT_TO_IMAGE

    @property
    def active_models(self) -> "models.QuerySet[ImageModel]":
        """The models that take part in battles: not the private ones (for runs only) nor the retired ones."""
        return self.image_models.filter(lifecycle__in=[ImageModel.Lifecycle.LIVE, ImageModel.Lifecycle.PREVIEW])


class Rater(models.Model):
    """A person who voted: an account or a browser (see arena/raters/identity.py), or a name from an import."""

    key = models.UUIDField(default=uuid.uuid4, unique=True)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.HUMAN)
    # Imported and simulated raters only: their board, and their name on it.
    board = models.ForeignKey(Board, models.PROTECT, null=True, blank=True)
    name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("board", "name", name="one_rater_per_board_and_name", condition=~Q(name="")),
            models.CheckConstraint(
                condition=(Q(origin=Origin.HUMAN) & Q(board__isnull=True))
                | (~Q(origin=Origin.HUMAN) & Q(board__isnull=False)),
                name="imported_rater_has_a_board",
            ),
        ]

    def __str__(self) -> str:
        return self.name or str(self.key)
