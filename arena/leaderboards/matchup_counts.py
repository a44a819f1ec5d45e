"""How each two models fared against each other: as a snapshot keeps it, and as pages ask for it.

A snapshot never changes, so what is read from it is kept in the process.
"""

import base64
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from arena.models import Battle, Leaderboard
from evaluation.ratings.counts import Counts
from evaluation.ratings.outcomes import MODEL_A, MODEL_B, WINNERS

# Votes by winner, in which the model with the smaller id is A.
MatchupCounts = Mapping[str, int]
SWAPPED = {"model_a": "model_b", "model_b": "model_a"}


def pack_counts(counts: Counts) -> dict[str, Any]:
    """For the database: the models' ids, and the table (M, M, 4) as int64, little-endian, zlib, base64.

    As rows, the 150,000 counts of 200 models would be fifteen times as large, and slower to write than to rate.
    """
    table = zlib.compress(counts.table.astype("<i8").tobytes(), 1)
    return {"models": list(counts.models), "table": base64.b64encode(table).decode()}


def unpack_counts(packed: Mapping[str, Any]) -> Counts:
    """What ``pack_counts`` packed."""
    models = tuple(packed["models"])
    table = np.frombuffer(zlib.decompress(base64.b64decode(packed["table"])), dtype="<i8")
    return Counts(models, table.reshape(len(models), len(models), len(WINNERS)).astype(np.int64))


@lru_cache(maxsize=32)
def read_matchup_counts(leaderboard_id: int) -> Mapping[tuple[int, int], MatchupCounts]:
    """The outcome_counts of each pair that met, by (smaller model id, larger model id)."""
    counts = unpack_counts(Leaderboard.objects.get(pk=leaderboard_id).counts)
    # The models' ids ascend: the upper triangle, with the lower one turned over, has the smaller id as A.
    turned = counts.table.swapaxes(0, 1).copy()
    turned[:, :, [MODEL_A, MODEL_B]] = turned[:, :, [MODEL_B, MODEL_A]]
    table = counts.table + turned
    models = np.array(counts.models, dtype=np.int64)
    smaller, larger = np.nonzero(np.triu(table.sum(axis=2)))
    pairs = zip(models[smaller].tolist(), models[larger].tolist(), strict=True)
    matchup_counts = table[smaller, larger].tolist()
    return {
        pair: dict(zip(WINNERS, outcome_counts, strict=True))
        for pair, outcome_counts in zip(pairs, matchup_counts, strict=True)
    }


def read_battle_counts(leaderboard_id: int, battle: Battle) -> MatchupCounts:
    """How everyone answered on the battle's two models, seen from its sides."""
    a, b = battle.model_a_id, battle.model_b_id
    outcome_counts = read_matchup_counts(leaderboard_id).get((min(a, b), max(a, b)), {})
    return {(winner if a < b else SWAPPED.get(winner, winner)): votes for winner, votes in outcome_counts.items()}
