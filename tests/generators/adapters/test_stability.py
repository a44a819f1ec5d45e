"""Stability AI: a multipart request, answered with the image's bytes; each model is one endpoint."""

from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request

from generators.adapters.base import AUTHENTICATION, AdapterError, GenerationRequest, Outcome
from generators.adapters.registry import find_capabilities
from tests.generators.adapters.provider_servers import (
    KEY,
    PNG,
    ProviderServer,
    address,
    build,
    draw,
    fail,
    paid_calls,
    paint,
)

BASE = "/v2beta/stable-image"
FIELDS = {"seed": "8", "output_format": "png"}


def _answer(server: HTTPServer, path: str) -> None:
    headers = {"finish-reason": "SUCCESS", "seed": "8", "x-request-id": "request-1"}
    server.expect_request(path, method="POST").respond_with_data(PNG, content_type="image/png", headers=headers)


SERVER = ProviderServer("stability", f"{BASE}/generate/ultra", _answer)


def answer(server: HTTPServer, path: str, data: bytes = PNG, **headers: str) -> None:
    server.expect_request(BASE + path, method="POST").respond_with_data(data, content_type="image/png", headers=headers)


def read_form(call: Request) -> tuple[dict[str, str], dict[str, tuple[bytes, str]]]:
    """The fields, and the files as bytes and media type."""
    with call:
        return call.form.to_dict(), {name: (part.read(), part.mimetype) for name, part in call.files.items()}


@pytest.mark.parametrize(
    ("model", "path", "extra"),
    [
        ("core", "/generate/core", {}),
        ("ultra", "/generate/ultra", {}),
        ("sd3.5-large", "/generate/sd3", {"model": "sd3.5-large", "mode": "text-to-image"}),
        ("sd3.5-medium", "/generate/sd3", {"model": "sd3.5-medium", "mode": "text-to-image"}),
    ],
)
def test_each_model_has_its_own_endpoint(httpserver: HTTPServer, model: str, path: str, extra: dict[str, str]) -> None:
    answer(httpserver, path, **{"finish-reason": "SUCCESS", "seed": "8", "x-request-id": "request-1"})
    image = draw(build(SERVER, address(httpserver), model=model), GenerationRequest("a red fox", 7, 1920, 1080))
    assert (image.data, image.media_type, image.billed) == (PNG, "image/png", {"image": 1})
    assert image.reported == {
        "request_id": "request-1",
        "parameters": {"seed": 8, "output_format": "png", "aspect_ratio": "16:9", **extra, "model": model},
    }
    [call] = paid_calls(httpserver)
    assert (call.headers["Authorization"], call.headers["Accept"]) == (f"Bearer {KEY}", "image/*")
    assert call.content_type.startswith("multipart/form-data")
    assert read_form(call) == ({"prompt": "a red fox", **FIELDS, "aspect_ratio": "16:9", **extra}, {})


@pytest.mark.parametrize(("seed", "sent"), [(0, "1"), (41, "42"), (4_294_967_293, "4294967294"), (2**40, "513")])
def test_a_seed_is_never_zero(httpserver: HTTPServer, seed: int, sent: str) -> None:
    answer(httpserver, "/generate/ultra")
    image = draw(build(SERVER, address(httpserver)), GenerationRequest("a red fox", seed, 1024, 1024))
    assert read_form(paid_calls(httpserver)[0])[0]["seed"] == sent
    assert image.reported["parameters"]["seed"] == int(sent)


@pytest.mark.parametrize(
    ("model", "path", "fields"),
    [
        ("ultra", "/generate/ultra", {"strength": "0.35", "aspect_ratio": "1:1"}),
        ("sd3.5-large", "/generate/sd3", {"strength": "0.35", "model": "sd3.5-large", "mode": "image-to-image"}),
    ],
)
def test_an_edit_starts_from_its_image(httpserver: HTTPServer, model: str, path: str, fields: dict[str, str]) -> None:
    answer(httpserver, path)
    source = paint(format="JPEG")
    request = GenerationRequest("make it blue", 7, 1024, 1024, sources=(source,))
    draw(build(SERVER, address(httpserver), model=model, strength=0.35), request)
    [call] = paid_calls(httpserver)
    form, files = read_form(call)
    assert form == {"prompt": "make it blue", **FIELDS, **fields}
    assert files == {"image": (source, "image/jpeg")}


def test_inpainting_sends_the_image_and_its_mask(httpserver: HTTPServer) -> None:
    answer(httpserver, "/edit/inpaint")
    mask = paint(32, 32)
    request = GenerationRequest("a hat", 7, 1024, 1024, sources=(PNG,), mask=mask)
    draw(build(SERVER, address(httpserver), model="inpaint"), request)
    [call] = paid_calls(httpserver)
    form, files = read_form(call)
    assert form == {"prompt": "a hat", **FIELDS}
    assert files == {"image": (PNG, "image/png"), "mask": (mask, "image/png")}


@pytest.mark.parametrize(
    ("model", "sources", "mask"),
    [
        ("core", (PNG,), None),
        ("ultra", (PNG,), PNG),
        ("ultra", (), PNG),
        ("inpaint", (), None),
        ("inpaint", (PNG,), None),
        ("inpaint", (), PNG),
        ("inpaint", (PNG,), b"no mask"),
    ],
)
def test_a_request_beyond_a_models_capabilities_is_refused_unsent(
    httpserver: HTTPServer, model: str, sources: tuple[bytes, ...], mask: bytes | None
) -> None:
    request = GenerationRequest("a hat", 7, 1024, 1024, sources=sources, mask=mask)
    error = fail(build(SERVER, address(httpserver), model=model), request)
    assert (error.outcome, error.billed) == (Outcome.INVALID, {})
    assert not httpserver.log


def test_capabilities_follow_the_model() -> None:
    able = [find_capabilities("stability", {"model": model}) for model in ("core", "ultra", "sd3.5-medium", "inpaint")]
    assert [(one.max_sources, one.masks) for one in able] == [(0, False), (1, False), (1, False), (1, True)]
    assert all(one.seeded and one.max_batch == 1 for one in able)


def test_a_moderated_request_is_a_refusal_and_not_a_rejected_key(httpserver: HTTPServer) -> None:
    body = {"id": "fault-1", "name": "content_moderation", "errors": ["Your request was flagged.", "Sorry."]}
    httpserver.expect_request(SERVER.path).respond_with_json(body, 403)
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.stage, error.code) == (Outcome.REFUSED, "prompt", "content_moderation")
    assert (error.billed, error.reported) == ({}, {"request_id": "fault-1"})
    assert "Your request was flagged.; Sorry." in error.message


def test_a_filtered_image_is_a_billed_refusal(httpserver: HTTPServer) -> None:
    answer(httpserver, "/generate/ultra", **{"finish-reason": "CONTENT_FILTERED", "x-request-id": "request-1"})
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.stage, error.code) == (Outcome.REFUSED, "image", "CONTENT_FILTERED")
    assert (error.billed, error.reported["request_id"]) == ({"image": 1}, "request-1")


@pytest.mark.parametrize(
    ("status", "name", "outcome", "code"),
    [
        (401, "unauthorized", Outcome.INVALID, AUTHENTICATION),
        (403, "forbidden", Outcome.INVALID, AUTHENTICATION),
        (402, "payment_required", Outcome.QUOTA, "payment_required"),
        (413, "payload_too_large", Outcome.INVALID, "payload_too_large"),
        (422, "invalid_language", Outcome.INVALID, "invalid_language"),
        (429, "rate_limit_exceeded", Outcome.RATE_LIMITED, "rate_limit_exceeded"),
        (500, "internal_error", Outcome.TRANSIENT, "internal_error"),
    ],
)
def test_an_error_of_the_provider_has_one_meaning(
    httpserver: HTTPServer, status: int, name: str, outcome: Outcome, code: str
) -> None:
    body = {"id": "fault-1", "name": name, "errors": ["the provider's words"]}
    httpserver.expect_request(SERVER.path).respond_with_json(body, status)
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.code, error.reported) == (outcome, code, {"request_id": "fault-1"})
    assert ("the provider's words" in error.message) == (code != AUTHENTICATION)


@pytest.mark.parametrize("body", [{"errors": "one string"}, {"errors": None, "name": None}, {"errors": [{"a": 1}]}, 3])
def test_an_error_of_another_form_keeps_its_status(httpserver: HTTPServer, body: Any) -> None:
    httpserver.expect_request(SERVER.path).respond_with_json(body, 422)
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.billed) == (Outcome.INVALID, {})
    assert error.message.startswith("HTTP 422: ")


def test_a_model_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AdapterError, match="model"):
        SERVER.build("https://images.example", model="no such model")


def test_a_source_larger_than_the_provider_takes_is_refused_unsent(httpserver: HTTPServer) -> None:
    request = GenerationRequest("make it blue", 7, 1024, 1024, sources=(PNG + bytes(10_000_000),))
    error = fail(build(SERVER, address(httpserver)), request)
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, "source", {})
    assert not httpserver.log
