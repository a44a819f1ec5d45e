"""The smallest provider: what the test file of a provider covers beside the shared tests."""

import pytest
from pytest_httpserver import HTTPServer

from generators.adapters.base import Outcome
from generators.adapters.registry import ADAPTERS, find_capabilities
from tests.generators.adapters.plain_provider import SERVER
from tests.generators.adapters.provider_servers import KEY, PNG, address, build, draw, fail, paid_calls


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ADAPTERS, "plain", "tests.generators.adapters.plain_provider.PlainGenerator")


def test_a_request_has_the_documented_form(httpserver: HTTPServer) -> None:
    image = draw(SERVER.start(httpserver))
    parameters = {"seed": 7, "width": 1024, "height": 1024}
    assert (image.data, image.billed) == (PNG, {"image": 1, "plain_point": 3})
    assert image.reported == {"request_id": "request-1", "parameters": parameters}
    [call] = paid_calls(httpserver)
    assert call.headers["Authorization"] == f"Bearer {KEY}"
    assert call.json == {"prompt": "a red fox", **parameters}


def test_a_moderated_prompt_is_a_free_refusal_without_the_key(httpserver: HTTPServer) -> None:
    body = {"id": "request-1", "code": "moderated", "message": f"not with {KEY}"}
    httpserver.expect_request(SERVER.path).respond_with_json(body, 403)
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.stage, error.code, error.billed) == (Outcome.REFUSED, "prompt", "moderated", {})
    assert (error.message, error.reported) == ("The provider refused: not with [key]", {"request_id": "request-1"})


def test_it_takes_no_sources_and_one_request_at_a_time() -> None:
    able = find_capabilities("plain", {})
    assert (able.max_sources, able.masks, able.seeded, able.max_batch) == (0, False, True, 1)
