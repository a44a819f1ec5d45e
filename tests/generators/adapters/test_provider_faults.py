"""What every provider's server can do to a call: each fault has one outcome, one price, and was paid for at most once."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from generators.adapters.base import AUTHENTICATION, AdapterError, GenerationRequest, Outcome
from generators.adapters.registry import find_capabilities, load_generator
from tests.generators.adapters.provider_servers import (
    FLUX,
    KEY,
    MAKERS,
    PNG,
    REQUEST,
    Provider,
    address,
    build,
    closed_port,
    cut_off,
    draw,
    fail,
    listen,
    paid_calls,
    reset,
    stay_silent,
)

every_provider = pytest.mark.parametrize("provider", MAKERS, ids=[provider.name for provider in MAKERS])

STATUSES: list[tuple[int, Outcome, dict[str, float] | None]] = [
    (400, Outcome.INVALID, {}),
    (402, Outcome.QUOTA, {}),
    (404, Outcome.INVALID, {}),
    (413, Outcome.INVALID, {}),
    (422, Outcome.INVALID, {}),
    (429, Outcome.RATE_LIMITED, {}),
    (500, Outcome.TRANSIENT, {}),
    (502, Outcome.TRANSIENT, None),
    (503, Outcome.TRANSIENT, {}),
    (504, Outcome.TIMEOUT, None),
]


@every_provider
def test_a_drawing_is_paid_for_once_and_a_closed_generator_has_no_connection(
    provider: Provider, httpserver: HTTPServer
) -> None:
    provider.answer(httpserver)
    image = draw(build(provider, address(httpserver)))
    assert (image.data, image.media_type) == (PNG, "image/png")
    assert image.billed["image"] == 1
    assert len(paid_calls(httpserver)) == 1


@every_provider
def test_one_client_serves_many_drawings(provider: Provider, httpserver: HTTPServer) -> None:
    provider.answer(httpserver)
    generator = build(provider, address(httpserver))
    for _ in range(2):
        generator.generate([REQUEST])
    generator.close()
    with pytest.raises(RuntimeError, match="closed"):
        generator.generate([REQUEST])
    assert len(paid_calls(httpserver)) == 2


@every_provider
@pytest.mark.parametrize(("status", "outcome", "billed"), STATUSES, ids=[str(status[0]) for status in STATUSES])
def test_a_status_other_than_success_has_one_meaning(
    provider: Provider, httpserver: HTTPServer, status: int, outcome: Outcome, billed: dict[str, float] | None
) -> None:
    httpserver.expect_request(provider.path).respond_with_data("not json", status, content_type="application/json")
    error = fail(build(provider, address(httpserver)))
    assert (error.outcome, error.billed) == (outcome, billed)
    assert f"HTTP {status}" in error.message
    assert len(paid_calls(httpserver)) == 1


@every_provider
@pytest.mark.parametrize("body", [b"", b"null", b'{"error": "words"}', b'["a", "b"]', b"\xff\xfe"])
def test_a_status_means_the_same_whatever_its_body(provider: Provider, httpserver: HTTPServer, body: bytes) -> None:
    httpserver.expect_request(provider.path).respond_with_data(body, 500, content_type="application/json")
    error = fail(build(provider, address(httpserver)))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, {})


@every_provider
@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted_is_told_without_the_providers_words(
    provider: Provider, httpserver: HTTPServer, status: int
) -> None:
    words = f"no such key: {KEY}"
    httpserver.expect_request(provider.path).respond_with_json(
        {"error": {"message": words, "status": "PERMISSION_DENIED"}, "errors": [words], "detail": words}, status
    )
    error = fail(build(provider, address(httpserver)))
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, AUTHENTICATION, {})
    assert "no such key" not in error.message


@every_provider
@pytest.mark.parametrize("status", [400, 422, 429, 500, 503])
def test_a_provider_that_repeats_the_key_does_not_make_us_repeat_it(
    provider: Provider, httpserver: HTTPServer, status: int
) -> None:
    words = f"what is {KEY}?"
    httpserver.expect_request(provider.path).respond_with_json(
        {"error": {"message": words, "status": KEY}, "errors": [words], "detail": [{"input": words}], "name": KEY},
        status,
    )
    assert "what is [key]?" in fail(build(provider, address(httpserver))).message


@every_provider
@pytest.mark.parametrize("key", ["", "  ", "line\nbreak", "“quoted”"])
def test_without_a_key_that_can_be_one_nobody_is_called(provider: Provider, httpserver: HTTPServer, key: str) -> None:
    error = fail(build(provider, address(httpserver), key=key))
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, AUTHENTICATION, {})
    assert not httpserver.log


@every_provider
def test_the_environment_gives_no_key_and_no_other_service(
    provider: Provider, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "somebody-elses")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
    assert fail(build(provider, address(httpserver), key="")).code == AUTHENTICATION
    provider.answer(httpserver)
    draw(build(provider, address(httpserver)))
    [call] = paid_calls(httpserver)
    assert "somebody-elses" not in str(call.headers)


@every_provider
@pytest.mark.parametrize(("value", "seconds"), [("17", 17.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None)])
def test_a_rate_limit_names_the_wait(
    provider: Provider, httpserver: HTTPServer, value: str, seconds: float | None
) -> None:
    httpserver.expect_request(provider.path).respond_with_json({"name": "slow"}, 429, headers={"Retry-After": value})
    error = fail(build(provider, address(httpserver)))
    assert (error.outcome, error.retry_after, error.billed) == (Outcome.RATE_LIMITED, seconds, {})


@every_provider
def test_an_answer_that_does_not_come_in_time_may_have_cost_something(provider: Provider) -> None:
    with listen(stay_silent) as url:
        error = fail(build(provider, url, timeout=1))
    assert (error.outcome, error.billed) == (Outcome.TIMEOUT, None)


@every_provider
def test_a_server_that_is_not_there_costs_nothing(provider: Provider) -> None:
    error = fail(build(provider, f"http://localhost:{closed_port()}"))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, {})


@every_provider
def test_a_connection_that_is_reset_may_have_cost_something(provider: Provider) -> None:
    with listen(reset) as url:
        error = fail(build(provider, url))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)


@every_provider
@pytest.mark.parametrize(
    "base_url",
    ["http://localhost:port", "http://example.com", "https://user:pass@example.com", "https://", "https://h.org/?q=1"],
)
def test_a_key_is_sent_to_no_address_that_is_none_or_that_others_can_listen_to(
    provider: Provider, base_url: str
) -> None:
    with pytest.raises(AdapterError, match="base_url: Value error") as caught:
        build(provider, base_url)
    assert caught.value.outcome is Outcome.INVALID


def as_html(request: Request) -> Response:
    return Response("<html>an error page</html>", content_type="text/html")


@every_provider
@pytest.mark.parametrize("answer", [cut_off, as_html], ids=["cut off", "an error page"])
def test_a_success_that_cannot_be_read_may_have_cost_something(
    provider: Provider, httpserver: HTTPServer, answer: Callable[[Request], Response]
) -> None:
    httpserver.expect_request(provider.path).respond_with_handler(answer)
    error = fail(build(provider, address(httpserver)))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)
    assert len(paid_calls(httpserver)) == 1


@every_provider
def test_a_redirect_of_the_paid_call_is_not_followed(provider: Provider, httpserver: HTTPServer) -> None:
    elsewhere = f"http://127.0.0.1:{httpserver.port}/elsewhere?token=1"
    httpserver.expect_request(provider.path).respond_with_data("", 307, headers={"Location": elsewhere})
    httpserver.expect_request("/elsewhere").respond_with_data(PNG)
    error = fail(build(provider, address(httpserver)))
    assert (error.outcome, error.billed) == (Outcome.INVALID, {})
    assert "127.0.0.1" in error.message
    assert "token" not in error.message
    assert len(httpserver.log) == 1


@every_provider
@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"timeout": 0},
        {"timeout": 600},
        {"base_url": "api.example.com"},
        {"base_url": "ftp://api.example.com"},
        {"model": "no such model"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_settings_that_cannot_work_are_refused_by_name(provider: Provider, wrong: dict[str, Any]) -> None:
    with pytest.raises(AdapterError, match=next(iter(wrong))) as caught:
        load_generator(provider.name, wrong, KEY)
    assert caught.value.outcome == Outcome.INVALID


@every_provider
def test_more_sources_than_a_model_takes_are_refused_before_they_are_sent(
    provider: Provider, httpserver: HTTPServer
) -> None:
    most = find_capabilities(provider.name, provider.settings).max_sources
    request = GenerationRequest("a red fox", 7, 1024, 1024, sources=(PNG,) * (most + 1))
    error = fail(build(provider, address(httpserver)), request)
    assert (error.outcome, error.billed) == (Outcome.INVALID, {})
    assert not httpserver.log


@every_provider
def test_a_source_that_is_no_image_is_refused_before_it_is_sent(provider: Provider, httpserver: HTTPServer) -> None:
    error = fail(build(provider, address(httpserver)), GenerationRequest("a fox", 7, 1024, 1024, sources=(b"GIF?",)))
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, "source", {})
    assert not httpserver.log


def test_the_clients_have_no_redirects_and_the_settings_timeout(httpserver: HTTPServer) -> None:
    FLUX.answer(httpserver)
    generator = build(FLUX, address(httpserver), timeout=42)
    generator.generate([REQUEST])
    client = vars(generator)["http"]
    assert isinstance(client, httpx2.Client)
    assert (client.follow_redirects, client.timeout.read, client.timeout.connect) == (False, 42, 15)
    generator.close()
    assert client.is_closed
