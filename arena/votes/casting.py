"""Casting of votes."""

import uuid
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from arena.models import Battle, Closure, Exclusion, Origin, Rater, Stage, Vote
from arena.raters.limits import take_vote
from arena.votes.exclusions import exclude_automatically
from arena.votes.looks import Look

NO_LOOK: Final = Look()
# Why a battle takes no vote at a stage.
OBJECTIONS: Final = {
    Stage.DRAWING: "The images are still being drawn. Your vote was not counted.",
    Stage.FAILED: "An image could not be drawn, so there is nothing to compare.",
    Stage.ENDED: "This pair was closed without a vote, so your vote was not counted.",
    Stage.TAKEN: "This pair was given to another rater, so your vote was not counted.",
    Stage.REVEALED: "Another rater has voted on this pair, so your vote was not counted.",
}


class BattleNotOpenError(Exception):
    """The battle takes no vote from this rater now. The message is shown to the rater and names no model."""


def cast_vote(battle: Battle, rater_key: uuid.UUID, winner: str, look: Look = NO_LOOK) -> tuple[Vote, bool]:
    """Store the owner's vote. Returns (vote, True), or (the earlier vote, False) if the owner has voted already.

    Safe to repeat and to call concurrently: the database keeps one vote per battle, from its owner, and closes the
    battle. Creates the Rater at the first vote.

    Raises:
        ValueError: ``winner`` is unknown.
        BattleNotOpenError: The battle belongs to another rater, or was closed without a vote, or its images are not
            both drawn.
    """
    if winner not in Vote.Winner.values:
        raise ValueError(f"Unknown winner {winner!r}. Known values: {', '.join(Vote.Winner.values)}.")
    stage = battle.stage_for(rater_key)
    if stage is Stage.READY:
        rater, _ = Rater.objects.get_or_create(key=rater_key)
        try:
            with transaction.atomic():
                vote = _store(battle, rater, winner, look)
        except IntegrityError:
            battle.refresh_from_db(fields=["closed_at", "closure"])
            if not battle.closed_at:
                raise  # not because another request closed it first
            stage = battle.stage_for(rater_key)
        else:
            battle.closed_at, battle.closure = vote.cast_at, Closure.VOTE  # by the trigger
            return vote, True
    if stage is Stage.REVEALED and rater_key == battle.owner:
        return Vote.objects.get(battle=battle), False
    raise BattleNotOpenError(OBJECTIONS[stage])


def _store(battle: Battle, rater: Rater, winner: str, look: Look) -> Vote:
    now = timezone.now()
    vote = Vote.objects.create(
        battle_id=battle.pk,  # not battle=battle: if the vote is refused, battle.vote would be the refused one
        rater=rater,
        board_id=battle.board_id,
        model_a_id=battle.model_a_id,
        model_b_id=battle.model_b_id,
        winner=winner,
        origin=Origin.HUMAN,
        prompt_id=battle.prompt_id,
        category=battle.prompt.category,
        language=battle.prompt.language,
        cast_at=now,
        how=look.how,
        seconds_shown=look.limit_seconds((now - battle.opened_at).total_seconds()),
    )
    if battle.custom_prompt:
        exclude_automatically(vote, Exclusion.Reason.CUSTOM_PROMPT)
    if not take_vote(battle):
        exclude_automatically(vote, Exclusion.Reason.LIMIT)
    return vote
