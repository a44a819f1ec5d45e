"""OpenAI: requests of the gpt-image models, and answers with their bills."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pytest_httpserver import HTTPServer

from generators.adapters.base import AdapterError, GeneratedImage, Outcome
from generators.adapters.openai_api.answers import count_usage, share_bill
from generators.adapters.openai_api.gpt_image import choose_size, make_alpha_mask
from generators.adapters.registry import find_capabilities
from tests.fake_adapters import paint
from tests.generators.adapters.openai_servers import (
    PROMPT,
    OpenAIServer,
    answer_with_png,
    encode,
    pictures,
    sent,
    sent_form,
    sent_json,
    server_of,
    variants,
)
from tests.generators.adapters.provider_servers import KEY

SERVER = OpenAIServer(
    "openai", "/v1/images/generations", answer_with_png, {"model": "gpt-image-2.5-flare"}, suffix="/v1"
)

USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"text_tokens": 20, "image_tokens": 80},
    "output_tokens": 1000,
    "output_tokens_details": {"text_tokens": 1, "image_tokens": 999},
    "total_tokens": 1100,
}
PIXELS = st.integers(1, 8192)


class TestGenerate:
    def test_one_image_is_returned_unchanged_with_its_report(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request(SERVER.generations, method="POST").respond_with_json(
            pictures(usage=USAGE), headers={"x-request-id": "req_1"}
        )
        (image,) = SERVER.ask(server_of(httpserver), variants())
        assert image == GeneratedImage(
            paint(0),
            "image/png",
            reported={
                "request_id": "req_1",
                "parameters": {"model": "gpt-image-2.5-flare", "n": 1, "size": "1024x1024"},
                "usage": USAGE,
            },
            billed={
                "image": 1,
                "input_text_token": 20,
                "input_image_token": 80,
                "output_token": 999,
                "output_text_token": 1,
            },
        )
        assert sent_json(httpserver) == {
            "model": "gpt-image-2.5-flare",
            "prompt": PROMPT,
            "n": 1,
            "size": "1024x1024",
        }

    def test_variants_are_one_paid_request_whose_bill_is_shared_to_the_last_token(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request(SERVER.generations).respond_with_json(pictures(3, usage=USAGE))
        images = SERVER.ask(server_of(httpserver), variants(3))
        assert [image.data for image in images if isinstance(image, GeneratedImage)] == [paint(0), paint(1), paint(2)]
        assert sent_json(httpserver)["n"] == 3
        bills: list[Any] = [image.billed for image in images]
        assert {unit: sum(bill[unit] for bill in bills) for unit in bills[0]} == {
            "image": 3,
            "input_text_token": 20,
            "input_image_token": 80,
            "output_token": 999,
            "output_text_token": 1,
        }
        assert all(isinstance(count, int) for bill in bills for count in bill.values())

    def test_settings_become_fields_of_the_request(self, httpserver: HTTPServer) -> None:
        settings = {
            "quality": "high",
            "background": "transparent",
            "moderation": "low",
            "input_fidelity": "high",
            "output_format": "webp",
            "output_compression": 80,
        }
        httpserver.expect_request(SERVER.generations).respond_with_json(pictures())
        (image,) = SERVER.ask(server_of(httpserver), variants(), **settings)
        body = sent_json(httpserver)
        del settings["input_fidelity"]  # it is about the source of an edit
        assert settings.items() <= body.items()
        assert "input_fidelity" not in body
        assert isinstance(image, GeneratedImage)
        assert image.media_type == "image/webp"
        assert settings.items() <= image.reported["parameters"].items()

    def test_the_providers_choices_are_reported(self, httpserver: HTTPServer) -> None:
        chosen = {"size": "1536x1024", "quality": "medium", "background": "opaque", "output_format": "jpeg"}
        revised = {"data": [{"b64_json": encode(b"i"), "revised_prompt": "A teapot"}], **chosen}
        httpserver.expect_request(SERVER.generations).respond_with_json(revised)
        (image,) = SERVER.ask(server_of(httpserver), variants(), quality="auto")
        assert isinstance(image, GeneratedImage)
        assert image.media_type == "image/jpeg"
        assert image.reported["revised_prompt"] == "A teapot"
        assert chosen.items() <= image.reported["parameters"].items()

    def test_missing_images_are_transient_and_unbilled(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request(SERVER.generations).respond_with_json(pictures(2, usage=USAGE))
        first, second, third = SERVER.ask(server_of(httpserver), variants(3))
        assert isinstance(first, GeneratedImage)
        assert isinstance(second, GeneratedImage)
        assert isinstance(third, AdapterError)
        assert (third.outcome, third.billed) == (Outcome.TRANSIENT, {})
        assert third.message == "The provider returned 2 of 3 images."
        assert first.billed["output_token"] + second.billed["output_token"] == 999

    def test_surplus_images_are_dropped(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request(SERVER.generations).respond_with_json(pictures(3))
        assert len(SERVER.ask(server_of(httpserver), variants(2))) == 2

    def test_one_unreadable_image_does_not_affect_the_others(self, httpserver: HTTPServer) -> None:
        data = [{"b64_json": encode(b"one")}, {"b64_json": "!"}, {"b64_json": encode(b"three")}]
        httpserver.expect_request(SERVER.generations).respond_with_json({"data": data})
        one, two, three = SERVER.ask(server_of(httpserver), variants(3))
        assert isinstance(one, GeneratedImage)
        assert isinstance(two, AdapterError)
        assert isinstance(three, GeneratedImage)
        assert (one.data, two.billed, three.data) == (b"one", None, b"three")

    def test_token_usage_without_an_image_is_billed(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request(SERVER.generations).respond_with_json({"data": [], "usage": USAGE})
        errors = SERVER.ask(server_of(httpserver), variants(2))
        assert [error.billed["output_token"] for error in errors if error.billed] == [499, 500]
        assert {error.outcome for error in errors if isinstance(error, AdapterError)} == {Outcome.TRANSIENT}


class TestEdit:
    def test_one_source_and_its_mask_are_sent_as_a_form(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request(SERVER.edits, method="POST").respond_with_json(pictures())
        mask = paint(255, 16, 16)
        (image,) = SERVER.ask(
            server_of(httpserver),
            variants(sources=(paint(7),), mask=mask),
            moderation="low",
            input_fidelity="high",
        )
        fields, files = sent_form(httpserver)
        assert fields == {
            "model": "gpt-image-2.5-flare",
            "prompt": PROMPT,
            "n": "1",
            "size": "1024x1024",
            "input_fidelity": "high",  # moderation is no field of an edit
        }
        assert files == [
            ("image", "image.png", "image/png", paint(7)),
            ("mask", "mask.png", "image/png", make_alpha_mask(mask)),
        ]
        (request,) = sent(httpserver)
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert isinstance(image, GeneratedImage)
        assert "prompt" not in image.reported["parameters"]

    def test_several_sources_keep_their_order_and_kinds(self, httpserver: HTTPServer) -> None:
        jpeg = BytesIO()
        Image.new("RGB", (8, 8), "red").save(jpeg, "JPEG")
        httpserver.expect_request(SERVER.edits).respond_with_json(pictures(2))
        images = SERVER.ask(server_of(httpserver), variants(2, sources=(paint(1), jpeg.getvalue(), paint(2))))
        fields, files = sent_form(httpserver)
        assert fields["n"] == "2"
        assert files == [
            ("image[]", "image.png", "image/png", paint(1)),
            ("image[]", "image.jpeg", "image/jpeg", jpeg.getvalue()),
            ("image[]", "image.png", "image/png", paint(2)),
        ]
        assert len(images) == 2

    def test_a_mask_that_is_not_an_image_is_refused_unsent(self, httpserver: HTTPServer) -> None:
        with pytest.raises(AdapterError, match="mask cannot be read") as caught:
            SERVER.ask(server_of(httpserver), variants(sources=(paint(1),), mask=b"words"))
        assert caught.value.outcome is Outcome.INVALID
        assert httpserver.log == []

    @pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA"])
    def test_a_white_mask_becomes_transparent(self, mode: str) -> None:
        ours = Image.new("L", (4, 2), 0)
        ours.paste(255, (2, 0, 4, 2))
        data = BytesIO()
        ours.convert(mode).save(data, "PNG")
        theirs = Image.open(BytesIO(make_alpha_mask(data.getvalue())))
        assert (theirs.format, theirs.mode, theirs.size) == ("PNG", "RGBA", (4, 2))
        assert [theirs.getpixel((x, 1))[3] for x in range(4)] == [255, 255, 0, 0]  # type: ignore[index]


class TestAddresses:
    """Other servers with this API may return the address of an image."""

    def test_an_image_on_a_known_host_is_downloaded_without_the_key(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request("/files/1.png", method="GET").respond_with_data(paint(9), content_type="image/png")
        body = {"data": [{"url": httpserver.url_for("/files/1.png")}]}
        httpserver.expect_request(SERVER.generations).respond_with_json(body)
        (image,) = SERVER.ask(server_of(httpserver), variants(), image_hosts=["localhost"])
        assert isinstance(image, GeneratedImage)
        assert image.data == paint(9)
        (fetch,) = sent(httpserver, "GET")
        assert KEY not in str(fetch.headers)

    def test_an_image_on_another_host_is_billed_but_not_downloaded(self, httpserver: HTTPServer) -> None:
        body = {"data": [{"url": httpserver.url_for("/files/1.png")}], "usage": USAGE}
        httpserver.expect_request(SERVER.generations).respond_with_json(body)
        (error,) = SERVER.ask(server_of(httpserver), variants())
        assert isinstance(error, AdapterError)
        assert (error.outcome, error.code) == (Outcome.INVALID, "foreign_host")
        assert error.billed
        assert (error.billed["image"], error.billed["output_token"]) == (1, 999)
        assert sent(httpserver, "GET") == []


class TestSizes:
    @pytest.mark.parametrize("model", ["gpt-image-1.5", "gpt-image-1-mini", "chatgpt-image-latest"])
    def test_older_models_get_the_nearest_of_three_sizes(self, model: str) -> None:
        assert choose_size(model, 512, 512) == (1024, 1024)
        assert choose_size(model, 1920, 1080) == (1536, 1024)
        assert choose_size(model, 768, 1344) == (1024, 1536)

    def test_newer_models_get_the_requested_size_if_it_is_valid(self) -> None:
        for size in [(1024, 1024), (1536, 864), (3840, 2160), (2160, 3840), (816, 816), (1920, 640)]:
            assert choose_size("gpt-image-2", *size) == size

    def test_an_invalid_size_becomes_the_nearest_valid_one(self) -> None:
        assert choose_size("gpt-image-2", 512, 512) == (816, 816)
        assert choose_size("gpt-image-2", 1000, 1000) == (1008, 1008)
        assert choose_size("gpt-image-2", 8192, 8192) == (2880, 2880)

    @given(PIXELS, PIXELS)
    def test_every_size_becomes_a_valid_one_of_about_its_aspect_ratio(self, width: int, height: int) -> None:
        across, down = choose_size("gpt-image-2", width, height)
        assert across % 16 == down % 16 == 0
        assert 655_360 <= across * down <= 3840 * 2160
        assert max(across, down) <= 3840
        assert max(across, down) <= 3 * min(across, down)
        wanted = min(max(width / height, 1 / 3), 3)
        assert across / down == pytest.approx(wanted, rel=0.03)

    def test_the_chosen_size_is_sent(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request(SERVER.generations).respond_with_json(pictures())
        SERVER.ask(server_of(httpserver), variants(width=1280, height=720), model="gpt-image-1.5")
        assert sent_json(httpserver)["size"] == "1536x1024"


class TestBills:
    @given(st.dictionaries(st.sampled_from(["output_token", "image"]), st.integers(0, 10**12)), st.integers(1, 10))
    def test_shares_are_whole_numbers_and_sum_to_the_bill(self, counts: dict[str, int], n: int) -> None:
        shares = share_bill(counts, n)
        assert len(shares) == n
        for unit, count in counts.items():
            assert sum(share[unit] for share in shares) == count
            assert max(share[unit] for share in shares) - min(share[unit] for share in shares) <= 1

    @pytest.mark.parametrize(
        ("usage", "counts"),
        [
            (None, {}),
            ("many", {}),
            ({"input_tokens": "7", "output_tokens": -3, "input_tokens_details": []}, {}),
            ({"input_tokens": 7, "output_tokens": 5}, {"input_token": 7, "output_token": 5}),
            ({"cost_in_usd_ticks": 200_000_000}, {"usd_tick": 200_000_000}),
        ],
        ids=str,
    )
    def test_only_what_was_counted_is_billed(self, usage: object, counts: dict[str, int]) -> None:
        assert count_usage(usage) == counts


def test_a_model_has_the_documented_capabilities() -> None:
    able = find_capabilities("openai", {**SERVER.settings, SERVER.address: "https://images.example"})
    assert (able.max_sources, able.masks, able.max_batch) == (16, True, 10)
    assert not able.seeded
    assert not able.mixes_prompts
