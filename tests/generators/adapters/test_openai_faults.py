"""Whatever goes wrong between us and a provider that speaks OpenAI's image API ends in the outcome that is true of it."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from generators.adapters.base import AUTHENTICATION, AdapterError, GeneratedImage, Generator, Outcome
from tests.fake_adapters import paint
from tests.generators.adapters.openai_servers import (
    KEY,
    MAKERS,
    Provider,
    encode,
    expect_no_key,
    free_port,
    pictures,
    sent,
    server_of,
    variants,
)

pytestmark = pytest.mark.parametrize("provider", MAKERS, ids=lambda provider: provider.adapter)

CHATTY = f"Incorrect key {KEY} provided; Bearer {KEY} it was."


def fault(code: str = "", message: str = CHATTY, **more: Any) -> str:
    return json.dumps({"error": {"message": message, "type": "some_error", "param": None, "code": code, **more}})


# HTTP status, body -> outcome, code, what is billed
ANSWERS = {
    "400 bad request": (400, fault("invalid_value"), Outcome.INVALID, "invalid_value", {}),
    "401": (401, fault("invalid_api_key"), Outcome.INVALID, AUTHENTICATION, {}),
    "402": (402, fault("payment_required"), Outcome.QUOTA, "payment_required", {}),
    "403": (403, fault("forbidden"), Outcome.INVALID, AUTHENTICATION, {}),
    "404": (404, fault("model_not_found"), Outcome.INVALID, "model_not_found", {}),
    "408": (408, fault(), Outcome.TIMEOUT, "", {}),
    "429": (429, fault("rate_limit_exceeded"), Outcome.RATE_LIMITED, "rate_limit_exceeded", {}),
    "429 quota": (429, fault("insufficient_quota"), Outcome.QUOTA, "insufficient_quota", {}),
    "429 limit": (429, fault("billing_hard_limit_reached"), Outcome.QUOTA, "billing_hard_limit_reached", {}),
    "400 limit": (400, fault("billing_hard_limit_reached"), Outcome.QUOTA, "billing_hard_limit_reached", {}),
    "403 no credits": (
        403,
        json.dumps({"code": "forbidden", "error": "Your team does not have any credits left."}),
        Outcome.QUOTA,
        "forbidden",
        {},
    ),
    "500": (500, fault("server_error"), Outcome.TRANSIENT, "server_error", {}),
    "502": (502, "<html>Bad gateway</html>", Outcome.TRANSIENT, "", None),
    "503": (503, "", Outcome.TRANSIENT, "", {}),
    "504": (504, "<html>Timeout</html>", Outcome.TIMEOUT, "", None),
    "an error that is a list": (500, "[1]", Outcome.TRANSIENT, "", {}),
    "an error that is null": (400, '{"error": null}', Outcome.INVALID, "", {}),
    "an error that is text": (400, CHATTY, Outcome.INVALID, "", {}),
}

# HTTP status, body -> stage, code
REFUSALS = {
    "openai": (400, fault("moderation_blocked"), "prompt", "moderation_blocked"),
    "openai, of the prompt": (
        400,
        fault("moderation_blocked", moderation_details={"moderation_stage": "input", "categories": ["sexual"]}),
        "prompt",
        "moderation_blocked",
    ),
    "openai, of the image": (
        400,
        fault("moderation_blocked", moderation_details={"moderation_stage": "output", "categories": ["violence"]}),
        "image",
        "moderation_blocked",
    ),
    "policy": (400, fault("content_policy_violation"), "prompt", "content_policy_violation"),
    "azure, of the prompt": (
        400,
        fault("contentFilter", "Your task failed as a result of our safety system."),
        "prompt",
        "contentFilter",
    ),
    "azure, of the image": (
        400,
        fault("contentFilter", "Generated image was filtered as a result of our safety system."),
        "image",
        "contentFilter",
    ),
    "azure, filter": (400, fault("content_filter"), "prompt", "content_filter"),
    "azure, within": (
        400,
        fault("invalid_request", inner_error={"code": "ResponsibleAIPolicyViolation", "content_filter_results": {}}),
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
    """Built once: each reads the certificates of the machine."""
    with ExitStack() as stack:
        yield {
            provider.adapter: stack.enter_context(provider.connect(server_of(make_httpserver))) for provider in MAKERS
        }


@pytest.fixture
def generator(generators: dict[str, Generator], provider: Provider) -> Generator:
    return generators[provider.adapter]


def catch(generator: Generator) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        generator.generate(variants())
    expect_no_key(caught.value)
    return caught.value


def get_fault(generator: Generator) -> AdapterError:
    (error,) = generator.generate(variants())
    assert isinstance(error, AdapterError)
    expect_no_key(error)
    return error


class TestAnswersThatAreNone:
    @pytest.mark.parametrize("name", ANSWERS)
    def test_a_status_is_the_outcome_it_means_after_one_request(
        self, httpserver: HTTPServer, provider: Provider, generator: Generator, name: str
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

    def test_what_the_provider_says_is_passed_on_without_the_key(
        self, httpserver: HTTPServer, provider: Provider, generator: Generator
    ) -> None:
        httpserver.expect_request(provider.generations).respond_with_data(fault("invalid_value"), status=400)
        assert catch(generator).message == "HTTP 400: Incorrect key [key] provided; Bearer [key] it was."

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            (lambda: {"retry-after": "7"}, 7),
            (lambda: {"retry-after-ms": "250"}, 0.25),
            (lambda: {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)}, 90),
        ],
        ids=["number", "milliseconds", "date"],
    )
    def test_the_wait_that_a_rate_limit_asks_for_is_kept(
        self,
        httpserver: HTTPServer,
        provider: Provider,
        generator: Generator,
        headers: Callable[[], dict[str, str]],
        seconds: float,
    ) -> None:
        httpserver.expect_request(provider.generations).respond_with_data("{}", status=429, headers=headers())
        error = catch(generator)
        assert error.outcome is Outcome.RATE_LIMITED
        assert error.retry_after == pytest.approx(seconds, abs=2 if seconds == 90 else 0)
        assert len(sent(httpserver)) == 1

    @pytest.mark.parametrize("name", REFUSALS)
    def test_a_refusal_says_what_was_refused_and_why(
        self, httpserver: HTTPServer, provider: Provider, generator: Generator, name: str
    ) -> None:
        status, body, stage, code = REFUSALS[name]
        httpserver.expect_request(provider.generations).respond_with_data(
            body, status=status, content_type="application/json", headers={"x-request-id": "req_8"}
        )
        error = get_fault(generator)
        assert (error.outcome, error.stage, error.code) == (Outcome.REFUSED, stage, code)
        assert (error.billed, error.reported) == ({}, {"request_id": "req_8"})
        assert len(sent(httpserver)) == 1


class TestTransport:
    def test_a_server_that_stays_silent_is_a_timeout_that_may_have_cost(
        self, httpserver: HTTPServer, provider: Provider
    ) -> None:
        released = threading.Event()

        def stay_silent(request: Request) -> Response:
            released.wait(60)
            return Response("{}")

        httpserver.expect_request(provider.generations).respond_with_handler(stay_silent)
        try:
            with provider.connect(server_of(httpserver), timeout=0.2) as generator:
                error = catch(generator)
        finally:
            released.set()
        assert (error.outcome, error.billed) == (Outcome.TIMEOUT, None)

    def test_a_server_that_is_away_costs_nothing(self, provider: Provider) -> None:
        with provider.connect(f"http://127.0.0.1:{free_port()}") as generator:
            error = catch(generator)
        assert (error.outcome, error.billed) == (Outcome.TRANSIENT, {})

    def test_a_body_that_breaks_off_may_have_cost(
        self, httpserver: HTTPServer, provider: Provider, generator: Generator
    ) -> None:
        whole = json.dumps(pictures())
        httpserver.expect_request(provider.generations).respond_with_data(
            whole[:40], content_type="application/json", headers={"Content-Length": str(len(whole))}
        )
        error = catch(generator)
        assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)
        assert len(sent(httpserver)) == 1

    @pytest.mark.parametrize(
        "body",
        ["", json.dumps(pictures())[:60], "<html>", "null", "[]", '{"data": 3}', '{"data": [null]}', '{"data": ["x"]}'],
    )
    def test_a_success_that_cannot_be_read_may_have_cost(
        self, httpserver: HTTPServer, provider: Provider, generator: Generator, body: str
    ) -> None:
        httpserver.expect_request(provider.generations).respond_with_data(body, content_type="application/json")
        error = catch(generator)
        assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)

    @pytest.mark.parametrize("picture", [{"b64_json": "not base64!"}, {}, {"b64_json": None, "url": None}])
    def test_an_image_that_cannot_be_read_may_have_cost(
        self, httpserver: HTTPServer, provider: Provider, generator: Generator, picture: dict[str, Any]
    ) -> None:
        httpserver.expect_request(provider.generations).respond_with_json({"data": [picture]})
        error = get_fault(generator)
        assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)

    def test_bytes_that_are_no_image_are_handed_on(
        self, httpserver: HTTPServer, provider: Provider, generator: Generator
    ) -> None:
        httpserver.expect_request(provider.generations).respond_with_json({"data": [{"b64_json": encode(b"words")}]})
        (image,) = generator.generate(variants())
        assert isinstance(image, GeneratedImage)
        assert image.data == b"words"

    def test_an_empty_success_may_have_cost(
        self, httpserver: HTTPServer, provider: Provider, generator: Generator
    ) -> None:
        httpserver.expect_request(provider.generations).respond_with_json({"data": []})
        error = get_fault(generator)
        assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[HTTPServer]:
    """Another server, where nothing must arrive."""
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request("/").respond_with_json(pictures())
        yield server


@pytest.mark.parametrize("status", [302, 307])
def test_a_paid_request_follows_no_redirect(
    httpserver: HTTPServer, elsewhere: HTTPServer, provider: Provider, generator: Generator, status: int
) -> None:
    httpserver.expect_request(provider.generations).respond_with_data(
        "", status=status, headers={"location": elsewhere.url_for(f"/?key={KEY}")}
    )
    error = catch(generator)
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, "redirect", {})
    assert "127.0.0.1" in error.message
    assert elsewhere.log == []
    assert len(sent(httpserver)) == 1


class TestTheKey:
    def test_goes_into_one_header(self, httpserver: HTTPServer, provider: Provider, generator: Generator) -> None:
        httpserver.expect_request(provider.generations).respond_with_json(pictures())
        generator.generate(variants())
        (request,) = sent(httpserver)
        held = [name for name, value in request.headers.items() if KEY in value]
        assert [name.lower() for name in held] == [provider.key_header.lower()]
        assert KEY not in request.full_path
        assert KEY.encode() not in request.data

    def test_nothing_of_the_environment_is_sent_along(
        self, httpserver: HTTPServer, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID"):
            monkeypatch.setenv(f"OPENAI_{name}", "ambient")
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "ambient")
        monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "ambient")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer ambient")
        monkeypatch.setenv("OPENAI_BASE_URL", "https://ambient.invalid")
        httpserver.expect_request(provider.generations).respond_with_json(pictures())
        provider.ask(server_of(httpserver), variants())
        (request,) = sent(httpserver)
        assert "ambient" not in str(request.headers)
        expected = f"Bearer {KEY}" if provider.key_header == "Authorization" else KEY
        assert request.headers[provider.key_header] == expected

    @pytest.mark.parametrize("key", ["", f"{KEY}\nsecond line", f"two {KEY}", f"{KEY}é"])
    def test_that_no_header_can_hold_is_said_to_be_unusable_and_not_shown(self, provider: Provider, key: str) -> None:
        with (
            provider.connect(f"http://127.0.0.1:{free_port()}", key=key) as generator,
            pytest.raises(AdapterError) as caught,
        ):
            generator.generate(variants())
        assert (caught.value.outcome, caught.value.code) == (Outcome.INVALID, AUTHENTICATION)
        expect_no_key(caught.value)

    def test_is_not_in_what_a_generator_says_of_itself(self, provider: Provider) -> None:
        with provider.connect("http://127.0.0.1:9") as generator:
            assert KEY not in f"{generator!r} {vars(generator)!r}"


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(AdapterError, match=r"pip install 'paragone\[providers\]'") as caught:
        provider.ask("http://127.0.0.1:9", variants())
    assert caught.value.outcome is Outcome.INVALID


def test_one_generator_asks_as_often_as_it_is_told(httpserver: HTTPServer, provider: Provider) -> None:
    httpserver.expect_request(provider.generations).respond_with_json(pictures())
    with provider.connect(server_of(httpserver)) as generator:
        assert [len(generator.generate(variants())) for _ in range(3)] == [1, 1, 1]
    assert len(sent(httpserver)) == 3


class TestWhatTheModelCannotDo:
    def test_too_many_sources_are_refused_before_anything_is_paid(
        self, httpserver: HTTPServer, provider: Provider, generator: Generator
    ) -> None:
        with pytest.raises(AdapterError, match="17 source images") as caught:
            generator.generate(variants(sources=(paint(1),) * 17))
        assert caught.value.outcome is Outcome.INVALID
        assert httpserver.log == []

    def test_a_mask_without_a_source_is_refused_before_anything_is_paid(
        self, httpserver: HTTPServer, provider: Provider, generator: Generator
    ) -> None:
        with pytest.raises(AdapterError, match="mask") as caught:
            generator.generate(variants(mask=paint(255)))
        assert caught.value.outcome is Outcome.INVALID
        assert httpserver.log == []

    def test_a_source_that_is_no_image_is_refused_before_anything_is_paid(
        self, httpserver: HTTPServer, provider: Provider, generator: Generator
    ) -> None:
        with pytest.raises(AdapterError, match="is not a PNG, JPEG or WebP") as caught:
            generator.generate(variants(sources=(b"words",)))
        assert caught.value.outcome is Outcome.INVALID
        assert httpserver.log == []
