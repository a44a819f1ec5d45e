"""Servers of providers on loopback: how the shared tests call each provider, and how its server misbehaves."""

import io
import re
import socket
import struct
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from generators.adapters.base import AdapterError, GeneratedImage, GenerationRequest, Generator
from generators.adapters.registry import find_declaration, list_providers, load_generator

ROOT = Path(__file__).resolve().parent.parent.parent.parent
CHECKLIST = 'see "Add a provider" in docs/adapters.md'
KEY = "secret-0123456789-key"
# Loopback is not a host of any provider, so a model there names the variable of its key.
KEY_VARIABLE = "PARAGONE_SERVER_KEY_TESTS"
REQUEST = GenerationRequest("a red fox", seed=7, width=1024, height=1024)


def paint(width: int = 64, height: int = 48, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "firebrick").save(buffer, format)
    return buffer.getvalue()


PNG = paint()


@dataclass(frozen=True)
class ProviderServer:
    """A provider's server. The test file of each provider defines one as ``SERVER``.

    - ``path``: the path of the paid request, which is a POST
    - ``answer``: given the server and ``path``, makes it return the image ``PNG``
    - ``settings``: what a model needs beside the server's address
    - ``address``, ``suffix``: the setting that holds the address, and what follows the host there
    """

    adapter: str
    path: str
    answer: Callable[[HTTPServer, str], None]
    settings: dict[str, Any] = field(default_factory=dict)
    address: str = "base_url"
    suffix: str = ""

    def build(self, url: str, *, key: str = KEY, **settings: Any) -> Generator:
        """The adapter, calling the server at ``url`` (http://HOST:PORT) with the server's own key."""
        given = {self.address: f"{url}{self.suffix}", "timeout": 5, "key_env": KEY_VARIABLE, **self.settings}
        return load_generator(self.adapter, given | settings, {KEY_VARIABLE: key})

    def own_settings(self) -> dict[str, Any]:
        """The settings of a model on the provider's own server."""
        resource = find_declaration(self.adapter).hosts[0].replace("*", "resource")
        return {self.address: f"https://{resource}", **self.settings}

    def start(self, httpserver: HTTPServer) -> Generator:
        """The adapter, calling a server that returns the image ``PNG``."""
        self.answer(httpserver, self.path)
        return self.build(address(httpserver))


def find_servers() -> list[ProviderServer]:
    """The server of every provider in the registry, from its test file test_NAME.py.

    Fails the test, or the collection of a test file, with what a provider's test file lacks.
    """
    return [_find_server(name) for name in list_providers()]


def _find_server(name: str) -> ProviderServer:
    module = f"tests.generators.adapters.test_{name}"
    if find_spec(module) is None:
        pytest.fail(f"Provider {name!r} has no tests. Write {module.replace('.', '/')}.py: {CHECKLIST}.", pytrace=False)
    server = getattr(import_module(module), "SERVER", None)
    if not isinstance(server, ProviderServer) or server.adapter != name:
        wanted = f"SERVER = ProviderServer({name!r}, PATH, ANSWER)"
        pytest.fail(f"{module.replace('.', '/')}.py does not define {wanted}: {CHECKLIST}.", pytrace=False)
    return server


def find_modules(extra: str) -> set[str]:
    """The modules that an extra installs."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    packages = {re.split(r"[^\w.-]", requirement)[0] for requirement in declared} - {"paragone"}
    modules = {module for module, owners in packages_distributions().items() if packages & {*owners}}
    assert modules, f"No package of the extra {extra!r} is installed."
    return modules


def build(server: ProviderServer, url: str, *, key: str = KEY, **settings: Any) -> Generator:
    return server.build(url, key=key, **settings)


def address(server: HTTPServer) -> str:
    return server.url_for("").rstrip("/")


def draw(generator: Generator, request: GenerationRequest = REQUEST) -> GeneratedImage:
    """The one image of a request. Closes the generator."""
    try:
        [image] = generator.generate([request])
    finally:
        generator.close()
    assert isinstance(image, GeneratedImage)
    return image


def fail(generator: Generator, request: GenerationRequest = REQUEST) -> AdapterError:
    """The AdapterError of a request that fails, raised or returned. Checks that it does not hold the key."""
    error: BaseException | None
    try:
        [answer] = generator.generate([request])
    except AdapterError as raised:
        answer = raised
    finally:
        generator.close()
    if not isinstance(answer, AdapterError):
        pytest.fail("There is an image.")
    assert KEY not in repr(vars(answer))
    error = answer
    while error is not None:
        assert KEY not in str(error) + repr(error)
        error = error.__cause__ or error.__context__
    assert KEY not in repr(generator) + repr(vars(generator))
    return answer


def paid_calls(server: HTTPServer) -> list[Request]:
    return [request for request, _ in server.log if request.method == "POST"]


def cut_off(request: Request) -> Response:
    """A successful response that ends before its Content-Length."""
    response = Response(b'{"id": "task-1", "candidates', content_type="application/json")
    response.automatically_set_content_length = False
    response.headers["Content-Length"] = "5000"
    return response


@contextmanager
def listen(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that reads one request and then calls ``answer`` with the connection."""
    with socket.create_server(("localhost", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                answer(connection)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://localhost:{listening.getsockname()[1]}"
        thread.join(60)


def stay_silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass  # until the client closes the connection


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closed_port() -> int:
    """A port of this machine without a listener."""
    with socket.create_server(("localhost", 0)) as listening:
        return int(listening.getsockname()[1])
