"""Servers with OpenAI's image API on loopback, and what arrives at them."""

import base64
import json
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request

from generators.adapters.base import AdapterError, Answer, GenerationRequest, Generator
from generators.adapters.openai_api.images import ImagesGenerator
from generators.adapters.registry import find_adapter
from tests.fake_adapters import paint
from tests.generators.adapters.provider_servers import KEY, PNG, ProviderServer, find_servers

PROMPT = "A teapot, and “Tea” written on it"


@dataclass(frozen=True)
class OpenAIServer(ProviderServer):
    """``path`` ends in /images/generations; edits are beside it."""

    @property
    def generations(self) -> str:
        return self.path

    @property
    def edits(self) -> str:
        return self.path.replace("/images/generations", "/images/edits")

    @contextmanager
    def connect(self, url: str, key: str = KEY, **settings: Any) -> Iterator[Generator]:
        """The adapter, calling the server at ``url`` (http://HOST:PORT)."""
        with closing(self.build(url, key=key, **settings)) as generator:
            yield generator

    def ask(self, url: str, requests: Sequence[GenerationRequest], **settings: Any) -> Sequence[Answer]:
        with self.connect(url, **settings) as generator:
            return generator.generate(requests)


def answer_with_png(server: HTTPServer, path: str) -> None:
    body = {"data": [{"b64_json": encode(PNG), "mime_type": "image/png"}]}
    server.expect_request(path, method="POST").respond_with_json(body)


def find_openai_servers() -> list[OpenAIServer]:
    """The servers of all providers whose adapter is built on OpenAI's image API."""
    servers = [server for server in find_servers() if issubclass(find_adapter(server.adapter), ImagesGenerator)]
    assert len(servers) > 3
    return servers  # type: ignore[return-value]


def variants(n: int = 1, **changes: Any) -> list[GenerationRequest]:
    wanted: dict[str, Any] = {"prompt": PROMPT, "width": 1024, "height": 1024, **changes}
    return [GenerationRequest(seed=seed, **wanted) for seed in range(1, n + 1)]


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pictures(n: int = 1, **more: Any) -> dict[str, Any]:
    """The body of a successful response: ``n`` images of different shades, in base64."""
    return {"created": 1_790_000_000, "data": [{"b64_json": encode(paint(shade))} for shade in range(n)], **more}


def server_of(httpserver: HTTPServer) -> str:
    return httpserver.url_for("").rstrip("/")


def sent(httpserver: HTTPServer, method: str = "POST") -> list[Request]:
    return [request for request, _ in httpserver.log if request.method == method]


def sent_json(httpserver: HTTPServer) -> dict[str, Any]:
    """The body of the only paid request that arrived."""
    (request,) = sent(httpserver)
    assert request.content_type == "application/json"
    body = json.loads(request.data)
    assert isinstance(body, dict)
    return body


def sent_form(httpserver: HTTPServer) -> tuple[dict[str, str], list[tuple[str, str, str, bytes]]]:
    """The fields of the only paid request that arrived, and its files: field, file name, media type, bytes."""
    (request,) = sent(httpserver)
    assert request.mimetype == "multipart/form-data"
    with closing(request):
        files = [
            (name, file.filename or "", file.mimetype, file.read()) for name, file in request.files.items(multi=True)
        ]
        return request.form.to_dict(), files


def expect_no_key(error: AdapterError) -> None:
    """Check that the key is in nothing that could be shown of the error, or logged with it."""
    shown = [str(error), repr(error), error.message, error.code, repr(vars(error)), *traceback.format_exception(error)]
    assert not [text for text in shown if KEY in text]
    assert error.__context__ is None or KEY not in repr(vars(error.__context__))
