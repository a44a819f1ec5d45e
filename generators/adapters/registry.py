"""Names of adapters and where they live. A module is imported at the first use, never in the web process."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from pydantic import ValidationError

from generators.adapters.base import AdapterError, AdapterSettings, Generator, Outcome

ADAPTERS: dict[str, str] = {
    "sketch": "generators.adapters.sketch.generator.SketchGenerator",
}


def load_generator(name: str, settings: Mapping[str, Any]) -> Generator:
    """The adapter ``name``, set up with ``settings``.

    Raises AdapterError (invalid) for an unknown name or settings that its schema refuses.
    """
    adapter = _import_adapter(name)
    return adapter(validate_settings(name, settings))


def validate_settings(name: str, settings: Mapping[str, Any]) -> AdapterSettings:
    """The adapter's settings as its own schema reads them, or AdapterError (invalid) naming each fault."""
    try:
        return _import_adapter(name).Settings.model_validate(dict(settings))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors())
        raise AdapterError(Outcome.INVALID, f"Settings of adapter {name!r} are not valid: {faults}") from error


def _import_adapter(name: str) -> type[Generator]:
    try:
        module, _, attribute = ADAPTERS[name].rpartition(".")
    except KeyError:
        known = ", ".join(sorted(ADAPTERS))
        raise AdapterError(Outcome.INVALID, f"There is no adapter {name!r}. Known: {known}.") from None
    return cast(type[Generator], getattr(import_module(module), attribute))
