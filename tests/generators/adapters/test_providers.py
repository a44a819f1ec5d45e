"""The shared tests of all providers in the registry: what a server can do to a call, and what a call never does.

Each error has one outcome and one bill, and no request is paid for twice. A new provider is tested here once it is in
the registry and its test file defines ``SERVER``.
"""

import sys
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from generators.adapters.base import AUTHENTICATION, AdapterError, GenerationRequest, Outcome
from generators.adapters.registry import ADAPTERS, find_capabilities, find_declaration, list_price_units, load_generator
from tests.generators.adapters import plain_provider
from tests.generators.adapters.provider_servers import (
    CHECKLIST,
    KEY,
    KEY_VARIABLE,
    PNG,
    REQUEST,
    ProviderServer,
    address,
    closed_port,
    cut_off,
    draw,
    fail,
    find_modules,
    find_servers,
    listen,
    paid_calls,
    reset,
    stay_silent,
)

SERVERS = [*find_servers(), plain_provider.SERVER]
pytestmark = pytest.mark.parametrize("provider", SERVERS, ids=[server.adapter for server in SERVERS])

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
# Read by some client package unless it is given other values.
ENVIRONMENT = (
    "GOOGLE_API_KEY",
    "GEMINI_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_ADMIN_KEY",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_AD_TOKEN",
)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ADAPTERS, "plain", "tests.generators.adapters.plain_provider.PlainGenerator")


def find_most_sources(provider: ProviderServer) -> int:
    address = {provider.address: "https://images.example"}
    return find_capabilities(provider.adapter, {**provider.settings, **address}).max_sources


def test_a_drawing_is_paid_for_once_in_declared_units(provider: ProviderServer, httpserver: HTTPServer) -> None:
    image = draw(provider.start(httpserver))
    assert (image.data, image.media_type) == (PNG, "image/png")
    assert image.billed.get("image") == 1, (
        f"A drawn image bills {{'image': 1}} beside the provider's units; {CHECKLIST}."
    )
    units = set(find_declaration(provider.adapter).units)
    assert units <= set(list_price_units())
    assert set(image.billed) <= units, "The image bills units that the adapter's declaration does not list."
    assert len(paid_calls(httpserver)) == 1


def test_one_generator_makes_many_calls_until_it_is_closed(provider: ProviderServer, httpserver: HTTPServer) -> None:
    generator = provider.start(httpserver)
    for _ in range(2):
        assert len(generator.generate([REQUEST])) == 1
    generator.close()
    with pytest.raises((RuntimeError, AdapterError)):
        generator.generate([REQUEST])
    assert len(paid_calls(httpserver)) == 2


@pytest.mark.parametrize(("status", "outcome", "billed"), STATUSES, ids=[str(status[0]) for status in STATUSES])
def test_a_status_other_than_success_has_one_meaning(
    provider: ProviderServer, httpserver: HTTPServer, status: int, outcome: Outcome, billed: dict[str, float] | None
) -> None:
    httpserver.expect_request(provider.path).respond_with_data("not json", status, content_type="application/json")
    error = fail(provider.build(address(httpserver)))
    assert (error.outcome, error.billed) == (outcome, billed)
    assert f"HTTP {status}" in error.message
    assert len(paid_calls(httpserver)) == 1


@pytest.mark.parametrize("body", [b"", b"null", b'{"error": "words"}', b'["a", "b"]', b"\xff\xfe"])
def test_a_status_means_the_same_with_any_body(provider: ProviderServer, httpserver: HTTPServer, body: bytes) -> None:
    httpserver.expect_request(provider.path).respond_with_data(body, 500, content_type="application/json")
    error = fail(provider.build(address(httpserver)))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, {})


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_key_is_reported_without_the_providers_message(
    provider: ProviderServer, httpserver: HTTPServer, status: int
) -> None:
    words = f"no such key: {KEY}"
    httpserver.expect_request(provider.path).respond_with_json(
        {"error": {"message": words, "status": "PERMISSION_DENIED"}, "errors": [words], "detail": words}, status
    )
    error = fail(provider.build(address(httpserver)))
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, AUTHENTICATION, {})
    assert "no such key" not in error.message


@pytest.mark.parametrize("status", [400, 422, 429, 500, 503])
def test_the_key_is_removed_from_the_providers_message(
    provider: ProviderServer, httpserver: HTTPServer, status: int
) -> None:
    words = f"what is {KEY}?"
    httpserver.expect_request(provider.path).respond_with_json(
        {"error": {"message": words, "status": KEY}, "errors": [words], "detail": [{"input": words}], "name": KEY},
        status,
    )
    assert "what is [key]?" in fail(provider.build(address(httpserver))).message


@pytest.mark.parametrize("key", ["", "  ", "line\nbreak", "two words", f"{KEY}é", "“quoted”"])
def test_no_call_is_made_without_a_usable_key(provider: ProviderServer, httpserver: HTTPServer, key: str) -> None:
    error = fail(provider.build(address(httpserver), key=key))
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, AUTHENTICATION, {})
    assert not key.strip() or key not in error.message
    assert not httpserver.log


def test_the_key_is_sent_in_one_header_and_nowhere_else(provider: ProviderServer, httpserver: HTTPServer) -> None:
    draw(provider.start(httpserver))
    [call] = paid_calls(httpserver)
    assert len([name for name, value in call.headers.items() if KEY in value]) == 1
    assert KEY not in call.full_path
    assert KEY.encode() not in call.data


def test_the_environment_gives_no_key_and_no_other_service(
    provider: ProviderServer, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "ambient")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://ambient.invalid")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer ambient")
    assert fail(provider.build(address(httpserver), key="")).code == AUTHENTICATION
    draw(provider.start(httpserver))
    [call] = paid_calls(httpserver)
    assert "ambient" not in str(call.headers)
    assert KEY in str(call.headers)


@pytest.mark.parametrize(("value", "seconds"), [("17", 17.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None)])
def test_a_rate_limit_keeps_the_wait_that_the_provider_asks_for(
    provider: ProviderServer, httpserver: HTTPServer, value: str, seconds: float | None
) -> None:
    httpserver.expect_request(provider.path).respond_with_json({"name": "slow"}, 429, headers={"Retry-After": value})
    error = fail(provider.build(address(httpserver)))
    assert (error.outcome, error.retry_after, error.billed) == (Outcome.RATE_LIMITED, seconds, {})
    assert len(paid_calls(httpserver)) == 1


def test_a_response_that_does_not_come_in_time_may_be_billed(provider: ProviderServer) -> None:
    with listen(stay_silent) as url:
        error = fail(provider.build(url, timeout=1))
    assert (error.outcome, error.billed) == (Outcome.TIMEOUT, None)


def test_a_server_that_cannot_be_reached_bills_nothing(provider: ProviderServer) -> None:
    error = fail(provider.build(f"http://localhost:{closed_port()}"))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, {})


def test_a_connection_that_is_reset_may_be_billed(provider: ProviderServer) -> None:
    with listen(reset) as url:
        error = fail(provider.build(url))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)


def as_html(request: Request) -> Response:
    return Response("<html>an error page</html>", content_type="text/html")


@pytest.mark.parametrize("answer", [cut_off, as_html], ids=["cut off", "an error page"])
def test_a_successful_response_that_cannot_be_read_may_be_billed(
    provider: ProviderServer, httpserver: HTTPServer, answer: Callable[[Request], Response]
) -> None:
    httpserver.expect_request(provider.path).respond_with_handler(answer)
    error = fail(provider.build(address(httpserver)))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)
    assert len(paid_calls(httpserver)) == 1


KEY_HEADERS = {"authorization", "proxy-authorization", "api-key", "x-api-key", "x-key", "x-goog-api-key", "cookie"}


def test_another_server_gets_neither_the_providers_key_nor_a_header_for_one(
    provider: ProviderServer, httpserver: HTTPServer
) -> None:
    provider.answer(httpserver, provider.path)
    given = {provider.address: f"{address(httpserver)}{provider.suffix}", "timeout": 5, **provider.settings}
    draw(load_generator(provider.adapter, given, {find_declaration(provider.adapter).key: KEY, KEY_VARIABLE: KEY}))
    assert httpserver.log
    for request, _ in httpserver.log:
        assert not KEY_HEADERS & {name.lower() for name, _ in request.headers.items()}
        assert KEY not in f"{request.headers}{request.full_path}{request.data!r}"


def test_a_server_that_refuses_a_call_without_a_key_is_reported_with_what_to_set(
    provider: ProviderServer, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(provider.path).respond_with_json({"error": {"message": "who are you?"}}, 401)
    error = fail(provider.build(address(httpserver), key_env=None))
    assert (error.outcome, error.code) == (Outcome.INVALID, AUTHENTICATION)
    assert "key_env" in error.message


def find_sent_key(provider: ProviderServer, **settings: Any) -> str | None:
    keys = {find_declaration(provider.adapter).key: KEY, KEY_VARIABLE: "the server's"}
    key = load_generator(provider.adapter, provider.own_settings() | settings, keys).key  # type: ignore[attr-defined]
    return None if key is None else str(key.get_secret_value())


def test_the_providers_key_goes_to_its_own_hosts_and_to_none_that_looks_alike(provider: ProviderServer) -> None:
    own = httpx2.URL(provider.own_settings()[provider.address]).host
    assert find_sent_key(provider) == KEY
    assert find_sent_key(provider, **{provider.address: f"https://{own.upper()}/"}) == KEY
    for host in [
        f"{own}.evil.example",
        f"evil-{own}" if not find_declaration(provider.adapter).hosts[0].startswith("*") else own[len("resource.") :],
        f"x{own.partition('.')[2]}",
        own.replace(".", "-"),
        f"{own}.",
        "localhost",
        "xn--bcher-kva.example",
    ]:
        assert find_sent_key(provider, **{provider.address: f"https://{host}"}) is None, host
        assert (
            find_sent_key(provider, **{provider.address: f"https://{host}", "key_env": KEY_VARIABLE}) == "the server's"
        )


def test_a_second_account_with_the_provider_has_a_key_of_its_own(provider: ProviderServer) -> None:
    assert find_sent_key(provider, key_env=KEY_VARIABLE) == "the server's"


@pytest.mark.parametrize(
    "name",
    ["PATH", "PARAGONE_SECRET_KEY", "PARAGONE_SERVER_KEY_", "PARAGONE_SERVER_KEY_a", "PARAGONE_SERVER_KEY_A_FILE", KEY],
)
def test_a_model_can_name_no_other_variable(provider: ProviderServer, name: str) -> None:
    with pytest.raises(AdapterError, match="key_env") as caught:
        load_generator(provider.adapter, provider.own_settings() | {"key_env": name})
    assert "PARAGONE_SERVER_KEY_LAB" in caught.value.message
    assert KEY not in caught.value.message


@pytest.mark.parametrize("status", [302, 307])
def test_a_paid_request_follows_no_redirect(provider: ProviderServer, httpserver: HTTPServer, status: int) -> None:
    elsewhere = f"http://127.0.0.1:{httpserver.port}/elsewhere?token={KEY}"
    httpserver.expect_request(provider.path).respond_with_data("", status, headers={"Location": elsewhere})
    httpserver.expect_request("/elsewhere").respond_with_data(PNG)
    error = fail(provider.build(address(httpserver)))
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, "redirect", {})
    assert "127.0.0.1" in error.message
    assert "token" not in error.message
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:port",
        "http://example.com",
        "ftp://example.com",
        "example.com",
        "https://",
        f"https://user:{KEY}@example.com",
        "https://example.com/?q=1",
    ],
)
def test_a_key_is_sent_only_to_a_valid_address_over_https(provider: ProviderServer, url: str) -> None:
    with pytest.raises(AdapterError, match=f"{provider.address}: Value error") as caught:
        load_generator(provider.adapter, {**provider.settings, provider.address: url}, {KEY_VARIABLE: KEY})
    assert caught.value.outcome is Outcome.INVALID
    assert KEY not in caught.value.message


@pytest.mark.parametrize("wrong", [{"unknown": 1}, {"seed": 1}, {"timeout": 0}, {"timeout": 600}], ids=str)
def test_an_invalid_setting_is_refused_by_name(provider: ProviderServer, wrong: dict[str, Any]) -> None:
    with pytest.raises(AdapterError, match=next(iter(wrong))) as caught:
        provider.build("https://images.example", **wrong)
    assert caught.value.outcome == Outcome.INVALID


def test_a_provider_with_edits_declares_what_a_source_may_be(provider: ProviderServer) -> None:
    if find_most_sources(provider):
        assert find_declaration(provider.adapter).sources, "The model edits images: declare sources=SourceRules(...)."


def test_more_sources_than_a_model_takes_are_refused_unsent(provider: ProviderServer, httpserver: HTTPServer) -> None:
    request = GenerationRequest("a red fox", 7, 1024, 1024, sources=(PNG,) * (find_most_sources(provider) + 1))
    error = fail(provider.build(address(httpserver)), request)
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, "sources", {})
    assert not httpserver.log


def test_a_source_that_is_not_an_image_is_refused_unsent(provider: ProviderServer, httpserver: HTTPServer) -> None:
    error = fail(provider.build(address(httpserver)), GenerationRequest("a fox", 7, 1024, 1024, sources=(b"GIF?",)))
    assert (error.outcome, error.billed) == (Outcome.INVALID, {})
    assert error.code == ("source" if find_most_sources(provider) else "sources")
    assert not httpserver.log


def test_a_mask_without_a_source_is_refused_unsent(provider: ProviderServer, httpserver: HTTPServer) -> None:
    error = fail(provider.build(address(httpserver)), GenerationRequest("a fox", 7, 1024, 1024, mask=PNG))
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, "mask", {})
    assert not httpserver.log


def test_a_missing_package_is_reported_with_the_extra_that_installs_it(
    provider: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = find_declaration(provider.adapter).extra
    for module in find_modules(extra or "providers"):
        monkeypatch.setitem(sys.modules, module, None)
    error = fail(provider.build(f"http://localhost:{closed_port()}"))
    if extra:
        assert error.code == "package", f"The adapter needs no package of the extra {extra!r}: declare no extra."
        assert error.outcome is Outcome.INVALID
        assert f"pip install 'paragone[{extra}]'" in error.message
    else:
        assert "could not be reached" in error.message, (
            "The adapter needs a package that its extra installs: declare it."
        )
