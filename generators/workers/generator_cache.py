"""The generator cache: the loaded models of one worker process, few of them if they hold weights.

Only the child processes of the worker's pool use it. The parent must never import torch: a child forked after that
hangs.
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

# Generators without weights, such as the clients of providers, are small. They have a limit all the same.
MAX_WITHOUT_WEIGHTS = 32


@dataclass(frozen=True)
class _CachedGenerator:
    declared: str  # adapter and settings that it was loaded with, as JSON
    holds_weights: bool
    generator: Generator


# By the primary key of the model. The most recently used is last.
_cache: OrderedDict[int, _CachedGenerator] = OrderedDict()


def get_generator(model: ImageModel) -> Generator:
    """The generator of a model, loaded with the settings that the row has now.

    Raises:
        AdapterError: (invalid) The model has no adapter, or the adapter rejects its settings.
    """
    if not model.adapter:
        raise AdapterError(
            Outcome.INVALID, f"Model {model.slug} has no adapter, so its images cannot be drawn. Import them instead."
        )
    declared = json.dumps([model.adapter, model.settings], sort_keys=True)
    if model.pk in _cache and _cache[model.pk].declared != declared:
        _evict(model.pk, "settings")
    if model.pk not in _cache:
        holds_weights = find_capabilities(model.adapter, model.settings).holds_weights
        # Before the new one is loaded, not after: memory may not hold both.
        _make_room(holds_weights)
        _cache[model.pk] = _CachedGenerator(declared, holds_weights, _load(model))
    _cache.move_to_end(model.pk)
    return _cache[model.pk].generator


def evict_all() -> None:
    """Close every generator."""
    for pk in list(_cache):
        _evict(pk, "all")


def _make_room(holds_weights: bool) -> None:
    room = max(1, settings.CACHED_GENERATORS) if holds_weights else MAX_WITHOUT_WEIGHTS
    alike = [pk for pk, cached in _cache.items() if cached.holds_weights == holds_weights]
    for pk in alike[: max(0, len(alike) - room + 1)]:
        _evict(pk, "room")


def _load(model: ImageModel) -> Generator:
    started = time.monotonic()
    generator = load_generator(model.adapter, model.settings, settings.PROVIDER_KEYS)
    # Weights are loaded at the first drawing. The adapter reports how long that took.
    log.info("generator_loaded", model=model.slug, **_measure(started))
    return generator


def _evict(pk: int, reason: str) -> None:
    evicted = _cache.pop(pk)
    started = time.monotonic()
    try:
        evicted.generator.close()
    except Exception:
        # Its memory may be lost, but the next model must be able to draw.
        log.exception("generator_not_closed", model=pk)
    log.info("generator_evicted", model=pk, reason=reason, **_measure(started))


def _measure(started: float) -> dict[str, float]:
    return {"seconds": round(time.monotonic() - started, 3), "process_bytes": resident_bytes()}
