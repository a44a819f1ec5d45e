"""Matchup counts of a snapshot: packing for storage, cached look-up for pages.

A snapshot never changes, so the process can cache its counts.
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

# Votes by winner. Model A is the one with the smaller id.
MatchupCounts = Mapping[str, int]
SWAPPED = {"model_a": "model_b", "model_b": "model_a"}


def pack_counts(counts: Counts) -> dict[str, Any]:
    """Pack counts for the database: the model ids, and the (M, M, 4) table as little-endian int64, zlib, base64.

    Stored as rows, the 150,000 counts of 200 models would be fifteen times as large, and slower to write than to rate.
    """
    table = zlib.compress(counts.table.astype("<i8").tobytes(), 1)
    return {"models": list(counts.models), "table": base64.b64encode(table).decode()}


def unpack_counts(packed: Mapping[str, Any]) -> Counts:
    """The inverse of ``pack_counts``."""
    models = tuple(packed["models"])
    table = np.frombuffer(zlib.decompress(base64.b64decode(packed["table"])), dtype="<i8")
    return Counts(models, table.reshape(len(models), len(models), len(WINNERS)).astype(np.int64))


@lru_cache(maxsize=32)
def read_matchup_counts(leaderboard_id: int) -> Mapping[tuple[int, int], MatchupCounts]:
    """Counts of each pair that has votes, by (smaller model id, larger model id)."""
    counts = unpack_counts(Leaderboard.objects.get(pk=leaderboard_id).counts)
    # Model ids ascend, so adding the flipped lower triangle to the upper one makes the smaller id model A.
    flipped = counts.table.swapaxes(0, 1).copy()
    flipped[:, :, [MODEL_A, MODEL_B]] = flipped[:, :, [MODEL_B, MODEL_A]]
    table = counts.table + flipped
    models = np.array(counts.models, dtype=np.int64)
    smaller, larger = np.nonzero(np.triu(table.sum(axis=2)))
    pairs = zip(models[smaller].tolist(), models[larger].tolist(), strict=True)
    matchup_counts = table[smaller, larger].tolist()
    return {
        pair: dict(zip(WINNERS, outcome_counts, strict=True))
        for pair, outcome_counts in zip(pairs, matchup_counts, strict=True)
    }


def read_battle_counts(leaderboard_id: int, battle: Battle) -> MatchupCounts:
    """Counts of all votes on the battle's two models, by the battle's sides."""
    a, b = battle.model_a_id, battle.model_b_id
    outcome_counts = read_matchup_counts(leaderboard_id).get((min(a, b), max(a, b)), {})
    return {(winner if a < b else SWAPPED.get(winner, winner)): votes for winner, votes in outcome_counts.items()}
