"""What every adapter is given and gives back. Free of Django, so that it can be used in a notebook.

One exception leaves an adapter::

    AdapterError        outcome, message, retry_after

The outcome says whose fault it was and whether another try could help; the worker reads only that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict


class Outcome(StrEnum):
    """Why there is no image. None of these is ever a loss in the arena or a zero in a metric."""

    REFUSED = "refused"  # the maker's safety system said no
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    INVALID = "invalid"  # the request can never succeed as it stands
    TRANSIENT = "transient"
    TIMEOUT = "timeout"

    @property
    def can_be_retried(self) -> bool:
        return self in {Outcome.RATE_LIMITED, Outcome.TRANSIENT, Outcome.TIMEOUT}


class AdapterError(Exception):
    """The adapter made no image. ``retry_after`` is in seconds, where the maker named one."""

    def __init__(self, outcome: Outcome, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True)
class GenerationRequest:
    """One image to draw. Sizes are in pixels."""

    prompt: str
    seed: int
    width: int
    height: int


@dataclass(frozen=True)
class GeneratedImage:
    """An encoded image exactly as the model made it, and what the maker reported with it."""

    data: bytes
    media_type: str
    reported: Mapping[str, Any] = field(default_factory=dict)


class AdapterSettings(BaseModel):
    """Base of every adapter's settings: an unknown key is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Generator(Protocol):
    """What an adapter implements. It is built once per worker and model, and used for many images."""

    Settings: ClassVar[type[AdapterSettings]]

    def __init__(self, settings: Any) -> None: ...

    def generate(self, request: GenerationRequest) -> GeneratedImage:
        """Draw one image, or raise AdapterError."""
        ...
