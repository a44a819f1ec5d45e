"""HTTP with providers: statuses, connections, waits, and downloads of images."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from generators.adapters import provider_http
from generators.adapters.base import AUTHENTICATION, AdapterError, Outcome
from tests.generators.adapters.provider_servers import PNG, closed_port, cut_off, listen, paint, reset, stay_silent

HOSTS = ("localhost",)
CHARGED = {"image": 1}
KEY = SecretStr("abc")


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with provider_http.open_client(5) as client:
        yield client


def fetch(client: httpx2.Client, url: str) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        provider_http.fetch_image(client, url, hosts=HOSTS, billed=CHARGED)
    assert caught.value.billed == CHARGED
    return caught.value


def answer(server: HTTPServer, *responses: Response) -> str:
    """An address that returns these in turn, then always the last."""
    waiting = list(responses)
    server.expect_request("/image.png").respond_with_handler(
        lambda request: waiting.pop(0) if len(waiting) > 1 else waiting[0]
    )
    return server.url_for("/image.png")


@pytest.mark.parametrize(
    ("status", "outcome", "billed"),
    [
        (400, Outcome.INVALID, {}),
        (402, Outcome.QUOTA, {}),
        (408, Outcome.TIMEOUT, {}),
        (409, Outcome.TRANSIENT, {}),
        (425, Outcome.TRANSIENT, {}),
        (429, Outcome.RATE_LIMITED, {}),
        (500, Outcome.TRANSIENT, {}),
        (502, Outcome.TRANSIENT, None),
        (503, Outcome.TRANSIENT, {}),
        (504, Outcome.TIMEOUT, None),
        (599, Outcome.TRANSIENT, {}),
    ],
)
def test_a_status_has_an_outcome_and_a_bill(
    httpserver: HTTPServer, client: httpx2.Client, status: int, outcome: Outcome, billed: dict[str, float] | None
) -> None:
    httpserver.expect_request("/").respond_with_data("the \n provider's\twords", status)
    response = client.post(httpserver.url_for("/"))
    error = provider_http.make_status_error(
        status, response.headers, response.text, key=KEY, code="code", request_id="1"
    )
    assert (error.outcome, error.billed, error.code) == (outcome, billed, "code")
    assert (error.message, error.reported) == (f"HTTP {status}: the provider's words", {"request_id": "1"})


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_key_is_reported_without_the_providers_message(status: int) -> None:
    error = provider_http.make_status_error(status, {}, "no such key: abc", key=KEY, code="bad_key")
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, AUTHENTICATION, {})
    assert "abc" not in error.message
    assert "did not accept the key" in error.message


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_a_key_is_reported_with_the_setting_that_names_one(status: int) -> None:
    error = provider_http.make_status_error(status, {}, "who are you?", key=None)
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, AUTHENTICATION, {})
    assert "without a key" in error.message
    assert "key_env" in error.message


def test_a_long_message_is_cut_and_an_empty_one_replaced() -> None:
    assert len(provider_http.make_status_error(500, {}, "x" * 10_000, key=None).message) < 600
    assert provider_http.make_status_error(500, {}, " \n ", key=None).message == "HTTP 500: no explanation"


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://user:word@evil.example/a?token=1", "evil.example"),
        ("/moved", "another path"),
        ("http://localhost:port", "an invalid address"),
    ],
)
def test_a_redirect_is_invalid_and_names_no_more_than_the_host(location: str, named: str) -> None:
    error = provider_http.make_status_error(308, {"location": location}, "", key=None)
    assert (error.outcome, error.code, error.billed) == (Outcome.INVALID, "redirect", {})
    assert named in error.message
    assert not any(secret in error.message for secret in ("word", "token", "/moved"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert provider_http.read_retry_after(headers) == seconds


@pytest.mark.parametrize(("minutes", "seconds"), [(60, 3600), (-2, 0)])
def test_a_wait_until_a_date_is_read(minutes: int, seconds: int) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    assert seconds - 60 <= provider_http.read_retry_after({"retry-after": date}) <= seconds


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(stay_silent, Outcome.TIMEOUT), (reset, Outcome.TRANSIENT), (lambda _: None, Outcome.TRANSIENT)],
)
def test_a_connection_that_ends_without_a_response_may_be_billed(answer: Callable[..., None], outcome: Outcome) -> None:
    with (
        listen(answer) as url,
        provider_http.open_client(0.3) as client,
        pytest.raises(httpx2.TransportError) as caught,
    ):
        client.post(url, content=b"words")
    error = provider_http.make_transport_error(caught.value)
    assert (error.outcome, error.billed) == (outcome, None)


def test_an_unreachable_server_bills_nothing(client: httpx2.Client) -> None:
    with pytest.raises(httpx2.ConnectError) as caught:
        client.post(f"http://localhost:{closed_port()}")
    error = provider_http.make_transport_error(caught.value)
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, {})


@pytest.mark.parametrize(
    ("url", "headers"),
    [("ftp://localhost/", {}), ("//localhost", {}), ("http://localhost:port/", {}), ("", {"x-key": "a\nb"})],
)
def test_a_request_that_cannot_be_sent_is_invalid_and_free(
    httpserver: HTTPServer, client: httpx2.Client, url: str, headers: dict[str, str]
) -> None:
    with pytest.raises((httpx2.TransportError, httpx2.InvalidURL)) as caught:
        client.post(url or httpserver.url_for("/"), headers=headers)
    error = provider_http.make_transport_error(caught.value)
    assert (error.outcome, error.billed) == (Outcome.INVALID, {})
    assert not httpserver.log


@pytest.mark.parametrize(("key", "value"), [("abc-1", "abc-1"), (" abc-1\n", "abc-1")])
def test_a_key_is_read_without_surrounding_whitespace(key: str, value: str) -> None:
    assert provider_http.read_key(SecretStr(key)) == value


@pytest.mark.parametrize("key", ["", " \n", "a\nb", "two keys", "schlüssel", "a\x00b"])
def test_a_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(AdapterError) as caught:
        provider_http.read_key(SecretStr(key))
    assert (caught.value.outcome, caught.value.code) == (Outcome.INVALID, AUTHENTICATION)
    assert key.strip() == "" or key not in caught.value.message


def test_the_key_is_removed_from_a_text() -> None:
    assert provider_http.hide_key("who is abc-1, abc-1?", SecretStr(" abc-1 ")) == "who is [key], [key]?"
    assert provider_http.hide_key("nothing to hide", SecretStr("")) == "nothing to hide"


def test_an_image_is_identified_by_its_bytes() -> None:
    assert provider_http.identify_image(paint(30, 20)) == ("image/png", 30, 20)
    assert provider_http.identify_image(paint(30, 20, "JPEG")) == ("image/jpeg", 30, 20)
    assert provider_http.identify_image(paint(30, 20, "WEBP")) == ("image/webp", 30, 20)
    for data in (b"", b"<html>", paint(format="BMP"), b"\x89PNG\r\n\x1a\n" + b"\xff" * 40):
        assert provider_http.identify_image(data) is None


def test_invalid_base64_may_be_billed() -> None:
    assert provider_http.decode_base64("UE5H") == b"PNG"
    for text in ("PNG!", "UE5", None, 3, "ümlaut"):
        with pytest.raises(AdapterError) as caught:
            provider_http.decode_base64(text)
        assert (caught.value.outcome, caught.value.billed) == (Outcome.TRANSIENT, None)


def test_an_image_is_downloaded_from_its_address(httpserver: HTTPServer, client: httpx2.Client) -> None:
    url = answer(httpserver, Response(PNG))
    assert provider_http.fetch_image(client, url, hosts=HOSTS, billed=CHARGED) == PNG
    assert httpserver.log[0][0].headers["Accept"] == "image/*"


@pytest.mark.parametrize("hiccup", [Response("", 500), Response("", 503), Response("", 429)], ids=lambda r: r.status)
def test_a_failed_download_is_retried(httpserver: HTTPServer, client: httpx2.Client, hiccup: Response) -> None:
    url = answer(httpserver, hiccup, hiccup, Response(PNG))
    assert provider_http.fetch_image(client, url, hosts=HOSTS, billed=CHARGED) == PNG


def test_an_incomplete_image_is_downloaded_again(httpserver: HTTPServer, client: httpx2.Client) -> None:
    broken = iter([True, False])
    httpserver.expect_request("/image.png").respond_with_handler(
        lambda request: cut_off(request) if next(broken) else Response(PNG)
    )
    assert provider_http.fetch_image(client, httpserver.url_for("/image.png"), hosts=HOSTS, billed=CHARGED) == PNG


def test_a_download_that_keeps_failing_ends(httpserver: HTTPServer, client: httpx2.Client) -> None:
    error = fetch(client, answer(httpserver, Response("", 503)))
    assert (error.outcome, error.code, len(httpserver.log)) == (Outcome.TRANSIENT, "fetch", provider_http.FETCHES)
    assert "HTTP 503" in error.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_an_image_that_is_gone_is_requested_once(httpserver: HTTPServer, client: httpx2.Client, status: int) -> None:
    error = fetch(client, answer(httpserver, Response("", status)))
    assert (error.outcome, error.code, len(httpserver.log)) == (Outcome.TRANSIENT, "expired", 1)
    assert "key" not in error.message


def test_an_unreachable_image_server_is_a_transient_error(client: httpx2.Client) -> None:
    error = fetch(client, f"http://localhost:{closed_port()}/image.png")
    assert (error.outcome, error.code) == (Outcome.TRANSIENT, "fetch")


def test_a_malformed_content_encoding_is_a_transient_error(httpserver: HTTPServer, client: httpx2.Client) -> None:
    error = fetch(client, answer(httpserver, Response(b"no gzip", headers={"Content-Encoding": "gzip"})))
    assert (error.outcome, error.code) == (Outcome.TRANSIENT, "fetch")


def test_a_redirect_on_the_providers_hosts_is_followed(httpserver: HTTPServer, client: httpx2.Client) -> None:
    httpserver.expect_request("/old.png").respond_with_data("", 302, headers={"Location": "/image.png"})
    answer(httpserver, Response(PNG))
    url = httpserver.url_for("/old.png")
    assert provider_http.fetch_image(client, url, hosts=HOSTS, billed=CHARGED) == PNG


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:{port}/image.png", "//127.0.0.1:{port}/image.png", "ftp://localhost/"]
)
def test_a_redirect_to_another_host_is_not_followed(
    httpserver: HTTPServer, client: httpx2.Client, location: str
) -> None:
    away = Response("", 302, headers={"Location": location.format(port=httpserver.port)})
    error = fetch(client, answer(httpserver, away))
    assert (error.outcome, error.code, len(httpserver.log)) == (Outcome.INVALID, "foreign_host", 1)


def test_a_redirect_to_nowhere_is_invalid(client: httpx2.Client) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://localhost:port\r\nContent-Length: 0\r\n\r\n"
    with listen(lambda connection: connection.sendall(head)) as url:
        error = fetch(client, url)
    assert error.outcome == Outcome.INVALID
    assert "invalid address" in error.message


def test_a_redirect_loop_ends(httpserver: HTTPServer, client: httpx2.Client) -> None:
    error = fetch(client, answer(httpserver, Response("", 302, headers={"Location": "/image.png"})))
    assert (error.outcome, len(httpserver.log)) == (Outcome.INVALID, provider_http.FETCHES)
    assert "redirects too often" in error.message


@pytest.mark.parametrize("announced", [True, False])
def test_an_image_larger_than_allowed_is_not_read_to_its_end(
    httpserver: HTTPServer, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    monkeypatch.setattr(provider_http, "MAX_IMAGE_BYTES", 1 << 20)
    chunks = (bytes(1 << 16) for _ in range(40))
    response = Response(bytes(40 << 16)) if announced else Response(chunks)
    error = fetch(client, answer(httpserver, response))
    assert (error.outcome, error.code) == (Outcome.INVALID, "too_large")
    assert "1 MiB" in error.message


def test_a_slow_download_ends_in_time(
    httpserver: HTTPServer, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = threading.Event()

    def drip(request: Request) -> Response:
        def body() -> Iterator[bytes]:
            while not given_up.wait(0.05):
                yield b"x"

        return Response(body())

    monkeypatch.setattr(provider_http, "FETCH_SECONDS", 0.3)
    httpserver.expect_request("/image.png").respond_with_handler(drip)
    try:
        error = fetch(client, httpserver.url_for("/image.png"))
    finally:
        given_up.set()
    assert (error.outcome, error.code) == (Outcome.TIMEOUT, "fetch")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.bfl.ai/image.png",
        "https://API.EU.BFL.AI/image.png",
        "http://localhost:8000/image.png",
        "http://127.0.0.1/image.png",
    ],
)
def test_the_providers_hosts_are_allowed(url: str) -> None:
    provider_http.check_host(url, ("*.bfl.ai", "localhost", "127.0.0.1"), billed={})


@pytest.mark.parametrize(
    "url",
    [
        "http://api.bfl.ai/image.png",
        "https://bfl.ai.example.com/",
        "https://evilbfl.ai/",
        "https://api.bfl.ai@example.com/",
        "https://example.com/.bfl.ai",
        "https://example.com?.bfl.ai",
        "https://169.254.169.254/latest/meta-data",
        "http://127.0.0.1/",
        "ftp://api.bfl.ai/",
        "file:///etc/passwd",
        "api.bfl.ai/image.png",
        "https://[",
        "",
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(AdapterError) as caught:
        provider_http.check_host(url, ("*.bfl.ai",), billed=None)
    assert (caught.value.outcome, caught.value.billed) == (Outcome.INVALID, None)


def test_an_object_is_read_without_the_key_however_it_is_escaped() -> None:
    key = SecretStr("se/cr+et")
    content = rb'{"id": 1, "se/cr+et": ["no se\/cr\u002bet", {"deep": "se/cr+et!"}]}'
    expected = {"id": 1, "[key]": ["no [key]", {"deep": "[key]!"}]}
    for read in (provider_http.read_object, provider_http.read_error_object):
        assert read(httpx2.Response(200, content=content), key) == expected


@pytest.mark.parametrize("content", [b"", b"null", b"words", b'["a"]', b"3", b"\xff\xfe", b"[" * 5000 + b"]" * 5000])
def test_a_body_that_is_no_object_is_an_error_that_may_be_billed(content: bytes) -> None:
    response, key = httpx2.Response(200, content=content), SecretStr("secret")
    with pytest.raises(AdapterError, match="could not be read") as caught:
        provider_http.read_object(response, key)
    assert (caught.value.outcome, caught.value.billed) == (Outcome.TRANSIENT, None)
    assert provider_http.read_error_object(response, key) == {}


@pytest.mark.parametrize(
    ("value", "billable"),
    [(0, True), (4.5, True), (-1, False), (True, False), ("3", False), (None, False), (float("nan"), False)],
)
def test_an_amount_is_a_finite_number_that_is_not_negative(value: object, billable: bool) -> None:
    assert provider_http.is_amount(value) == billable
