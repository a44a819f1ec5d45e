"""Names of adapters and where they live. A module is imported at the first use, never in the web process."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from pydantic import SecretStr, ValidationError

from generators.adapters.base import AdapterError, AdapterSettings, Capabilities, Generator, Outcome

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


def load_generator(name: str, settings: Mapping[str, Any], key: str = "") -> Generator:
    """The adapter ``name``, set up with ``settings`` and the provider's ``key``.

    Raises AdapterError (invalid) for an unknown name or settings that its schema refuses.
    """
    return _import_adapter(name)(validate_settings(name, settings), SecretStr(key))


def find_capabilities(name: str, settings: Mapping[str, Any]) -> Capabilities:
    """What a model with this adapter and these settings can do. Raises as ``load_generator`` does."""
    return _import_adapter(name).capabilities(validate_settings(name, settings))


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
    try:
        return cast(type[Generator], getattr(import_module(module), attribute))
    except ImportError as error:
        wanted = f"Adapter {name!r} needs the package {error.name}: pip install 'paragone[workers]'"
        raise AdapterError(Outcome.INVALID, wanted) from error
