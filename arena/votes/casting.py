"""Casting a vote."""

import uuid

from django.db import IntegrityError, transaction
from django.utils import timezone

from arena.models import Battle, Origin, Rater, Stage, Vote


class BattleNotOpenError(Exception):
    """The battle takes no vote now. The message is for the page and names no model."""


def cast_vote(battle: Battle, rater_key: uuid.UUID, winner: str) -> tuple[Vote, bool]:
    """Store this rater's answer; (vote, True), or (the earlier vote, False) when there is one: the first answer stands.

    Safe to call any number of times at once: the database keeps one vote per battle and rater. Writes the rater down at
    the first vote. Raises ValueError for an unknown winner, BattleNotOpenError while drawing, after failure or set aside.
    """
    if winner not in Vote.Winner.values:
        raise ValueError(f"Unknown answer {winner!r}; known are {', '.join(Vote.Winner.values)}.")
    stage = battle.stage
    if stage not in {Stage.READY, Stage.REVEALED}:
        raise BattleNotOpenError(
            {
                Stage.DRAWING: "The images are still being drawn. Your answer was not counted.",
                Stage.FAILED: "An image could not be drawn, so there is nothing to compare.",
                Stage.EXCLUDED: "This battle was set aside and takes no more answers.",
            }[stage]
        )
    rater, _ = Rater.objects.get_or_create(key=rater_key)
    battle.voted = True
    try:
        with transaction.atomic():
            return _store(battle, rater, winner), True
    except IntegrityError:
        # Only one of two clicks at once gets through the constraint. Anything else that was wrong is not found here.
        return Vote.objects.get(battle=battle, rater=rater), False


def _store(battle: Battle, rater: Rater, winner: str) -> Vote:
    return Vote.objects.create(
        battle=battle,
        rater=rater,
        board_id=battle.board_id,
        model_a_id=battle.model_a_id,
        model_b_id=battle.model_b_id,
        winner=winner,
        origin=Origin.HUMAN,
        prompt_id=battle.prompt_id,
        category=battle.prompt.category,
        language=battle.prompt.language,
        cast_at=timezone.now(),
    )
