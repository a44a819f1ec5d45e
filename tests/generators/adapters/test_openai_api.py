"""OpenAI's image API, for every provider that has it: outcomes of errors and of malformed responses."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from generators.adapters.base import AUTHENTICATION, AdapterError, GeneratedImage, Generator, Outcome
from tests.generators.adapters.openai_servers import (
    OpenAIServer,
    encode,
    expect_no_key,
    find_openai_servers,
    pictures,
    sent,
    server_of,
    variants,
)
from tests.generators.adapters.provider_servers import KEY

SERVERS = find_openai_servers()
pytestmark = pytest.mark.parametrize("provider", SERVERS, ids=lambda provider: provider.adapter)

CHATTY = f"Incorrect key {KEY} provided; Bearer {KEY} it was."


def make_error(code: str = "", message: str = CHATTY, **more: Any) -> str:
    return json.dumps({"error": {"message": message, "type": "some_error", "param": None, "code": code, **more}})


# HTTP status, body -> outcome, code, what is billed
ANSWERS = {
    "400 bad request": (400, make_error("invalid_value"), Outcome.INVALID, "invalid_value", {}),
    "401": (401, make_error("invalid_api_key"), Outcome.INVALID, AUTHENTICATION, {}),
    "402": (402, make_error("payment_required"), Outcome.QUOTA, "payment_required", {}),
    "403": (403, make_error("forbidden"), Outcome.INVALID, AUTHENTICATION, {}),
    "404": (404, make_error("model_not_found"), Outcome.INVALID, "model_not_found", {}),
    "408": (408, make_error(), Outcome.TIMEOUT, "", {}),
    "429": (429, make_error("rate_limit_exceeded"), Outcome.RATE_LIMITED, "rate_limit_exceeded", {}),
    "429 quota": (429, make_error("insufficient_quota"), Outcome.QUOTA, "insufficient_quota", {}),
    "429 limit": (429, make_error("billing_hard_limit_reached"), Outcome.QUOTA, "billing_hard_limit_reached", {}),
    "400 limit": (400, make_error("billing_hard_limit_reached"), Outcome.QUOTA, "billing_hard_limit_reached", {}),
    "403 no credits": (
        403,
        json.dumps({"code": "forbidden", "error": "Your team does not have any credits left."}),
        Outcome.QUOTA,
        "forbidden",
        {},
    ),
    "500": (500, make_error("server_error"), Outcome.TRANSIENT, "server_error", {}),
    "502": (502, "<html>Bad gateway</html>", Outcome.TRANSIENT, "", None),
    "503": (503, "", Outcome.TRANSIENT, "", {}),
    "504": (504, "<html>Timeout</html>", Outcome.TIMEOUT, "", None),
    "an error that is a list": (500, "[1]", Outcome.TRANSIENT, "", {}),
    "an error that is null": (400, '{"error": null}', Outcome.INVALID, "", {}),
    "an error that is text": (400, CHATTY, Outcome.INVALID, "", {}),
}

# HTTP status, body -> stage, code
REFUSALS = {
    "openai": (400, make_error("moderation_blocked"), "prompt", "moderation_blocked"),
    "openai, of the prompt": (
        400,
        make_error("moderation_blocked", moderation_details={"moderation_stage": "input", "categories": ["sexual"]}),
        "prompt",
        "moderation_blocked",
    ),
    "openai, of the image": (
        400,
        make_error("moderation_blocked", moderation_details={"moderation_stage": "output", "categories": ["violence"]}),
        "image",
        "moderation_blocked",
    ),
    "policy": (400, make_error("content_policy_violation"), "prompt", "content_policy_violation"),
    "azure, of the prompt": (
        400,
        make_error("contentFilter", "Your task failed as a result of our safety system."),
        "prompt",
        "contentFilter",
    ),
    "azure, of the image": (
        400,
        make_error("contentFilter", "Generated image was filtered as a result of our safety system."),
        "image",
        "contentFilter",
    ),
    "azure, filter": (400, make_error("content_filter"), "prompt", "content_filter"),
    "azure, within": (
        400,
        make_error(
            "invalid_request", inner_error={"code": "ResponsibleAIPolicyViolation", "content_filter_results": {}}
        ),
        "prompt",
        "ResponsibleAIPolicyViolation",
    ),
    "xai, of the image": (
        400,
        json.dumps({"code": "invalid argument", "error": "Generated image rejected by content moderation."}),
        "image",
        "invalid argument",
    ),
    "xai, of the prompt": (
        403,
        json.dumps({"code": "no permission", "error": f"Content violates usage guidelines. Key: {KEY}"}),
        "prompt",
        "no permission",
    ),
}


@pytest.fixture(scope="module")
def generators(make_httpserver: HTTPServer) -> Iterator[dict[str, Generator]]:
    """Built once, because each reads the certificates of the machine."""
    with ExitStack() as stack:
        yield {
            provider.adapter: stack.enter_context(provider.connect(server_of(make_httpserver))) for provider in SERVERS
        }


@pytest.fixture
def generator(generators: dict[str, Generator], provider: OpenAIServer) -> Generator:
    return generators[provider.adapter]


def catch(generator: Generator) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        generator.generate(variants())
    expect_no_key(caught.value)
    return caught.value


def get_error(generator: Generator) -> AdapterError:
    (error,) = generator.generate(variants())
    assert isinstance(error, AdapterError)
    expect_no_key(error)
    return error


class TestErrors:
    @pytest.mark.parametrize("name", ANSWERS)
    def test_a_status_has_its_outcome_after_one_request(
        self, httpserver: HTTPServer, provider: OpenAIServer, generator: Generator, name: str
    ) -> None:
        status, body, outcome, code, billed = ANSWERS[name]
        httpserver.expect_request(provider.generations).respond_with_data(
            body, status=status, content_type="application/json", headers={"x-request-id": "req_7"}
        )
        error = catch(generator)
        assert (error.outcome, error.code, error.stage) == (outcome, code, "")
        assert error.billed == billed
        assert error.reported == {"request_id": "req_7"}
        assert len(sent(httpserver)) == 1

    def test_the_providers_message_is_kept_without_the_key(
        self, httpserver: HTTPServer, provider: OpenAIServer, generator: Generator
    ) -> None:
        httpserver.expect_request(provider.generations).respond_with_data(make_error("invalid_value"), status=400)
        assert catch(generator).message == "HTTP 400: Incorrect key [key] provided; Bearer [key] it was."

    @pytest.mark.parametrize("name", REFUSALS)
    def test_a_refusal_has_its_stage_and_code(
        self, httpserver: HTTPServer, provider: OpenAIServer, generator: Generator, name: str
    ) -> None:
        status, body, stage, code = REFUSALS[name]
        httpserver.expect_request(provider.generations).respond_with_data(
            body, status=status, content_type="application/json", headers={"x-request-id": "req_8"}
        )
        error = get_error(generator)
        assert (error.outcome, error.stage, error.code) == (Outcome.REFUSED, stage, code)
        assert (error.billed, error.reported) == ({}, {"request_id": "req_8"})
        assert len(sent(httpserver)) == 1


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        ["", json.dumps(pictures())[:60], "<html>", "null", "[]", '{"data": 3}', '{"data": [null]}', '{"data": ["x"]}'],
    )
    def test_an_unreadable_successful_response_may_be_billed(
        self, httpserver: HTTPServer, provider: OpenAIServer, generator: Generator, body: str
    ) -> None:
        httpserver.expect_request(provider.generations).respond_with_data(body, content_type="application/json")
        error = catch(generator)
        assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)

    @pytest.mark.parametrize("picture", [{"b64_json": "not base64!"}, {}, {"b64_json": None, "url": None}])
    def test_an_unreadable_image_may_be_billed(
        self, httpserver: HTTPServer, provider: OpenAIServer, generator: Generator, picture: dict[str, Any]
    ) -> None:
        httpserver.expect_request(provider.generations).respond_with_json({"data": [picture]})
        error = get_error(generator)
        assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)

    def test_bytes_that_are_not_an_image_are_passed_on(
        self, httpserver: HTTPServer, provider: OpenAIServer, generator: Generator
    ) -> None:
        httpserver.expect_request(provider.generations).respond_with_json({"data": [{"b64_json": encode(b"words")}]})
        (image,) = generator.generate(variants())
        assert isinstance(image, GeneratedImage)
        assert image.data == b"words"

    def test_a_successful_response_without_images_may_be_billed(
        self, httpserver: HTTPServer, provider: OpenAIServer, generator: Generator
    ) -> None:
        httpserver.expect_request(provider.generations).respond_with_json({"data": []})
        error = get_error(generator)
        assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)


def test_a_model_without_a_name_is_refused(provider: OpenAIServer) -> None:
    with pytest.raises(AdapterError, match="model"):
        provider.build("https://images.example", model="")
