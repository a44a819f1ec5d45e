"""Pause points: the steps of a drawing before which a worker can be stopped, one between any two state changes."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from generators.workers import drawing, settlement
from tests.latch import Latch

# By point, the module and the step that comes next.
PAUSE_POINTS = {
    "received": (drawing, "claim_rows"),  # the message is received, nothing is claimed
    "claimed": (drawing, "claim_batch"),  # the row is claimed, no charge is reserved
    "reserved": (drawing, "ask_adapter"),  # the charge is reserved, the adapter is not called
    "answered": (drawing, "store_answers"),  # the adapter has answered, nothing is stored
    "stored": (settlement, "settle_image"),  # the original is stored, the row does not say so
}


def pause_at(point: str, folder: Path) -> None:
    """Make this process wait for the latch in ``folder`` before the step after ``point``."""

    def pause_before(step: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(step)
        def paused(*args: Any) -> Any:
            Latch(folder).wait()
            return step(*args)

        return paused

    module, name = PAUSE_POINTS[point]
    setattr(module, name, pause_before(getattr(module, name)))
