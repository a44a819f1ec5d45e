"""Azure OpenAI: requests of the gpt-image models at a deployment's path, with the key in the header api-key."""

from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from generators.adapters.base import AdapterError, GeneratedImage
from generators.adapters.registry import find_capabilities, validate_settings
from tests.fake_adapters import paint
from tests.generators.adapters.openai_servers import (
    PROMPT,
    OpenAIServer,
    answer_with_png,
    pictures,
    sent,
    sent_form,
    sent_json,
    server_of,
    variants,
)
from tests.generators.adapters.provider_servers import KEY

SERVER = OpenAIServer(
    "azure",
    "/openai/deployments/studio/images/generations",
    answer_with_png,
    {"model": "gpt-image-2.5-flare", "deployment": "studio"},
    address="endpoint",
)


@pytest.mark.parametrize("n", [1, 3])
def test_images_are_drawn_at_the_deployment(httpserver: HTTPServer, n: int) -> None:
    usage = {"input_tokens": 9, "input_tokens_details": {"text_tokens": 9, "image_tokens": 0}, "output_tokens": 100}
    httpserver.expect_request(
        "/openai/deployments/studio/images/generations",
        method="POST",
        query_string={"api-version": "2025-04-01-preview"},
    ).respond_with_json(pictures(n, usage=usage), headers={"apim-request-id": "apim-1"})
    images = SERVER.ask(server_of(httpserver), variants(n), quality="low")
    assert [image.data for image in images if isinstance(image, GeneratedImage)] == [paint(i) for i in range(n)]
    wanted = {"model": "gpt-image-2.5-flare", "n": n, "size": "1024x1024", "quality": "low"}
    assert sent_json(httpserver) == {**wanted, "prompt": PROMPT}
    assert images[0].reported == {"request_id": "apim-1", "parameters": wanted, "usage": usage}
    bills: list[Any] = [image.billed for image in images]
    assert [sum(bill[unit] for bill in bills) for unit in ("image", "input_text_token", "output_token")] == [n, 9, 100]
    (request,) = sent(httpserver)
    assert request.headers["api-key"] == KEY
    assert "Authorization" not in request.headers


def test_an_edit_is_sent_to_the_same_deployment_as_a_form(httpserver: HTTPServer) -> None:
    httpserver.expect_request(
        "/openai/deployments/studio/images/edits", method="POST", query_string={"api-version": "2026-01-01"}
    ).respond_with_json(pictures())
    (image,) = SERVER.ask(server_of(httpserver), variants(sources=(paint(5),), mask=paint(0)), api_version="2026-01-01")
    fields, files = sent_form(httpserver)
    assert fields == {"model": "gpt-image-2.5-flare", "prompt": PROMPT, "n": "1", "size": "1024x1024"}
    assert [file[:3] for file in files] == [
        ("image", "image.png", "image/png"),
        ("mask", "mask.png", "image/png"),
    ]
    (request,) = sent(httpserver)
    assert request.headers["api-key"] == KEY
    assert "Authorization" not in request.headers
    assert isinstance(image, GeneratedImage)


def test_the_model_behind_the_deployment_decides_the_size(httpserver: HTTPServer) -> None:
    httpserver.expect_request(SERVER.generations).respond_with_json(pictures())
    SERVER.ask(server_of(httpserver), variants(width=1344, height=768), model="gpt-image-1")
    assert sent_json(httpserver)["size"] == "1536x1024"


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": None},
        {"deployment": None},
        {"deployment": "a/../b"},
        {"deployment": "a?b"},
        {"api_version": "2025&x=1"},
        {"quality": "best"},
        {"output_format": "gif"},
        {"output_compression": 101},
    ],
    ids=str,
)
def test_invalid_settings_are_refused(wrong: dict[str, Any]) -> None:
    settings = {"endpoint": "https://studio.openai.azure.com/", "deployment": "studio", "model": "gpt-image-2"}
    assert validate_settings("azure", settings)
    changed = {name: value for name, value in {**settings, **wrong}.items() if value is not None}
    with pytest.raises(AdapterError, match=next(iter(wrong))):
        validate_settings("azure", changed)


def test_a_model_has_the_documented_capabilities() -> None:
    able = find_capabilities("azure", {**SERVER.settings, SERVER.address: "https://images.example"})
    assert (able.max_sources, able.masks, able.max_batch) == (16, True, 10)
    assert not able.seeded
    assert not able.mixes_prompts
