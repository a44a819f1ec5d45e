"""The four answers a vote can have."""

from typing import Final, Literal, get_args

Winner = Literal["model_a", "model_b", "tie", "both_bad"]

WINNERS: Final[tuple[Winner, ...]] = get_args(Winner)
