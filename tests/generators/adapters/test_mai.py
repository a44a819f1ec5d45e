"""MAI-Image: requests with width and height, one image per call, edits of one source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from generators.adapters.base import AdapterError, GeneratedImage, Outcome
from generators.adapters.mai import fit_size
from generators.adapters.registry import find_capabilities
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
    "mai", "/mai/v1/images/generations", answer_with_png, {"model": "MAI-Image-2.5"}, address="endpoint"
)


def test_a_request_names_width_and_height(httpserver: HTTPServer) -> None:
    httpserver.expect_request(
        "/mai/v1/images/generations", method="POST", query_string={"api-version": "preview"}
    ).respond_with_json(pictures(usage=None), headers={"x-request-id": "mai-1"})
    (image,) = SERVER.ask(server_of(httpserver), variants(width=1920, height=1080))
    wanted = {"model": "MAI-Image-2.5", "width": 1365, "height": 768}
    assert sent_json(httpserver) == {**wanted, "prompt": PROMPT}
    assert image == GeneratedImage(
        paint(0), "image/png", {"request_id": "mai-1", "parameters": wanted}, billed={"image": 1}
    )
    (request,) = sent(httpserver)
    assert request.headers["api-key"] == KEY
    assert "Authorization" not in request.headers


def test_an_edit_is_a_form_with_one_source_and_no_size(httpserver: HTTPServer) -> None:
    httpserver.expect_request(
        "/mai/v1/images/edits", method="POST", query_string={"api-version": "v2"}
    ).respond_with_json(pictures())
    (image,) = SERVER.ask(server_of(httpserver), variants(sources=(paint(3),)), api_version="v2")
    assert sent_form(httpserver) == (
        {"model": "MAI-Image-2.5", "prompt": PROMPT},
        [("image", "image.png", "image/png", paint(3))],
    )
    (request,) = sent(httpserver)
    assert request.headers["api-key"] == KEY
    assert "Authorization" not in request.headers
    assert isinstance(image, GeneratedImage)
    assert image.reported["parameters"] == {"model": "MAI-Image-2.5"}


def test_a_mask_is_refused(httpserver: HTTPServer) -> None:
    with pytest.raises(AdapterError, match="mask") as caught:
        SERVER.ask(server_of(httpserver), variants(sources=(paint(3),), mask=paint(255)))
    assert caught.value.outcome is Outcome.INVALID
    assert httpserver.log == []


@pytest.mark.parametrize(
    ("wanted", "given_"),
    [
        ((1024, 1024), (1024, 1024)),
        ((512, 512), (768, 768)),
        ((4096, 4096), (1024, 1024)),
        ((832, 1152), (832, 1152)),
        ((1536, 1024), (1254, 836)),
        ((512, 1024), (768, 1365)),
        ((8000, 100), (1365, 768)),
    ],
    ids=str,
)
def test_a_size_is_scaled_into_the_limits(wanted: tuple[int, int], given_: tuple[int, int]) -> None:
    assert fit_size(*wanted) == given_


@given(st.integers(1, 8192), st.integers(1, 8192))
def test_every_size_becomes_a_valid_one_of_its_orientation(width: int, height: int) -> None:
    across, down = fit_size(width, height)
    assert min(across, down) >= 768
    assert across * down <= 1_048_576
    assert (across > down) <= (width > height)
    assert fit_size(height, width) == (down, across)
    if max(width, height) * 9 <= min(width, height) * 16:
        assert across / down == pytest.approx(width / height, rel=0.003)


def test_a_model_has_the_documented_capabilities() -> None:
    able = find_capabilities("mai", {**SERVER.settings, SERVER.address: "https://images.example"})
    assert (able.max_sources, able.masks, able.max_batch) == (1, False, 1)
    assert not able.seeded
    assert not able.mixes_prompts
