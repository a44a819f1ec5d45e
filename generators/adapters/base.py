"""What every adapter is given and gives back. Free of Django, so that it can be used in a notebook.

An adapter answers each request with a ``GeneratedImage`` (the outcome "ok") or with the one exception there is::

    AdapterError        outcome, message, stage, code, retry_after, billed, reported

The outcome says whose fault it was and whether another try could help; the worker reads only that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, SecretStr


class Outcome(StrEnum):
    """Why there is no image. None of these is ever a loss in the arena or a zero in a metric."""

    REFUSED = "refused"  # the provider's safety system said no
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"  # the account has no money or no right left
    INVALID = "invalid"  # the request can never succeed as it stands
    TRANSIENT = "transient"
    TIMEOUT = "timeout"

    @property
    def can_be_retried(self) -> bool:
        return self in {Outcome.RATE_LIMITED, Outcome.TRANSIENT, Outcome.TIMEOUT}


# The code of an INVALID answer to a key that the provider does not know: true of every request, not of this one.
AUTHENTICATION = "authentication"

# What a provider charges by: "image", "megapixel", "credit", "input_token", "output_token", ... and how many of it.
Billed = Mapping[str, float]


class AdapterError(Exception):
    """The adapter made no image.

    - ``stage``: of a refusal, what was refused: the "prompt", or the "image" that had been drawn
    - ``code``: the provider's own word for it
    - ``retry_after``: seconds, where the provider named them
    - ``billed``: what the provider charges all the same, {} for nothing. None: nobody can know, because the request went
      out and no whole answer came back. A paid call that ended so is never made again.
    - ``reported``: what else the provider said (request id, ...), as JSON can hold it
    """

    def __init__(
        self,
        outcome: Outcome,
        message: str,
        *,
        stage: Literal["", "prompt", "image"] = "",
        code: str = "",
        retry_after: float | None = None,
        billed: Billed | None = MappingProxyType({}),
        reported: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        self.stage = stage
        self.code = code
        self.retry_after = retry_after
        self.billed = billed
        self.reported = reported


@dataclass(frozen=True)
class GenerationRequest:
    """One image to draw, or to make from ``sources`` (encoded images). Sizes are in pixels.

    Requests that differ in nothing but the seed are variants of one prompt. ``mask`` is an encoded image of the first
    source's size: white where it may change, black where it stays.
    """

    prompt: str
    seed: int
    width: int
    height: int
    sources: tuple[bytes, ...] = ()
    mask: bytes | None = None


@dataclass(frozen=True)
class GeneratedImage:
    """An encoded image exactly as the model made it, and what the provider reported with it.

    ``billed`` is this image's share of what the call is charged by. In ``reported``, as JSON can hold it, these names
    have one meaning everywhere: ``request_id``, ``revised_prompt``, ``seconds`` (the provider's own measure), and
    ``parameters`` (what the image was made with, as far as it is known).
    """

    data: bytes
    media_type: str
    reported: Mapping[str, Any] = field(default_factory=dict)
    billed: Billed = field(default_factory=dict)


Answer = GeneratedImage | AdapterError


class AdapterSettings(BaseModel):
    """Base of every adapter's settings: an unknown key is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    # How and where a model is asked, not what it draws: these may change while there are images of it.
    operational: ClassVar[frozenset[str]] = frozenset(
        {"base_url", "endpoint", "hosts", "image_hosts", "timeout", "device", "max_batch"}
    )


@dataclass(frozen=True)
class Capabilities:
    """What a model can do with the settings it has."""

    max_sources: int = 0  # images that an edit may start from; 0: no edits
    masks: bool = False
    seeded: bool = True  # whether the seed decides the image, or only counts variants
    max_batch: int = 1  # requests in one call of generate()
    mixes_prompts: bool = False  # whether these may differ in prompt and sources, or only in seed
    holds_weights: bool = False  # whether it fills memory between drawings, so that few can be kept ready


class Generator(Protocol):
    """What an adapter implements. It is built once per worker and model, and used for many images.

    Building it is cheap and touches no network: what is heavy is loaded at the first use.
    """

    Settings: ClassVar[type[AdapterSettings]]

    def __init__(self, settings: Any, key: SecretStr) -> None:
        """``key`` is the provider's secret, empty for what is drawn here. It is in no settings and no message."""
        ...

    @staticmethod
    def capabilities(settings: Any) -> Capabilities: ...

    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Answer]:
        """An answer for each request, in order. An AdapterError that is raised is the answer to all of them.

        The requests have one size and are at most ``max_batch``; without ``mixes_prompts`` they are variants of one.
        """
        ...

    def close(self) -> None:
        """Give memory and connections back. Nothing is asked of it afterwards."""
        ...
