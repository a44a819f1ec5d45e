"""Votes, and their counts by matchup, which are derived from them."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from arena.models.battles import Battle
from arena.models.boards import Board, Origin, Rater
from evaluation.ratings.outcomes import WINNERS
from generators.models import ImageModel, Prompt


class Vote(models.Model):
    """A judgement. It repeats the models and prompt of its battle, so that counting scans one table."""

    class Winner(models.TextChoices):
        MODEL_A = "model_a", "A is better"
        MODEL_B = "model_b", "B is better"
        TIE = "tie", "Tie"
        BOTH_BAD = "both_bad", "Both bad"

    class How(models.TextChoices):
        KEY = "key", "by key"
        TAP = "tap", "by click or tap"
        FORM = "form", "by a plain form, without JavaScript"

    LONGEST_SHOWN: ClassVar = 24 * 3600.0

    board = models.ForeignKey(Board, models.PROTECT, related_name="votes", db_index=False)
    # Imported and simulated votes have no battle.
    battle = models.OneToOneField(Battle, models.PROTECT, null=True, blank=True, related_name="vote")
    rater = models.ForeignKey(Rater, models.PROTECT, null=True, blank=True, related_name="votes")
    model_a = models.ForeignKey(ImageModel, models.PROTECT, related_name="+")
    model_b = models.ForeignKey(ImageModel, models.PROTECT, related_name="+")
    winner = models.CharField(max_length=10, choices=Winner)
    origin = models.CharField(max_length=10, choices=Origin)
    prompt = models.ForeignKey(Prompt, models.PROTECT, null=True, blank=True, related_name="+")
    category = models.CharField(max_length=50, blank=True)
    language = models.CharField(max_length=35, blank=True)
    cast_at = models.DateTimeField()
    # What the rater's browser claims (see arena/votes/looks.py). Simulated votes have neither.
    how = models.CharField(max_length=4, choices=How, blank=True)
    seconds_shown = models.FloatField(null=True, blank=True, help_text="both images on the screen, until the answer")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(winner__in=WINNERS), name="vote_winner_known"),
            models.CheckConstraint(condition=~Q(model_a=F("model_b")), name="vote_on_two_models"),
            models.CheckConstraint(
                condition=~Q(origin=Origin.HUMAN) | Q(battle__isnull=False, rater__isnull=False),
                name="human_vote_has_battle_and_rater",
            ),
            models.CheckConstraint(condition=Q(how__in=["", "key", "tap", "form"]), name="vote_how_known"),
            # The upper bound also refuses NaN, which PostgreSQL sorts above every number.
            models.CheckConstraint(
                condition=Q(seconds_shown__isnull=True) | Q(seconds_shown__gte=0, seconds_shown__lte=24 * 3600.0),
                name="vote_seconds_shown_possible",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["board", "model_a", "model_b", "winner"], name="vote_counts"),
            models.Index(fields=["board", "rater"], name="vote_raters"),
            models.Index(fields=["board", "cast_at"], name="vote_times"),
            models.Index(fields=["board", "category", "cast_at"], name="vote_categories"),
        ]

    def __str__(self) -> str:
        return f"vote {self.pk}: {self.winner}"


class VoteCursor(models.Model):
    """The position of a board's counts: they hold the votes up to ``last_vote_id``, cast by ``n_raters`` raters.

    Writers of the counts lock this row.
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
