"""Places at which a drawing in a worker can be held: between any two steps that change something."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from generators import generations
from tests.slow_adapter import Studio

# The function of generators.generations that comes next at each point.
HOLDS = {
    "taken": "_claim",  # the message is there, nothing is claimed
    "claimed": "_claim_company",  # claimed, nothing is on the books
    "reserved": "_ask",  # on the books, the adapter is not called yet
    "answered": "store_answers",  # the answer is here, nothing is stored
    "stored": "_settle_image",  # the original is stored, the row does not say so
}


def hold(point: str, folder: Path) -> None:
    def wait_at(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def held(*args: Any) -> Any:
            Studio(folder).hold()
            return function(*args)

        return held

    setattr(generations, HOLDS[point], wait_at(getattr(generations, HOLDS[point])))
