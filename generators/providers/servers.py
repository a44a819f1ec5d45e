"""The server of a model: its provider and host. Rate limit and circuit breaker hold for each server."""

from typing import NamedTuple

from generators.adapters.base import AdapterError
from generators.adapters.registry import find_server_host, is_provider
from generators.models import ImageModel


class Server(NamedTuple):
    """``slug`` is the name of the provider's adapter; ``host`` has a port if that is not the usual one."""

    slug: str
    host: str


def find_server(model: ImageModel) -> Server | None:
    """The server that a model's images are drawn on, if its adapter is a provider's and accepts its settings."""
    if not is_provider(model.adapter):
        return None
    try:
        return Server(model.adapter, find_server_host(model.adapter, model.settings))
    except AdapterError:
        return None  # drawing raises the same error and records it
