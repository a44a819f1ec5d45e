"""The look that precedes a vote: how long both images were shown and how the answer came, as the browser claims it.

Nothing here is proof: a script can claim any time. Claims that cannot be true are dropped, and never
cost the vote.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from arena.models import Vote


@dataclass(frozen=True)
class Look:
    """``how`` is one of Vote.How, or "" if unknown; ``seconds_shown`` is None if unknown."""

    how: str = ""
    seconds_shown: float | None = None

    def limit_seconds(self, age: float) -> float | None:
        """``seconds_shown``, or None if the battle, opened ``age`` seconds ago, cannot have been shown for so long."""
        return None if self.seconds_shown is None or self.seconds_shown > age else self.seconds_shown


def read_look(form: Mapping[str, str]) -> Look:
    """The look that a vote form claims. Impossible claims are read as unknown."""
    how = form.get("how", "")
    return Look(how if how in Vote.How.values else "", _read_seconds(form.get("seconds_shown", "")))


def _read_seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds <= Vote.LONGEST_SHOWN else None
