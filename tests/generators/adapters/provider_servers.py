"""Providers' servers on loopback, each speaking its own wire format: what the tests of their adapters have in common."""

import base64
import io
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import pytest
from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from generators.adapters.base import AdapterError, GeneratedImage, GenerationRequest, Generator
from generators.adapters.registry import load_generator

KEY = "secret-0123456789-key"
REQUEST = GenerationRequest("a red fox", seed=7, width=1024, height=1024)


def paint(width: int = 64, height: int = 48, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "firebrick").save(buffer, format)
    return buffer.getvalue()


PNG = paint()


@dataclass(frozen=True)
class Provider:
    """``path`` is the paid call's; ``answer`` lets the server say yes to it."""

    name: str
    path: str
    answer: Callable[[HTTPServer], None]
    settings: dict[str, Any] = field(default_factory=dict)


def build(provider: Provider, base_url: str, *, key: str = KEY, **settings: Any) -> Generator:
    return load_generator(provider.name, {"base_url": base_url, "timeout": 5, **provider.settings, **settings}, key)


def address(server: HTTPServer) -> str:
    return server.url_for("").rstrip("/")


def draw(generator: Generator, request: GenerationRequest = REQUEST) -> GeneratedImage:
    try:
        [image] = generator.generate([request])
    finally:
        generator.close()
    assert isinstance(image, GeneratedImage)
    return image


def fail(generator: Generator, request: GenerationRequest = REQUEST) -> AdapterError:
    """The AdapterError of a drawing that fails; nothing that it says, or that it came from, tells the key."""
    with pytest.raises(AdapterError) as caught:
        draw(generator, request)
    error: BaseException | None = caught.value
    assert KEY not in repr(vars(caught.value))
    while error is not None:
        assert KEY not in str(error) + repr(error)
        error = error.__cause__ or error.__context__
    assert KEY not in repr(generator) + repr(vars(generator))
    return caught.value


def paid_calls(server: HTTPServer) -> list[Request]:
    return [request for request, _ in server.log if request.method == "POST"]


def gemini_answer(*parts: dict[str, Any], reason: str = "STOP", **more: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 1290, "totalTokenCount": 1298},
        "modelVersion": "gemini-2.5-flash-image",
        "responseId": "response-1",
        **more,
    }


def gemini_image(data: bytes = PNG, media_type: str = "image/png") -> dict[str, Any]:
    return {"inlineData": {"mimeType": media_type, "data": base64.b64encode(data).decode()}}


def _answer_gemini(server: HTTPServer) -> None:
    server.expect_request(GEMINI.path, method="POST").respond_with_json(gemini_answer(gemini_image()))


def accept_flux(server: HTTPServer, **task: Any) -> None:
    """Take the task, and name where it is polled."""
    body = {"id": "task-1", "polling_url": server.url_for("/v1/get_result?id=task-1"), **task}
    server.expect_request(FLUX.path, method="POST").respond_with_json(body)


def _answer_flux(server: HTTPServer) -> None:
    accept_flux(server)
    ready = {"id": "task-1", "status": "Ready", "result": {"sample": server.url_for("/sample.png"), "seed": 7}}
    server.expect_request("/v1/get_result", method="GET").respond_with_json(ready)
    server.expect_request("/sample.png").respond_with_data(PNG, content_type="image/png")


def _answer_stability(server: HTTPServer) -> None:
    headers = {"finish-reason": "SUCCESS", "seed": "8", "x-request-id": "request-1"}
    server.expect_request(STABILITY.path, method="POST").respond_with_data(
        PNG, content_type="image/png", headers=headers
    )


GEMINI = Provider("gemini", "/v1beta/models/gemini-2.5-flash-image:generateContent", _answer_gemini)
FLUX = Provider("flux", "/v1/flux-2-pro", _answer_flux, {"hosts": ["localhost"]})
STABILITY = Provider("stability", "/v2beta/stable-image/generate/ultra", _answer_stability)
MAKERS = [GEMINI, FLUX, STABILITY]


def cut_off(request: Request) -> Response:
    """A success that promises more bytes than come."""
    response = Response(b'{"id": "task-1", "candidates', content_type="application/json")
    response.automatically_set_content_length = False
    response.headers["Content-Length"] = "5000"
    return response


@contextmanager
def listen(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that reads one request and then does ``answer`` to the connection."""
    with socket.create_server(("localhost", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                answer(connection)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://localhost:{listening.getsockname()[1]}"
        thread.join(5)


def stay_silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass  # until the other side gives up


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closed_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.create_server(("localhost", 0)) as listening:
        return int(listening.getsockname()[1])
