"""Closings of battles without a vote: reports, skips, failed drawings, and battles left open too long.

A vote closes its battle by a trigger (arena/triggers.py). Whatever closes a battle first stands.
"""

import uuid

from django.utils import timezone

from arena.models import Battle, Stage
from arena.models.battles import REPORTS


class ReportRefusedError(Exception):
    """The battle takes no report from this rater now. The message is shown to the rater and names no model."""


def report_problem(battle: Battle, rater_key: uuid.UUID | None, reason: str) -> None:
    """Close the battle for the problem that its owner reports. A repeated report changes nothing.

    Raises:
        ValueError: ``reason`` is unknown.
        ReportRefusedError: The battle is not this rater's, or its images are not shown, or it is closed.
    """
    if reason not in REPORTS:
        raise ValueError(f"Unknown reason {reason!r}. Known reasons: {', '.join(REPORTS)}.")
    stage = battle.stage_for(rater_key)
    if rater_key != battle.owner:
        raise ReportRefusedError("This pair was given to another rater. Only they can report a problem with it.")
    if stage is Stage.READY:
        close_battle(battle, reason)
    if battle.closure != reason:
        raise ReportRefusedError(
            "A problem can be reported only before you vote."
            if battle.stage_for(rater_key) is Stage.REVEALED
            else "A problem can be reported only while you see both images."
        )


def close_battle(battle: Battle, closure: str) -> bool:
    """Close the battle without a vote. Returns False, and changes nothing, if it is closed already."""
    closed = Battle.objects.filter(pk=battle.pk, closed_at__isnull=True).update(
        closed_at=timezone.now(), closure=closure
    )
    battle.refresh_from_db(fields=["closed_at", "closure"])
    return bool(closed)
