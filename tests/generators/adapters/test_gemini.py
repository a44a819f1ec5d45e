"""Gemini: a refusal is a successful response with a finish reason; text and thoughts come beside the image."""

import base64
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

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


def make_body(*parts: dict[str, Any], reason: str = "STOP", **more: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 1290, "totalTokenCount": 1298},
        "modelVersion": "gemini-2.5-flash-image",
        "responseId": "response-1",
        **more,
    }


def make_image(data: bytes = PNG, media_type: str = "image/png") -> dict[str, Any]:
    return {"inlineData": {"mimeType": media_type, "data": base64.b64encode(data).decode()}}


def _answer(server: HTTPServer, path: str) -> None:
    server.expect_request(path, method="POST").respond_with_json(make_body(make_image()))


SERVER = ProviderServer("gemini", "/v1beta/models/gemini-2.5-flash-image:generateContent", _answer)
TOKENS = {"input_token": 8, "output_token": 1290}


def answer(server: HTTPServer, body: Any, status: int = 200, **headers: str) -> None:
    server.expect_request(SERVER.path, method="POST").respond_with_json(body, status, headers=headers)


def test_a_request_has_the_documented_form(httpserver: HTTPServer) -> None:
    answer(httpserver, make_body(make_image()))
    draw(build(SERVER, address(httpserver)), GenerationRequest("a red fox", 2**31 + 7, 1920, 1080))
    [call] = paid_calls(httpserver)
    assert call.headers["x-goog-api-key"] == KEY
    assert KEY not in call.url
    assert call.json == {
        "contents": [{"role": "user", "parts": [{"text": "a red fox"}]}],
        "generationConfig": {
            "seed": 7,
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "16:9"},
        },
    }


def test_text_parameters_and_usage_are_reported_with_the_image(httpserver: HTTPServer) -> None:
    draft = {**make_image(paint(8, 8)), "thought": True}
    words = [{"text": "first a sketch", "thought": True}, {"text": "Here is"}, {"text": "your fox."}]
    jpeg = make_image(paint(format="JPEG"), "image/png")  # the bytes say what they are, not the label
    body = make_body(draft, *words, jpeg)
    body["usageMetadata"]["thoughtsTokenCount"] = 300
    answer(httpserver, body)
    image = draw(build(SERVER, address(httpserver), image_size="1K"))
    assert (image.data, image.media_type) == (paint(format="JPEG"), "image/jpeg")
    assert image.billed == {"image": 1, **TOKENS, "thought_token": 300}
    assert image.reported == {
        "request_id": "response-1",
        "text": "Here is\nyour fox.",
        "parameters": {
            "model": "gemini-2.5-flash-image",
            "model_version": "gemini-2.5-flash-image",
            "aspect_ratio": "1:1",
            "image_size": "1K",
            "seed": 7,
        },
    }
    [call] = paid_calls(httpserver)
    assert call.json["generationConfig"]["imageConfig"] == {"aspectRatio": "1:1", "imageSize": "1K"}


def test_an_edit_sends_its_images_before_the_text(httpserver: HTTPServer) -> None:
    answer(httpserver, make_body(make_image()))
    sources = (PNG, paint(format="WEBP"))
    draw(build(SERVER, address(httpserver)), GenerationRequest("make it blue", 7, 1024, 1024, sources=sources))
    [call] = paid_calls(httpserver)
    *images, words = call.json["contents"][0]["parts"]
    blobs = [image["inlineData"] for image in images]
    # The API accepts both spellings; the SDK writes this name in snake case.
    assert [blob.get("mimeType") or blob["mime_type"] for blob in blobs] == ["image/png", "image/webp"]
    assert tuple(base64.urlsafe_b64decode(blob["data"]) for blob in blobs) == sources
    assert words == {"text": "make it blue"}


def test_the_older_generation_takes_fewer_images() -> None:
    assert find_capabilities("gemini", {"model": "gemini-2.5-flash-image"}).max_sources == 3
    newer = find_capabilities("gemini", {"model": "gemini-3-pro-image-preview"})
    assert (newer.max_sources, newer.masks, newer.seeded, newer.max_batch) == (14, False, False, 1)


@pytest.mark.parametrize("reason", ["SAFETY", "PROHIBITED_CONTENT", "OTHER", "BLOCKLIST", "IMAGE_SAFETY"])
def test_a_blocked_prompt_is_a_refusal_of_the_prompt(httpserver: HTTPServer, reason: str) -> None:
    usage = {"promptTokenCount": 8, "totalTokenCount": 8}
    answer(httpserver, {"promptFeedback": {"blockReason": reason}, "usageMetadata": usage, "responseId": "response-2"})
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.stage, error.code) == (Outcome.REFUSED, "prompt", reason)
    assert error.billed == {"input_token": 8}
    assert error.reported["request_id"] == "response-2"


@pytest.mark.parametrize(
    "reason",
    ["IMAGE_SAFETY", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT", "NO_IMAGE", "RECITATION", "IMAGE_RECITATION"],
)
def test_a_withheld_image_is_a_refusal_with_its_reason_and_bill(httpserver: HTTPServer, reason: str) -> None:
    body = make_body(reason=reason)
    del body["candidates"][0]["content"]
    answer(httpserver, body)
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.stage, error.code) == (Outcome.REFUSED, "image", reason)
    assert (error.billed, error.reported["request_id"]) == (TOKENS, "response-1")
    assert reason in error.message


def test_text_instead_of_an_image_is_a_refusal(httpserver: HTTPServer) -> None:
    answer(httpserver, make_body({"text": "I cannot draw that."}))
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.stage, error.code) == (Outcome.REFUSED, "image", "NO_IMAGE")
    assert error.reported["text"] == "I cannot draw that."
    assert error.billed == TOKENS


@pytest.mark.parametrize("reason", ["STOP", "MAX_TOKENS", "OTHER", "IMAGE_OTHER", "MALFORMED_RESPONSE"])
def test_another_finish_reason_without_an_image_is_transient(httpserver: HTTPServer, reason: str) -> None:
    answer(httpserver, make_body(reason=reason))
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.code, error.billed) == (Outcome.TRANSIENT, reason, TOKENS)


def test_an_empty_response_is_not_a_refusal(httpserver: HTTPServer) -> None:
    answer(httpserver, {})
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.stage, error.billed) == (Outcome.TRANSIENT, "", {})


def test_a_response_that_could_be_continued_causes_no_second_call(httpserver: HTTPServer) -> None:
    unfinished = make_body({"text": "to be"}, reason="CONTINUATION")
    unfinished["candidates"][0]["continuationToken"] = "dG9rZW4="
    httpserver.expect_ordered_request(SERVER.path).respond_with_json(unfinished)
    httpserver.expect_ordered_request(SERVER.path).respond_with_json(make_body(make_image()))
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.code) == (Outcome.TRANSIENT, "CONTINUATION")
    assert len(paid_calls(httpserver)) == 1


@pytest.mark.parametrize("data", ["not base64!", base64.b64encode(b"words, no image").decode()])
def test_an_invalid_image_may_be_billed(httpserver: HTTPServer, data: str) -> None:
    answer(httpserver, make_body({"inlineData": {"mimeType": "image/png", "data": data}}))
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)


def make_error(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
EXCEEDED = "You exceeded your current quota, please check your plan and billing details."
ERRORS = [
    (make_error(400, "INVALID_ARGUMENT", f"API key not valid: {KEY}", BAD_KEY), Outcome.INVALID, AUTHENTICATION, None),
    (make_error(403, "PERMISSION_DENIED", "consumer is suspended"), Outcome.INVALID, AUTHENTICATION, None),
    (make_error(403, "PERMISSION_DENIED", "This API requires billing."), Outcome.QUOTA, "PERMISSION_DENIED", None),
    (make_error(400, "INVALID_ARGUMENT", "aspect ratio"), Outcome.INVALID, "INVALID_ARGUMENT", None),
    (make_error(400, "FAILED_PRECONDITION", "Enable billing."), Outcome.QUOTA, "FAILED_PRECONDITION", None),
    (make_error(429, "RESOURCE_EXHAUSTED", EXCEEDED, RETRY), Outcome.RATE_LIMITED, "RESOURCE_EXHAUSTED", 34.5),
    (make_error(429, "RESOURCE_EXHAUSTED", "slow down"), Outcome.RATE_LIMITED, "RESOURCE_EXHAUSTED", None),
    (make_error(429, "RESOURCE_EXHAUSTED", EXCEEDED), Outcome.QUOTA, "RESOURCE_EXHAUSTED", None),
    (make_error(503, "UNAVAILABLE", "The model is overloaded."), Outcome.TRANSIENT, "UNAVAILABLE", None),
]


@pytest.mark.parametrize(("body", "outcome", "code", "wait"), ERRORS)
def test_an_error_of_the_provider_has_one_meaning(
    httpserver: HTTPServer, body: dict[str, Any], outcome: Outcome, code: str, wait: float | None
) -> None:
    answer(httpserver, body, body["error"]["code"])
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.code, error.retry_after, error.billed) == (outcome, code, wait, {})
    assert len(paid_calls(httpserver)) == 1


@pytest.mark.parametrize("details", [["words"], {"retryDelay": "3s"}, [{"retryDelay": "soon"}], [{"retryDelay": None}]])
def test_details_of_another_form_are_ignored(httpserver: HTTPServer, details: Any) -> None:
    answer(httpserver, {"error": {"code": 429, "message": "slow down", "details": details}}, 429)
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.retry_after) == (Outcome.RATE_LIMITED, None)


def test_a_mask_is_refused(httpserver: HTTPServer) -> None:
    error = fail(build(SERVER, address(httpserver)), GenerationRequest("a", 1, 64, 64, sources=(PNG,), mask=PNG))
    assert error.outcome == Outcome.INVALID
    assert not httpserver.log


def test_a_malformed_model_name_is_refused() -> None:
    with pytest.raises(AdapterError, match="model"):
        SERVER.build("https://images.example", model="no such model")
