"""The four answers a vote can have, and what a method makes of the undecided ones."""

from typing import Final, Literal, get_args

Winner = Literal["model_a", "model_b", "tie", "both_bad"]

WINNERS: Final[tuple[Winner, ...]] = get_args(Winner)
MODEL_A, MODEL_B, TIE, BOTH_BAD = range(len(WINNERS))

# What a fit makes of an undecided vote: half a win for each side, or nothing.
Treatment = Literal["half", "drop"]


def check_treatment(**treatments: str) -> None:
    """Raise ValueError for a treatment that is neither "half" nor "drop", naming the argument."""
    for name, treatment in treatments.items():
        if treatment not in get_args(Treatment):
            raise ValueError(f"{name} is {' or '.join(map(repr, get_args(Treatment)))}, got {treatment!r}.")
