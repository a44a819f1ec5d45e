"""xAI: requests by aspect ratio, edits as JSON, moderation per image, exact costs."""

import base64
import time
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from generators.adapters.base import AdapterError, GeneratedImage, Outcome
from generators.adapters.registry import find_capabilities
from tests.fake_adapters import paint
from tests.generators.adapters.openai_servers import (
    PROMPT,
    OpenAIServer,
    answer_with_png,
    encode,
    pictures,
    sent,
    sent_json,
    server_of,
    variants,
)
from tests.generators.adapters.provider_servers import KEY

SERVER = OpenAIServer(
    "xai", "/v1/images/generations", answer_with_png, {"model": "grok-imagine-image-2.0"}, suffix="/v1"
)

TICKS = 200_000_001
ASKED = {"model": "grok-imagine-image-2.0", "resolution": "1k", "response_format": "b64_json"}


def source_of(data: bytes) -> dict[str, str]:
    return {"type": "image_url", "url": f"data:image/png;base64,{base64.b64encode(data).decode()}"}


class TestRequests:
    @pytest.mark.parametrize("n", [1, 3])
    def test_a_request_names_an_aspect_ratio(self, httpserver: HTTPServer, n: int) -> None:
        usage = {"cost_in_usd_ticks": TICKS}
        httpserver.expect_request(SERVER.generations, method="POST").respond_with_json(
            pictures(n, usage=usage), headers={"x-request-id": "xai-1"}
        )
        images = SERVER.ask(server_of(httpserver), variants(n, width=1920, height=1080))
        wanted = {**ASKED, "n": n, "aspect_ratio": "16:9"}
        assert sent_json(httpserver) == {**wanted, "prompt": PROMPT}
        assert [image.data for image in images if isinstance(image, GeneratedImage)] == [paint(i) for i in range(n)]
        assert images[0].reported == {"request_id": "xai-1", "parameters": wanted, "usage": usage}
        bills: list[Any] = [image.billed for image in images]
        assert [bill["image"] for bill in bills] == [1] * n
        assert sum(bill["usd_tick"] for bill in bills) == TICKS
        (request,) = sent(httpserver)
        assert request.headers["Authorization"] == f"Bearer {KEY}"

    def test_the_media_type_is_that_of_the_provider_or_jpeg(self, httpserver: HTTPServer) -> None:
        data = [{"b64_json": encode(b"1"), "mime_type": "image/webp"}, {"b64_json": encode(b"2")}]
        httpserver.expect_request(SERVER.generations).respond_with_json({"data": data})
        images = SERVER.ask(server_of(httpserver), variants(2))
        types = [image.media_type for image in images if isinstance(image, GeneratedImage)]
        assert types == ["image/webp", "image/jpeg"]

    def test_resolution_and_quality_are_sent(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request(SERVER.generations).respond_with_json(pictures())
        SERVER.ask(server_of(httpserver), variants(), resolution="2k", quality="low")
        body = sent_json(httpserver)
        assert (body["resolution"], body["quality"], body["aspect_ratio"]) == ("2k", "low", "1:1")
        assert "size" not in body

    def test_one_source_is_sent_as_json_without_an_aspect_ratio(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request(SERVER.edits, method="POST").respond_with_json(pictures(2))
        images = SERVER.ask(server_of(httpserver), variants(2, sources=(paint(4),)))
        assert sent_json(httpserver) == {**ASKED, "n": 2, "prompt": PROMPT, "image": source_of(paint(4))}
        assert images[0].reported["parameters"] == {**ASKED, "n": 2}

    def test_several_sources_are_sent_in_order_with_an_aspect_ratio(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request(SERVER.edits).respond_with_json(pictures())
        SERVER.ask(server_of(httpserver), variants(sources=(paint(4), paint(5)), width=512, height=1024))
        body = sent_json(httpserver)
        assert body["images"] == [source_of(paint(4)), source_of(paint(5))]
        assert body["aspect_ratio"] == "1:2"
        assert "image" not in body

    @pytest.mark.parametrize("wrong", [{"resolution": "4k"}, {"size": "1024x1024"}, {"response_format": "png"}])
    def test_invalid_settings_are_refused(self, wrong: dict[str, str]) -> None:
        with pytest.raises(AdapterError, match=next(iter(wrong))):
            SERVER.ask("http://127.0.0.1:9", variants(), **wrong)


class TestModeration:
    def test_a_withheld_image_is_a_billed_refusal_and_the_others_are_kept(self, httpserver: HTTPServer) -> None:
        body = pictures(3, usage={"cost_in_usd_ticks": 300})
        body["data"][0]["respect_moderation"] = True
        body["data"][1] = {"url": None, "respect_moderation": False}
        httpserver.expect_request(SERVER.generations).respond_with_json(body, headers={"x-request-id": "xai-2"})
        first, second, third = SERVER.ask(server_of(httpserver), variants(3))
        assert isinstance(first, GeneratedImage)
        assert isinstance(second, AdapterError)
        assert isinstance(third, GeneratedImage)
        assert (second.outcome, second.stage, second.code) == (Outcome.REFUSED, "image", "respect_moderation")
        assert second.billed == {"image": 1, "usd_tick": 100}
        assert second.reported["request_id"] == "xai-2"
        assert third.data == paint(2)

    def test_a_blocked_prompt_is_a_refusal_in_spite_of_a_successful_status(self, httpserver: HTTPServer) -> None:
        body = {"data": [], "block_reason": "sexual", "usage": {"cost_in_usd_ticks": 5}}
        httpserver.expect_request(SERVER.generations).respond_with_json(body)
        errors = SERVER.ask(server_of(httpserver), variants(2))
        assert [(e.outcome, e.stage, e.code, e.billed) for e in errors if isinstance(e, AdapterError)] == [
            (Outcome.REFUSED, "prompt", "sexual", {"usd_tick": 2}),
            (Outcome.REFUSED, "prompt", "sexual", {"usd_tick": 3}),
        ]

    def test_a_refusal_with_a_cost_is_billed(self, httpserver: HTTPServer) -> None:
        body = {
            "code": "Client specified an invalid argument",
            "error": "Generated image rejected by content moderation.",
            "usage": {"cost_in_usd_ticks": 201},
        }
        httpserver.expect_request(SERVER.generations).respond_with_json(body, status=400)
        errors = SERVER.ask(server_of(httpserver), variants(2))
        assert [(e.outcome, e.stage, e.billed) for e in errors if isinstance(e, AdapterError)] == [
            (Outcome.REFUSED, "image", {"image": 1, "usd_tick": 100}),
            (Outcome.REFUSED, "image", {"image": 1, "usd_tick": 101}),
        ]


class TestAddresses:
    """With ``response_format = "url"`` an image is fetched at once, because its address expires."""

    def ask(self, httpserver: HTTPServer, *urls: str) -> list[Any]:
        httpserver.expect_request(SERVER.generations).respond_with_json({"data": [{"url": url} for url in urls]})
        server = server_of(httpserver)
        return list(SERVER.ask(server, variants(len(urls)), response_format="url", image_hosts=["localhost", "*.x.ai"]))

    @pytest.fixture(autouse=True)
    def _no_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def test_images_are_downloaded_without_the_key(self, httpserver: HTTPServer) -> None:
        for name in ("1", "2"):
            httpserver.expect_request(f"/{name}.jpg", method="GET").respond_with_data(paint(int(name)))
        images = self.ask(httpserver, httpserver.url_for("/1.jpg"), httpserver.url_for("/2.jpg"))
        assert [image.data for image in images] == [paint(1), paint(2)]
        assert [KEY in str(fetch.headers) for fetch in sent(httpserver, "GET")] == [False, False]
        assert sent(httpserver)[0].get_json()["response_format"] == "url"

    def test_an_expired_address_loses_one_billed_image(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request("/1.jpg").respond_with_data("gone", status=404)
        httpserver.expect_request("/2.jpg").respond_with_data(paint(2))
        gone, kept = self.ask(httpserver, httpserver.url_for("/1.jpg"), httpserver.url_for("/2.jpg"))
        assert (gone.outcome, gone.code, gone.billed) == (Outcome.TRANSIENT, "expired", {"image": 1})
        assert kept.data == paint(2)
        assert len(sent(httpserver)) == 1

    @pytest.mark.parametrize(
        "url", ["https://images.example/1.jpg", "http://imgen.x.ai/1.jpg", "https://imgen.x.ai.example/1.jpg", "::"]
    )
    def test_an_address_on_another_host_is_not_requested(self, httpserver: HTTPServer, url: str) -> None:
        (error,) = self.ask(httpserver, url)
        assert (error.outcome, error.billed) == (Outcome.INVALID, {"image": 1})
        assert sent(httpserver, "GET") == []

    def test_a_redirect_to_another_host_is_not_followed(self, httpserver: HTTPServer) -> None:
        elsewhere = httpserver.url_for("/2.jpg").replace("localhost", "127.0.0.1")
        httpserver.expect_request("/1.jpg").respond_with_data("", status=302, headers={"location": elsewhere})
        httpserver.expect_request("/2.jpg").respond_with_data(paint(2))
        (error,) = self.ask(httpserver, httpserver.url_for("/1.jpg"))
        assert (error.outcome, error.code) == (Outcome.INVALID, "foreign_host")
        assert [request.path for request in sent(httpserver, "GET")] == ["/1.jpg"]

    def test_a_failed_download_is_retried_without_another_paid_call(self, httpserver: HTTPServer) -> None:
        httpserver.expect_oneshot_request("/1.jpg").respond_with_data("", status=503)
        httpserver.expect_request("/1.jpg").respond_with_data(paint(1))
        (image,) = self.ask(httpserver, httpserver.url_for("/1.jpg"))
        assert image.data == paint(1)
        assert (len(sent(httpserver)), len(sent(httpserver, "GET"))) == (1, 2)


def test_a_model_has_the_documented_capabilities() -> None:
    able = find_capabilities("xai", {**SERVER.settings, SERVER.address: "https://images.example"})
    assert (able.max_sources, able.masks, able.max_batch) == (3, False, 10)
    assert not able.seeded
    assert not able.mixes_prompts
