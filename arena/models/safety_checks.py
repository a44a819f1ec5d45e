"""Failed safety checks of battles."""

from django.db import models

from arena.models.battles import Battle


class FailedSafetyCheck(models.Model):
    """A battle whose images could not be checked, and why. It is checked again later, a bounded number of times."""

    battle = models.OneToOneField(Battle, models.CASCADE, primary_key=True, related_name="failed_safety_check")
    failures = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(help_text="no check before this time")
    error = models.TextField(help_text="why the last check failed")

    def __str__(self) -> str:
        return f"battle {self.battle_id}: {self.error}"
