"""How each two models fared against each other, read from a snapshot once per process: a snapshot never changes."""

from collections.abc import Mapping
from functools import lru_cache

from arena.models import Battle, Leaderboard, Vote

# Votes by winner, in which the model with the smaller id is A.
Tally = Mapping[str, int]
SWAPPED = {"model_a": "model_b", "model_b": "model_a"}


@lru_cache(maxsize=32)
def tally_pairs(leaderboard_id: int) -> Mapping[tuple[int, int], Tally]:
    """The tally of each pair that met, by (smaller model id, larger model id)."""
    tallies: dict[tuple[int, int], dict[str, int]] = {}
    for model_a, model_b, winner, votes in Leaderboard.objects.get(pk=leaderboard_id).counts:
        pair = (min(model_a, model_b), max(model_a, model_b))
        tally = tallies.setdefault(pair, dict.fromkeys(Vote.Winner.values, 0))
        tally[winner if model_a < model_b else SWAPPED.get(winner, winner)] += votes
    return tallies


@lru_cache(maxsize=32)
def count_meetings(leaderboard_id: int) -> Mapping[tuple[int, int], int]:
    """Votes on each pair that met, by (smaller model id, larger model id)."""
    return {pair: sum(tally.values()) for pair, tally in tally_pairs(leaderboard_id).items()}


def tally_of(leaderboard_id: int, battle: Battle) -> Tally:
    """How everyone answered on the battle's two models, seen from its sides."""
    a, b = battle.model_a_id, battle.model_b_id
    tally = tally_pairs(leaderboard_id).get((min(a, b), max(a, b)), {})
    return {(winner if a < b else SWAPPED.get(winner, winner)): votes for winner, votes in tally.items()}
