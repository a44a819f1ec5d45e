"""The providers that speak OpenAI's image API, as a loopback server plays them, and how each is called in these tests."""

import base64
import json
import socket
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request

from generators.adapters.base import AdapterError, Answer, GenerationRequest, Generator
from generators.adapters.registry import load_generator
from tests.fake_adapters import paint

KEY = "sk-loopback-4f9c2d71"
PROMPT = "A teapot, and “Tea” written on it"


@dataclass(frozen=True)
class Provider:
    """``address`` is the setting that names the server; ``prefix`` is the path there before ``/images/...``."""

    adapter: str
    address: str
    base: str
    prefix: str
    key_header: str = "Authorization"
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def generations(self) -> str:
        return f"{self.prefix}/images/generations"

    @property
    def edits(self) -> str:
        return f"{self.prefix}/images/edits"

    @contextmanager
    def connect(self, server: str, key: str = KEY, **settings: Any) -> Iterator[Generator]:
        """The adapter, asking ``server`` (http://HOST:PORT)."""
        address = {self.address: f"{server}{self.base}"}
        with closing(load_generator(self.adapter, {**self.settings, **address, **settings}, key)) as generator:
            yield generator

    def ask(self, server: str, requests: Sequence[GenerationRequest], **settings: Any) -> Sequence[Answer]:
        with self.connect(server, **settings) as generator:
            return generator.generate(requests)


OPENAI = Provider("openai", "base_url", "/v1", "/v1", settings={"model": "gpt-image-2.5-flare"})
AZURE = Provider(
    "azure",
    "endpoint",
    "",
    "/openai/deployments/studio",
    key_header="api-key",
    settings={"model": "gpt-image-2.5-flare", "deployment": "studio"},
)
MAI = Provider("mai", "endpoint", "", "/mai/v1", key_header="api-key", settings={"model": "MAI-Image-2.5"})
XAI = Provider("xai", "base_url", "/v1", "/v1", settings={"model": "grok-imagine-image-2.0"})
MAKERS = [OPENAI, AZURE, MAI, XAI]


def variants(n: int = 1, **changes: Any) -> list[GenerationRequest]:
    wanted: dict[str, Any] = {"prompt": PROMPT, "width": 1024, "height": 1024, **changes}
    return [GenerationRequest(seed=seed, **wanted) for seed in range(1, n + 1)]


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pictures(n: int = 1, **more: Any) -> dict[str, Any]:
    """The body of a success: ``n`` images, each of another shade, as bytes."""
    return {"created": 1_790_000_000, "data": [{"b64_json": encode(paint(shade))} for shade in range(n)], **more}


def server_of(httpserver: HTTPServer) -> str:
    return httpserver.url_for("").rstrip("/")


def sent(httpserver: HTTPServer, method: str = "POST") -> list[Request]:
    return [request for request, _ in httpserver.log if request.method == method]


def sent_json(httpserver: HTTPServer) -> dict[str, Any]:
    """The body of the one paid request that arrived."""
    (request,) = sent(httpserver)
    assert request.content_type == "application/json"
    body = json.loads(request.data)
    assert isinstance(body, dict)
    return body


def sent_form(httpserver: HTTPServer) -> tuple[dict[str, str], list[tuple[str, str, str, bytes]]]:
    """The fields of the one paid request that arrived, and its files: field, file name, media type, bytes."""
    (request,) = sent(httpserver)
    assert request.mimetype == "multipart/form-data"
    with closing(request):
        files = [
            (name, file.filename or "", file.mimetype, file.read()) for name, file in request.files.items(multi=True)
        ]
        return request.form.to_dict(), files


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        return port


def expect_no_key(error: AdapterError) -> None:
    """Nothing that could be shown of the error, or logged with it, holds the key."""
    shown = [str(error), repr(error), error.message, error.code, repr(vars(error)), *traceback.format_exception(error)]
    assert not [text for text in shown if KEY in text]
    assert error.__context__ is None or KEY not in repr(vars(error.__context__))
