"""The models that this worker process keeps ready to draw: of those that hold weights, few.

Only the pool's child processes call this. The parent must never touch torch: a child forked after that hangs.
"""

import json
import time
from collections import OrderedDict
from dataclasses import dataclass

import structlog
from django.conf import settings

from generators.adapters.base import AdapterError, Generator, Outcome
from generators.adapters.memory import resident_bytes
from generators.adapters.registry import find_capabilities, load_generator
from generators.models import ImageModel

log = structlog.get_logger(__name__)

# Clients of providers and the like weigh little; there is an end to them all the same.
LIGHT_ONES = 32


@dataclass(frozen=True)
class _Warm:
    declared: str  # what it was set up with
    holds_weights: bool
    generator: Generator


# By the model's key. The one used last is at the end.
_warm: OrderedDict[int, _Warm] = OrderedDict()


def get_generator(model: ImageModel) -> Generator:
    """The model's generator, set up with the settings that the row has now.

    Raises AdapterError (invalid) for a model that nothing can be drawn with.
    """
    if not model.adapter:
        raise AdapterError(Outcome.INVALID, f"Model {model.slug} has no adapter: its images are made elsewhere.")
    declared = json.dumps([model.adapter, model.settings], sort_keys=True)
    if model.pk in _warm and _warm[model.pk].declared != declared:
        _cool(model.pk, "settings")
    if model.pk not in _warm:
        holds_weights = find_capabilities(model.adapter, model.settings).holds_weights
        # Before the new one is set up, not after: two may not fit beside each other.
        _make_room(holds_weights)
        _warm[model.pk] = _Warm(declared, holds_weights, _set_up(model))
    _warm.move_to_end(model.pk)
    return _warm[model.pk].generator


def _make_room(holds_weights: bool) -> None:
    room = max(1, settings.CACHED_GENERATORS) if holds_weights else LIGHT_ONES
    alike = [pk for pk, warm in _warm.items() if warm.holds_weights == holds_weights]
    for pk in alike[: max(0, len(alike) - room + 1)]:
        _cool(pk, "room")


def evict_all() -> None:
    """Close every generator."""
    for pk in list(_warm):
        _cool(pk, "all")


def _set_up(model: ImageModel) -> Generator:
    started = time.monotonic()
    generator = load_generator(model.adapter, model.settings, settings.PROVIDER_KEYS.get(model.adapter, ""))
    # Weights are loaded at the first drawing, and the adapter says how long that took.
    log.info("generator_loaded", model=model.slug, **_measure(started))
    return generator


def _cool(pk: int, reason: str) -> None:
    cooled = _warm.pop(pk)
    started = time.monotonic()
    try:
        cooled.generator.close()
    except Exception:
        # Its memory may be lost, but the next model must be able to draw.
        log.exception("model_not_closed", model=pk)
    log.info("generator_evicted", model=pk, reason=reason, **_measure(started))


def _measure(started: float) -> dict[str, float]:
    return {"seconds": round(time.monotonic() - started, 3), "process_bytes": resident_bytes()}
