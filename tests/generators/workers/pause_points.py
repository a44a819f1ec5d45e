"""Places at which a drawing in a worker can be held: between any two steps that change something."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from generators.workers import drawing
from tests.latch import Latch

# The step of generators.workers.drawing that comes next at each point.
PAUSE_POINTS = {
    "taken": "claim_rows",  # the message was received, nothing is claimed
    "claimed": "claim_batch",  # claimed, no charge is reserved
    "reserved": "ask_adapter",  # the charge is reserved, the adapter is not called yet
    "answered": "store_answers",  # the adapter has answered, nothing is stored
    "stored": "settle_image",  # the original is stored, the row does not say so
}


def hold(point: str, folder: Path) -> None:
    def wait_at(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def held(*args: Any) -> Any:
            Latch(folder).wait()
            return function(*args)

        return held

    setattr(drawing, PAUSE_POINTS[point], wait_at(getattr(drawing, PAUSE_POINTS[point])))
