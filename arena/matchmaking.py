"""Which two models meet next. Pure: numbers in, a choice out."""

import random
from collections.abc import Mapping, Sequence


def choose_matchup(
    models: Sequence[int], meetings: Mapping[tuple[int, int], int], rng: random.Random
) -> tuple[int, int]:
    """Two different models of ``models``, those that met least the most likely; their order says nothing.

    ``meetings`` holds the votes so far by (smaller id, larger id). The first model is drawn with weight 1 / (1 + its
    votes), its opponent with weight 1 / (1 + their votes together). Raises ValueError for fewer than two models.
    """
    if len(set(models)) < 2:
        raise ValueError(f"A matchup needs at least 2 models, got {len(set(models))}.")
    votes = dict.fromkeys(models, 0)
    for pair, n in meetings.items():
        for model in pair:
            if model in votes:
                votes[model] += n
    first = rng.choices(list(votes), [1.0 / (1 + n) for n in votes.values()])[0]
    others = [model for model in votes if model != first]
    weights = [1.0 / (1 + meetings.get((min(first, other), max(first, other)), 0)) for other in others]
    return first, rng.choices(others, weights)[0]
