"""The contract of adapters: requests, answers, outcomes, declarations. Free of Django, so that a notebook can use it.

An adapter answers each request with a ``GeneratedImage`` (the outcome "ok") or with the only exception::

    AdapterError        outcome, message, stage, code, retry_after, billed, reported

The worker decides from the outcome alone whether to try again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, SecretStr


class Outcome(StrEnum):
    """Why there is no image. A missing image never counts as a loss in the arena or as a zero in a metric."""

    REFUSED = "refused"  # by the provider's safety system
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"  # the account has no credit left, or reached its spending limit
    INVALID = "invalid"  # the same request would fail again
    TRANSIENT = "transient"
    TIMEOUT = "timeout"

    @property
    def can_be_retried(self) -> bool:
        return self in {Outcome.RATE_LIMITED, Outcome.TRANSIENT, Outcome.TIMEOUT}


# The code of an INVALID outcome if the provider rejects the key: every request would fail, not only this one.
AUTHENTICATION = "authentication"

# The code of a TRANSIENT outcome if the disk or the bucket failed: neither the image nor the provider is to blame.
STORAGE = "storage"

# Quantities by price unit: {"image": 1, "output_token": 4160}. The adapter's declaration lists the units.
Billed = Mapping[str, float]


class AdapterError(Exception):
    """The adapter has no image for a request.

    - ``stage``: what a refusal is about: the "prompt", or the "image" drawn from it
    - ``code``: the provider's error code
    - ``retry_after``: seconds to wait, if the provider named them
    - ``billed``: {} if the call was free; the units if an image was drawn and charged; None if it is unknown, because
      the request was sent and no complete answer arrived. The worker never repeats such a call if it is paid. A refusal
      whose price the provider does not state is {}.
    - ``reported``: other facts from the provider (request id, ...), as JSON values
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

    Requests that differ only in the seed are variants of one prompt. ``mask`` is an encoded image of the first
    source's size: white where the source may change, black where it stays.
    """

    prompt: str
    seed: int
    width: int
    height: int
    sources: tuple[bytes, ...] = ()
    mask: bytes | None = None


@dataclass(frozen=True)
class GeneratedImage:
    """An encoded image, exactly as the model returned it, with what the provider reported.

    ``billed`` is this image's share of the call's price units. ``reported`` holds JSON values; these names mean the
    same for every adapter: ``request_id``, ``revised_prompt``, ``seconds`` (measured by the provider), and
    ``parameters`` (what the image was made with, as far as it is known).
    """

    data: bytes
    media_type: str
    reported: Mapping[str, Any] = field(default_factory=dict)
    billed: Billed = field(default_factory=dict)


Answer = GeneratedImage | AdapterError


class AdapterSettings(BaseModel):
    """Base of every adapter's settings. An unknown setting is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    # Settings that say how and where a model is called. They may change while the model has images.
    operational: ClassVar[frozenset[str]] = frozenset(
        {"base_url", "endpoint", "key_env", "image_hosts", "timeout", "device", "max_batch"}
    )


@dataclass(frozen=True)
class SourceRules:
    """Rules for the source images of an edit: media types, and bytes of a file."""

    media_types: tuple[str, ...] = ("image/png", "image/jpeg", "image/webp")
    max_bytes: int | None = None  # None: the provider documents no limit


@dataclass(frozen=True)
class AdapterDeclaration:
    """The facts about an adapter that hold for all its models. Settings, checks, prices, docs and tests read them here.

    - ``extra``: the extra that installs the packages that the adapter imports ("workers"); "" if the base install,
      which has httpx2 and Pillow, is enough
    - ``key``: the environment variable with the provider's key ("PARAGONE_OPENAI_KEY"); "" for no key
    - ``hosts``: the provider's own hosts (patterns: ``*.bfl.ai``), the only ones that its key is sent to
    - ``paid``: whether a call costs money. The adapter is then a provider: its models need a price, and its calls are
      subject to budgets, the rate limit and the circuit breaker.
    - ``units``: the price units that ``billed`` may hold. Every provider bills {"image": 1} for each drawn image beside
      its own units, so that any model can have a price per image.
    - ``sources``: what a source image of an edit may be; None if no model of the adapter edits

    Raises ValueError for a paid adapter without a key, without hosts or without the unit "image".
    """

    extra: str = ""
    key: str = ""
    hosts: tuple[str, ...] = ()
    paid: bool = False
    units: tuple[str, ...] = ()
    sources: SourceRules | None = None

    def __post_init__(self) -> None:
        if self.paid and not (self.key and self.hosts and "image" in self.units):
            raise ValueError(
                "A paid adapter declares its key's environment variable, its own hosts, and its price units, among them"
                " 'image'."
            )


@dataclass(frozen=True)
class Capabilities:
    """Capabilities of one model with its settings."""

    max_sources: int = 0  # source images of one edit; 0: no edits
    masks: bool = False
    seeded: bool = True  # whether the seed decides the image; otherwise it only numbers the variants
    max_batch: int = 1  # requests in one call of generate()
    mixes_prompts: bool = False  # whether the requests of a batch may differ in more than the seed
    holds_weights: bool = False  # whether it keeps weights in memory, so that few models can stay loaded


class Generator(Protocol):
    """Protocol of adapters. A worker builds it once per model and uses it for many images.

    Building it is cheap and opens no connection: it loads weights and client packages at the first call.
    """

    declaration: ClassVar[AdapterDeclaration]
    Settings: ClassVar[type[AdapterSettings]]

    def __init__(self, settings: Any, key: SecretStr | None) -> None:
        """``key`` is the secret that the model's server is sent, empty if it is missing; None if it is sent none.

        It never appears in settings or messages.
        """
        ...

    @staticmethod
    def capabilities(settings: Any) -> Capabilities: ...

    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Answer]:
        """Return one answer per request, in order. A raised AdapterError is the answer to all of them.

        The requests have one size, and there are at most ``max_batch``. Unless ``mixes_prompts``, they are variants of
        one prompt.
        """
        ...

    def close(self) -> None:
        """Free memory and close connections. The generator is not used afterwards."""
        ...
