"""Servers that models are called on, and the one key that each may be sent. Free of Django.

A provider's key goes to the provider's own hosts and nowhere else. Another server with the same API gets no key, or
the one that the model's settings name.
"""

from fnmatch import fnmatchcase
from typing import Annotated

import httpx2
from pydantic import AfterValidator

from generators.adapters.base import AdapterDeclaration, AdapterSettings

# The variables that a model may name for its server's key. A declaration can read nothing else from the environment.
SERVER_KEY_PREFIX = "PARAGONE_SERVER_KEY_"


def _check_variable(name: str) -> str:
    rest = name.removeprefix(SERVER_KEY_PREFIX)
    legal = rest.isascii() and rest.isidentifier() and rest == rest.upper() and not rest.endswith("_FILE")
    if rest == name or not legal:
        raise ValueError(
            f"wanted the name of a variable, {SERVER_KEY_PREFIX} and capitals, digits or _, such as"
            f" {SERVER_KEY_PREFIX}LAB; the key itself belongs into that variable"
        )
    return name


class ServerSettings(AdapterSettings):
    """Base of the settings of a model on a server.

    ``key_env``: the environment variable with the key of a server that is not the provider's own, or of a second
    account with the provider.
    """

    key_env: Annotated[str, AfterValidator(_check_variable)] | None = None

    @property
    def address(self) -> str:
        """The address of the server: the setting ``base_url``, or ``endpoint`` where each customer has one."""
        return str(getattr(self, "base_url", "") or getattr(self, "endpoint", ""))

    @property
    def host(self) -> str:
        """The server's host, with its port if that is not the usual one."""
        return find_host(self.address)


def find_host(address: str) -> str:
    """The host of an address, with its port if that is not the usual one. Raises ValueError if it is no address."""
    try:
        return httpx2.URL(address).netloc.decode().lower()
    except httpx2.InvalidURL as error:
        raise ValueError("this is not an address; wanted https://HOST") from error


def is_own_host(declaration: AdapterDeclaration, settings: ServerSettings) -> bool:
    """Whether the model's server is one of the provider's own."""
    name = httpx2.URL(settings.address).host.lower()
    return any(fnmatchcase(name, pattern) for pattern in declaration.hosts)


def list_key_hosts(declaration: AdapterDeclaration, settings: ServerSettings) -> tuple[str, ...]:
    """The hosts (patterns: ``*.bfl.ai``) that a model's key may be sent to."""
    return declaration.hosts if is_own_host(declaration, settings) else (httpx2.URL(settings.address).host.lower(),)


def choose_key_variable(declaration: AdapterDeclaration, settings: AdapterSettings) -> str:
    """The environment variable of the key that the model's server is sent; "" if it is sent none."""
    if not isinstance(settings, ServerSettings):
        return ""
    return settings.key_env or (declaration.key if is_own_host(declaration, settings) else "")
