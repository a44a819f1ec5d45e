"""The registry of adapters: names and dotted paths. A module is imported at the first use of its adapter.

Importing an adapter's module is cheap and needs no optional package: client packages and torch are imported by the
first call of ``generate``.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, cast

from pydantic import SecretStr, ValidationError

from generators.adapters.base import AdapterDeclaration, AdapterError, AdapterSettings, Capabilities, Generator, Outcome
from generators.adapters.servers import ServerSettings, choose_key_variable, find_host

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


def load_generator(name: str, settings: Mapping[str, Any], keys: Mapping[str, str] = MappingProxyType({})) -> Generator:
    """Build the adapter ``name`` with ``settings`` and the one of ``keys`` that its server may be sent.

    ``keys`` are by environment variable: {"PARAGONE_OPENAI_KEY": "sk-..."}.

    Raises AdapterError (invalid) for an unknown name or for settings that the adapter's schema refuses.
    """
    variable = find_key_variable(name, settings)
    key = SecretStr(keys.get(variable, "")) if variable else None
    return find_adapter(name)(validate_settings(name, settings), key)


def find_key_variable(name: str, settings: Mapping[str, Any]) -> str:
    """The variable of the key that a model's server is sent; "" if none. Raises as ``load_generator`` does."""
    return choose_key_variable(find_declaration(name), validate_settings(name, settings))


def find_server_host(name: str, settings: Mapping[str, Any]) -> str:
    """The host of a model's server; "" for a local adapter. Raises as ``load_generator`` does."""
    valid = validate_settings(name, settings)
    return valid.host if isinstance(valid, ServerSettings) else ""


def find_usual_host(name: str) -> str:
    """The host that a provider's models are called on without a ``base_url``; "" if each customer has one."""
    field = find_adapter(name).Settings.model_fields.get("base_url")
    return "" if field is None or field.is_required() else find_host(field.default)


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
