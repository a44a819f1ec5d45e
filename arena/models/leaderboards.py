"""Leaderboards: immutable snapshots of a board's ratings."""

from typing import ClassVar, Final

from django.db import models
from django.db.models import Q

from arena.models.boards import Board
from arena.models.exclusions import Exclusion
from generators.models import ImageModel


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
    excluded = models.JSONField(default=dict, help_text="numbers of excluded votes by reason: see Exclusion.Reason")
    exclusions_digest = models.CharField(
        max_length=64, blank=True, help_text="sha256 of the exclusions in force, with their numbers of votes"
    )
    covariance_digest = models.CharField(max_length=64, blank=True, help_text="sha256 of the rated models' covariance")
    digest = models.CharField(max_length=64, help_text="sha256 of parameters, counts, excluded, ratings, covariance")

    objects = LeaderboardQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["board", "-id"], name="leaderboard_newest")]

    def __str__(self) -> str:
        return f"leaderboard {self.pk} of board {self.board_id}"

    @property
    def no_interval(self) -> str:
        """The reason why the ratings have no interval, in words; "" if they have one."""
        reason: str = self.parameters.get("no_interval", "")
        return reason

    @property
    def n_excluded(self) -> int:
        return sum(self.excluded.values())

    def describe_excluded(self) -> str:
        """How many votes are excluded and why, as a sentence; "" if none is."""
        if not self.excluded:
            return ""
        reasons = [f"{self.excluded[r]:,} {r.label}" for r in Exclusion.Reason if r in self.excluded]
        return f"{self.n_excluded:,} vote{' is' if self.n_excluded == 1 else 's are'} excluded: {', '.join(reasons)}."


# What a rating has with an interval, and only then.
INTERVAL: Final = ("ci_low", "ci_high", "rank_best", "rank_worst", "rank_set_best", "rank_set_worst", "p_first")


class Rating(models.Model):
    """A model's row in a snapshot: a value with its interval, or the reason why it has none.

    A value without an interval has no ranks either: the snapshot's parameters say why.
    """

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
    excluded = models.JSONField(default=dict, help_text="numbers of the model's excluded votes by reason")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("leaderboard", "model", name="one_rating_per_model"),
            models.CheckConstraint(
                condition=Q(unrated="", value__isnull=False) | (~Q(unrated="") & Q(value__isnull=True, ci_low=None)),
                name="rating_or_reason",
            ),
            models.CheckConstraint(
                condition=Q(**{f"{name}__isnull": False for name in INTERVAL})
                | Q(**{f"{name}__isnull": True for name in INTERVAL}),
                name="interval_and_ranks_or_neither",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_id}: {self.value}"

    @property
    def win_rate(self) -> float | None:
        """Share of its votes that the model won, a tie or "both bad" counted as half a win. None without votes."""
        return (self.wins + (self.ties + self.both_bad) / 2) / self.n_votes if self.n_votes else None


class RatingSchedule(models.Model):
    """The next rating of a board, and how the last one went. Only ``leaderboards/schedules.py`` changes it."""

    board = models.OneToOneField(Board, models.CASCADE, primary_key=True, related_name="rating_schedule")
    # Without a claim: when the message is sent (again). With one: when the claim expires.
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True, help_text="when the message was sent; empty: not yet")
    claimed_at = models.DateTimeField(null=True, blank=True)
    rated_at = models.DateTimeField(null=True, blank=True, help_text="end of the last rating that succeeded")
    seconds = models.FloatField(null=True, blank=True, help_text="duration of the last rating that succeeded")
    failures = models.PositiveIntegerField(default=0, help_text="ratings in a row that failed")
    error = models.TextField(blank=True, help_text="why the last rating failed")

    def __str__(self) -> str:
        return f"ratings of board {self.board_id}, next at {self.due_at}"
