"""The registry of adapters: names and dotted paths. A module is imported at the first use of its adapter.

Importing an adapter's module is cheap and needs no optional package: client packages and torch are imported by the
first call of ``generate``.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from pydantic import SecretStr, ValidationError

from generators.adapters.base import AdapterDeclaration, AdapterError, AdapterSettings, Capabilities, Generator, Outcome

ADAPTERS: dict[str, str] = {
    "sketch": "generators.adapters.sketch.generator.SketchGenerator",
    "diffusers": "generators.adapters.diffusers.generator.DiffusersGenerator",
    "onnx": "generators.adapters.onnx.OnnxGenerator",
    "openai": "generators.adapters.openai.OpenAIGenerator",
    "azure": "generators.adapters.azure.AzureGenerator",
    "mai": "generators.adapters.mai.MaiGenerator",
    "xai": "generators.adapters.xai.XaiGenerator",
    "gemini": "generators.adapters.gemini.GeminiGenerator",
    "flux": "generators.adapters.flux.FluxGenerator",
    "stability": "generators.adapters.stability.StabilityGenerator",
}


def find_adapter(name: str) -> type[Generator]:
    """The class of the adapter ``name``. Raises AdapterError (invalid) for an unknown name."""
    try:
        module, _, attribute = ADAPTERS[name].rpartition(".")
    except KeyError:
        known = ", ".join(sorted(ADAPTERS))
        raise AdapterError(Outcome.INVALID, f"There is no adapter {name!r}. Known: {known}.") from None
    return cast(type[Generator], getattr(import_module(module), attribute))


def find_declaration(name: str) -> AdapterDeclaration:
    """The declaration of the adapter ``name``. Raises AdapterError (invalid) for an unknown name."""
    return find_adapter(name).declaration


def is_provider(name: str) -> bool:
    """Whether calls of this adapter are paid. False for "" and for an adapter that no longer exists."""
    return name in ADAPTERS and find_declaration(name).paid


def list_providers() -> list[str]:
    """The names of all adapters whose calls are paid."""
    return [name for name in ADAPTERS if is_provider(name)]


def list_price_units() -> list[str]:
    """Every unit that some adapter bills by, sorted."""
    return sorted({unit for name in ADAPTERS for unit in find_declaration(name).units})


def load_generator(name: str, settings: Mapping[str, Any], key: str = "") -> Generator:
    """Build the adapter ``name`` with ``settings`` and the provider's ``key``.

    Raises AdapterError (invalid) for an unknown name or for settings that the adapter's schema refuses.
    """
    return find_adapter(name)(validate_settings(name, settings), SecretStr(key))


def find_capabilities(name: str, settings: Mapping[str, Any]) -> Capabilities:
    """The capabilities of a model with this adapter and these settings. Raises as ``load_generator`` does."""
    return find_adapter(name).capabilities(validate_settings(name, settings))


def validate_settings(name: str, settings: Mapping[str, Any]) -> AdapterSettings:
    """Parse the settings by the adapter's schema. Raises AdapterError (invalid) that names each invalid setting."""
    try:
        return find_adapter(name).Settings.model_validate(dict(settings))
    except ValidationError as error:
        errors = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors())
        raise AdapterError(Outcome.INVALID, f"Settings of adapter {name!r} are not valid: {errors}") from error
