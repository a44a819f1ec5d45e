"""Outcomes of a vote, and the two treatments of undecided votes."""

from typing import Final, Literal, get_args

Winner = Literal["model_a", "model_b", "tie", "both_bad"]

WINNERS: Final[tuple[Winner, ...]] = get_args(Winner)
MODEL_A, MODEL_B, TIE, BOTH_BAD = range(len(WINNERS))

# How a fit treats an undecided vote: as half a win for each side, or not at all.
Treatment = Literal["half", "drop"]


def check_treatment(**treatments: str) -> None:
    """Raise ValueError for a treatment that is neither "half" nor "drop", naming the argument."""
    for name, treatment in treatments.items():
        if treatment not in get_args(Treatment):
            raise ValueError(f"{name} must be {' or '.join(map(repr, get_args(Treatment)))}, got {treatment!r}.")
