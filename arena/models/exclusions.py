"""Exclusions: which votes do not count, why, and since when."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from arena.models.boards import Board
from arena.models.votes import Vote


class ExclusionQuerySet(models.QuerySet["Exclusion"]):
    def in_force(self) -> "ExclusionQuerySet":
        """Exclusions that are not lifted. Raters' prompts are excluded only while their board does not count them."""
        counted = Q(reason=Exclusion.Reason.CUSTOM_PROMPT, board__rater_prompts=Board.RaterPrompts.COUNTED)
        return self.filter(~counted, lifted_at=None)


class Exclusion(models.Model):
    """A decision that votes of a board do not count. It never changes, except that it can be lifted once."""

    class Reason(models.TextChoices):
        """Why votes do not count, as it follows their number. A vote with several reasons has the first of them."""

        LIMIT = "limit", "beyond a limit"
        UNSAFE = "unsafe", "on unsafe images"
        REPORTED_IMAGE = "reported_image", "on reported images"
        CUSTOM_PROMPT = "custom_prompt", "on raters' prompts"
        OPERATOR = "operator", "by an operator"

    board = models.ForeignKey(Board, models.PROTECT, related_name="exclusions")
    reason = models.CharField(max_length=20, choices=Reason)
    note = models.TextField(blank=True)
    made_by = models.CharField(max_length=200, blank=True, help_text="blank if no person decided it")
    made_at = models.DateTimeField(auto_now_add=True)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=200, blank=True)

    objects = ExclusionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(reason__in=["limit", "unsafe", "reported_image", "custom_prompt", "operator"]),
                name="exclusion_reason_known",
            ),
            # Votes are added to it for as long as it is in force (see arena/votes/exclusions.py).
            models.UniqueConstraint(
                "board",
                "reason",
                name="one_automatic_exclusion_per_reason",
                condition=Q(lifted_at=None) & ~Q(reason="operator"),
            ),
        ]

    def __str__(self) -> str:
        return f"exclusion {self.pk}: {self.reason}"


class ExcludedVote(models.Model):
    """A vote under an exclusion. It is never changed or deleted: votes count again when the exclusion is lifted."""

    # No index of its own: the constraint begins with it.
    exclusion = models.ForeignKey(Exclusion, models.PROTECT, related_name="excluded_votes", db_index=False)
    vote = models.ForeignKey(Vote, models.PROTECT, related_name="excluded_votes")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("exclusion", "vote", name="one_row_per_exclusion_and_vote")]

    def __str__(self) -> str:
        return f"vote {self.vote_id} under exclusion {self.exclusion_id}"
