"""Tables of the arena: boards, raters, battles, votes, and the leaderboards computed from them.

Rules that a constraint cannot express (a vote has the origin of its board, a snapshot never changes) are in
``triggers.py``.
"""

import secrets
import uuid
from enum import StrEnum
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse

from evaluation.ratings.outcomes import WINNERS
from generators.models import Generation, ImageModel, Prompt, PromptSet


class Origin(models.TextChoices):
    """Where votes come from. A board's origin never changes, and all its votes share it."""

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
    """A person who voted: a browser (identified by the key in its signed cookie) or a name from an import."""

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
        own = Vote.objects.filter(battle=OuterRef("pk"), rater__key=rater_key)
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
        """What the rater of ``Battle.objects.seen_by`` may see. Votes of other raters do not matter."""
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


class Vote(models.Model):
    """A judgement. It repeats the models and prompt of its battle, so that counting scans one table."""

    class Winner(models.TextChoices):
        MODEL_A = "model_a", "A is better"
        MODEL_B = "model_b", "B is better"
        TIE = "tie", "Tie"
        BOTH_BAD = "both_bad", "Both bad"

    board = models.ForeignKey(Board, models.PROTECT, related_name="votes", db_index=False)
    # Imported and simulated votes have no battle.
    battle = models.ForeignKey(Battle, models.PROTECT, null=True, blank=True, related_name="votes")
    rater = models.ForeignKey(Rater, models.PROTECT, null=True, blank=True, related_name="votes")
    model_a = models.ForeignKey(ImageModel, models.PROTECT, related_name="+")
    model_b = models.ForeignKey(ImageModel, models.PROTECT, related_name="+")
    winner = models.CharField(max_length=10, choices=Winner)
    origin = models.CharField(max_length=10, choices=Origin)
    prompt = models.ForeignKey(Prompt, models.PROTECT, null=True, blank=True, related_name="+")
    category = models.CharField(max_length=50, blank=True)
    language = models.CharField(max_length=35, blank=True)
    cast_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("battle", "rater", name="one_vote_per_battle_and_rater"),
            models.CheckConstraint(condition=Q(winner__in=WINNERS), name="vote_winner_known"),
            models.CheckConstraint(condition=~Q(model_a=F("model_b")), name="vote_on_two_models"),
            models.CheckConstraint(
                condition=~Q(origin=Origin.HUMAN) | Q(battle__isnull=False, rater__isnull=False),
                name="human_vote_has_battle_and_rater",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["board", "model_a", "model_b", "winner"], name="vote_counts"),
            models.Index(fields=["board", "rater"], name="vote_raters"),
        ]

    def __str__(self) -> str:
        return f"vote {self.pk}: {self.winner}"


class VoteCursor(models.Model):
    """The position of a board's counts: they hold the votes up to ``last_vote_id``, cast by ``n_raters`` raters.

    Zero marks the counts as void. Readers and writers of the counts lock this row.
    """

    board = models.OneToOneField(Board, models.CASCADE, primary_key=True, related_name="vote_cursor")
    last_vote_id = models.PositiveBigIntegerField(default=0)
    n_raters = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"counts of board {self.board_id} up to vote {self.last_vote_id}"


class MatchupCount(models.Model):
    """Votes on two models of a board, by side and winner. Derived from the votes (see arena/votes/counts.py)."""

    pk = models.CompositePrimaryKey("board", "model_a", "model_b")
    # No constraints: the votes have them already, and checking them again would double the cost of counting.
    board = models.ForeignKey(Board, models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    model_a = models.ForeignKey(ImageModel, models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    model_b = models.ForeignKey(ImageModel, models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    wins_a = models.PositiveBigIntegerField()
    wins_b = models.PositiveBigIntegerField()
    ties = models.PositiveBigIntegerField()
    both_bad = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.model_a_id} against {self.model_b_id} on board {self.board_id}"


class LeaderboardQuerySet(models.QuerySet["Leaderboard"]):
    def newest(self, board: Board) -> "Leaderboard | None":
        """The board's newest snapshot, without its counts: they are large, and pages do not need them."""
        return self.filter(board=board).defer("counts").order_by("-id").first()


class Leaderboard(models.Model):
    """A stored table of ratings. It never changes, and holds everything needed to compute it again."""

    board = models.ForeignKey(Board, models.PROTECT, related_name="leaderboards")
    computed_at = models.DateTimeField(auto_now_add=True)
    parameters = models.JSONField(help_text="method and settings, as the fit reports them")
    counts = models.JSONField(
        help_text="votes by model_a, model_b and winner: see arena/leaderboards/matchup_counts.py"
    )
    last_vote_id = models.PositiveBigIntegerField()
    n_votes = models.PositiveBigIntegerField()
    n_raters = models.PositiveBigIntegerField()
    n_excluded = models.PositiveBigIntegerField(default=0)
    n_custom_prompt = models.PositiveBigIntegerField(
        default=0, help_text="votes on raters' prompts, if the board does not count them"
    )
    covariance_digest = models.CharField(max_length=64, blank=True, help_text="sha256 of the rated models' covariance")
    digest = models.CharField(max_length=64, help_text="sha256 of parameters, counts, ratings and covariance")

    objects = LeaderboardQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["board", "-id"], name="leaderboard_newest")]

    def __str__(self) -> str:
        return f"leaderboard {self.pk} of board {self.board_id}"


class Rating(models.Model):
    """A model's row in a snapshot: a value with its interval, or the reason why it has none."""

    class Unrated(models.TextChoices):
        NO_VOTES = "no_votes", "no votes yet"
        DISCONNECTED = "disconnected", "not connected to the rated models by votes"
        UNBEATEN = "unbeaten", "has not lost to a rated model yet: no finite rating"
        WINLESS = "winless", "has not won against a rated model yet: no finite rating"

    leaderboard = models.ForeignKey(Leaderboard, models.CASCADE, related_name="ratings")
    model = models.ForeignKey(ImageModel, models.PROTECT, related_name="ratings")
    value = models.FloatField(null=True)
    ci_low = models.FloatField(null=True)
    ci_high = models.FloatField(null=True)
    rank_best = models.PositiveIntegerField(null=True)
    rank_worst = models.PositiveIntegerField(null=True)
    rank_set_best = models.PositiveIntegerField(null=True, help_text="rank set: holds for all models at once")
    rank_set_worst = models.PositiveIntegerField(null=True)
    p_first = models.FloatField(null=True, help_text="probability that the model is the best")
    # The share of usable images, estimated from the "both bad" votes. Models without a rating have it too.
    usable = models.FloatField(null=True)
    usable_low = models.FloatField(null=True)
    usable_high = models.FloatField(null=True)
    unrated = models.CharField(max_length=20, choices=Unrated, blank=True)
    preliminary = models.BooleanField()
    n_votes = models.PositiveBigIntegerField()
    wins = models.PositiveBigIntegerField()
    losses = models.PositiveBigIntegerField()
    ties = models.PositiveBigIntegerField()
    both_bad = models.PositiveBigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("leaderboard", "model", name="one_rating_per_model"),
            models.CheckConstraint(
                condition=Q(
                    unrated="",
                    value__isnull=False,
                    ci_low__isnull=False,
                    ci_high__isnull=False,
                    rank_best__isnull=False,
                    rank_worst__isnull=False,
                )
                | (~Q(unrated="") & Q(value__isnull=True, ci_low__isnull=True, ci_high__isnull=True)),
                name="rating_or_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_id}: {self.value}"

    @property
    def win_rate(self) -> float | None:
        """Share of its votes that the model won, a tie or "both bad" counted as half a win. None without votes."""
        return (self.wins + (self.ties + self.both_bad) / 2) / self.n_votes if self.n_votes else None
