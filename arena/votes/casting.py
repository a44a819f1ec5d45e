"""Casting of votes."""

import uuid

from django.db import IntegrityError, transaction
from django.utils import timezone

from arena.models import Battle, Exclusion, Origin, Rater, Stage, Vote
from arena.votes.exclusions import exclude_automatically
from arena.votes.looks import Look

NO_LOOK = Look()


class BattleNotOpenError(Exception):
    """The battle takes no vote now. The message is shown to the rater and names no model."""


def cast_vote(battle: Battle, rater_key: uuid.UUID, winner: str, look: Look = NO_LOOK) -> tuple[Vote, bool]:
    """Store this rater's vote. Returns (vote, True), or (the earlier vote, False) if the rater has voted already.

    Safe to call concurrently: the database keeps one vote per battle and rater. Creates the Rater at the first vote.

    Raises:
        ValueError: ``winner`` is unknown.
        BattleNotOpenError: The images are not both drawn, one failed, or the battle is excluded.
    """
    if winner not in Vote.Winner.values:
        raise ValueError(f"Unknown winner {winner!r}. Known values: {', '.join(Vote.Winner.values)}.")
    stage = battle.stage
    if stage not in {Stage.READY, Stage.REVEALED}:
        raise BattleNotOpenError(
            {
                Stage.DRAWING: "The images are still being drawn. Your vote was not counted.",
                Stage.FAILED: "An image could not be drawn, so there is nothing to compare.",
                Stage.EXCLUDED: "A problem was reported with this battle. It takes no more votes.",
            }[stage]
        )
    rater, _ = Rater.objects.get_or_create(key=rater_key)
    battle.voted = True
    try:
        with transaction.atomic():
            return _store(battle, rater, winner, look), True
    except IntegrityError:
        # The constraint lets one of two concurrent votes through. After any other error, this get raises DoesNotExist.
        return Vote.objects.get(battle=battle, rater=rater), False


def _store(battle: Battle, rater: Rater, winner: str, look: Look) -> Vote:
    vote = Vote.objects.create(
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
        how=look.how,
        seconds_shown=look.seconds_shown,
    )
    if battle.custom_prompt:
        exclude_automatically(vote, Exclusion.Reason.CUSTOM_PROMPT)
    return vote
