"""Limits of raters and their networks: how many battles they open, votes that count, and prompts they type.

Beyond a limit of votes a vote is stored and excluded, and its page is like any other: an attacker does not learn which
votes count. Beyond a limit of openings or prompts, the rater is told and waits.

Limits of a network hold for raters without an account, who can be as many as they delete cookies. A network is "" where
there is no request, as in a simulation: then only the limits of the rater hold.
"""

import uuid
from datetime import timedelta
from math import ceil
from typing import Final

from django.conf import settings
from django.utils import timezone

from arena.models import Battle
from arena.models.battles import SKIPS
from arena.raters.identity import has_account
from arena.raters.rates import HOUR, Rate, RateExceededError, say_wait, take

FEW_MINUTES: Final = timedelta(minutes=5)

OPENINGS: Final = "openings"
VOTES: Final = "votes"
NETWORK_OPENINGS: Final = "network_openings"
NETWORK_VOTES: Final = "network_votes"
NETWORK_PROMPTS: Final = "network_prompts"
NEW_RATERS: Final = "new_raters"

MESSAGES: Final = {
    OPENINGS: "You have opened as many pairs as one person can judge with care.",
    NETWORK_OPENINGS: "Raters on your network have opened many pairs in the last hour.",
    NETWORK_PROMPTS: "Raters on your network have typed many prompts in the last hour.",
}


class LimitReachedError(Exception):
    """A limit is reached until ``retry_after`` seconds from now. The message is shown to the rater."""

    def __init__(self, sentence: str, retry_after: int) -> None:
        super().__init__(f"{sentence} Try again in {say_wait(retry_after)}.")
        self.retry_after = retry_after


def take_opening(rater_key: uuid.UUID, network: str) -> bool:
    """Count the opening of a battle. Returns whether its vote may count: not from a new rater beyond the limit.

    Raises:
        LimitReachedError: The rater or the network may open no battle now.
    """
    _expect_few_skips(rater_key)
    key = str(rater_key)
    rates = [
        Rate(OPENINGS, key, settings.RATER_OPENINGS_PER_HOUR),
        Rate(OPENINGS, key, settings.RATER_OPENINGS_PER_5_MINUTES, FEW_MINUTES),
    ]
    if _is_limited(rater_key, network):
        rates.append(Rate(NETWORK_OPENINGS, network, settings.NETWORK_OPENINGS_PER_HOUR))
    _take(rates)
    return _admit(rater_key, network)


def take_prompt(rater_key: uuid.UUID, network: str) -> None:
    """Count a typed prompt. Raises LimitReachedError."""
    if _is_limited(rater_key, network):
        _take([Rate(NETWORK_PROMPTS, network, settings.NETWORK_PROMPTS_PER_HOUR)])


def take_vote(battle: Battle) -> bool:
    """Count the vote on a battle. Returns False, and counts nothing, if the vote is beyond a limit.

    The network is the one that opened the battle: a rater who votes from another one gains nothing.
    """
    if battle.over_limit:
        return False
    key = str(battle.owner)
    rates = [
        Rate(VOTES, key, settings.RATER_VOTES_PER_HOUR),
        Rate(VOTES, key, settings.RATER_VOTES_PER_5_MINUTES, FEW_MINUTES),
    ]
    if _is_limited(battle.owner, battle.network):
        rates.append(Rate(NETWORK_VOTES, battle.network, settings.NETWORK_VOTES_PER_HOUR))
    try:
        take(rates)
    except RateExceededError:
        return False
    return True


def _is_limited(rater_key: uuid.UUID, network: str) -> bool:
    return bool(network) and not has_account(rater_key)


def _take(rates: list[Rate]) -> None:
    try:
        take(rates)
    except RateExceededError as error:
        raise LimitReachedError(MESSAGES[error.rate.scope], error.retry_after) from error


def _expect_few_skips(rater_key: uuid.UUID) -> None:
    """Battles that their owner closed without a vote are counted in their own table."""
    limit = settings.RATER_SKIPS_PER_HOUR
    now = timezone.now()
    skipped = Battle.objects.filter(owner=rater_key, closure__in=SKIPS, closed_at__gt=now - HOUR)
    times = list(skipped.order_by("-closed_at").values_list("closed_at", flat=True)[:limit]) if limit else []
    if times and len(times) == limit and times[-1]:
        sentence = f"You have left {limit} pairs without a vote in the last hour, the most that one person may."
        raise LimitReachedError(sentence, max(1, ceil((times[-1] + HOUR - now).total_seconds())))


def _admit(rater_key: uuid.UUID, network: str) -> bool:
    """Whether votes of this rater count: of one who is not new, or is among the first of an hour from the network.

    Decided again at each opening, until it is yes.
    """
    limit = Rate(NEW_RATERS, network, settings.NETWORK_NEW_RATERS_PER_HOUR)
    if not _is_limited(rater_key, network) or not limit.most:
        return True
    if Battle.objects.filter(owner=rater_key, over_limit=False).exists():
        return True
    try:
        take([limit])
    except RateExceededError:
        return False
    return True
