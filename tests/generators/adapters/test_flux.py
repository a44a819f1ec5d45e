"""FLUX: one paid call submits a task, free polls follow it, and its image is downloaded."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from generators.adapters.base import AdapterError, GenerationRequest, Outcome
from generators.adapters.registry import find_capabilities
from tests.generators.adapters.provider_servers import (
    KEY,
    PNG,
    REQUEST,
    ProviderServer,
    address,
    build,
    draw,
    fail,
    paid_calls,
    paint,
)


def accept(server: HTTPServer, **task: Any) -> None:
    """Accept the task, and name where it is polled."""
    body = {"id": "task-1", "polling_url": server.url_for("/v1/get_result?id=task-1"), **task}
    server.expect_request(SERVER.path, method="POST").respond_with_json(body)


def _answer(server: HTTPServer, path: str) -> None:
    accept(server)
    server.expect_request("/v1/get_result", method="GET").respond_with_json(ready(server, seed=7))
    serve_image(server)


SERVER = ProviderServer("flux", "/v1/flux-2-pro", _answer, {"image_hosts": ["localhost"]})


def poll(server: HTTPServer, *answers: dict[str, Any] | Response) -> None:
    """Answer each poll with the next of these, then always with the last."""
    waiting = list(answers)

    def respond(request: Request) -> Response:
        assert request.headers["x-key"] == KEY
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, dict):
            return Response(json.dumps(answer), content_type="application/json")
        return answer

    server.expect_request("/v1/get_result", method="GET").respond_with_handler(respond)


def ready(server: HTTPServer, **result: Any) -> dict[str, Any]:
    return {"id": "task-1", "status": "Ready", "result": {"sample": server.url_for("/sample.png"), **result}}


def serve_image(server: HTTPServer, data: bytes = PNG) -> None:
    server.expect_request("/sample.png").respond_with_data(data, content_type="image/png")


def polls(server: HTTPServer) -> int:
    return sum(request.path == "/v1/get_result" for request, _ in server.log)


def test_a_task_is_submitted_once_polled_and_its_image_downloaded_without_the_key(httpserver: HTTPServer) -> None:
    accept(httpserver, cost=4.5)
    poll(
        httpserver,
        {"id": "task-1", "status": "Pending"},
        {"id": "task-1", "status": "Something new"},
        {**ready(httpserver, seed=99, prompt="a red fox, sharp", duration=3.5), "cost": None},
    )
    serve_image(httpserver, paint(1600, 900))
    image = draw(build(SERVER, address(httpserver)), GenerationRequest("a red fox", 7, 1600, 900))
    assert (image.data, image.media_type) == (paint(1600, 900), "image/png")
    assert image.billed == {"image": 1, "megapixel": 1.44, "credit": 4.5}
    assert image.reported == {
        "request_id": "task-1",
        "revised_prompt": "a red fox, sharp",
        "seconds": 3.5,
        "parameters": {
            "model": "flux-2-pro",
            "width": 1600,
            "height": 896,
            "seed": 99,
            "output_format": "png",
            "safety_tolerance": 2,
        },
    }
    [call] = paid_calls(httpserver)
    assert call.headers["x-key"] == KEY
    assert call.json == {
        "prompt": "a red fox",
        "seed": 7,
        "width": 1600,
        "height": 896,
        "output_format": "png",
        "safety_tolerance": 2,
    }
    [fetched] = [request for request, _ in httpserver.log if request.path == "/sample.png"]
    assert KEY not in str(fetched.headers)
    assert polls(httpserver) == 3


def test_models_that_take_an_aspect_ratio_get_one(httpserver: HTTPServer) -> None:
    path = "/v1/flux-pro-1.1-ultra"
    body = {"id": "task-1", "polling_url": httpserver.url_for("/v1/get_result")}
    httpserver.expect_request(path, method="POST").respond_with_json(body)
    poll(httpserver, ready(httpserver))
    serve_image(httpserver, paint(2752, 1536))
    image = draw(
        build(SERVER, address(httpserver), model="flux-pro-1.1-ultra", prompt_upsampling=True, safety_tolerance=6),
        GenerationRequest("a red fox", 7, 1920, 1080),
    )
    assert image.billed == {"image": 1, "megapixel": 2752 * 1536 / 1e6}
    [call] = paid_calls(httpserver)
    assert call.json == {
        "prompt": "a red fox",
        "seed": 7,
        "aspect_ratio": "16:9",
        "output_format": "png",
        "safety_tolerance": 6,
        "prompt_upsampling": True,
    }


def test_an_edit_sends_each_image_under_its_own_name(httpserver: HTTPServer) -> None:
    SERVER.answer(httpserver, SERVER.path)
    sources = (PNG, paint(format="JPEG"), paint(format="WEBP"))
    draw(build(SERVER, address(httpserver)), GenerationRequest("make it blue", 7, 1024, 1024, sources=sources))
    [call] = paid_calls(httpserver)
    sent = [call.json[name] for name in ("input_image", "input_image_2", "input_image_3")]
    assert tuple(map(base64.b64decode, sent)) == sources
    assert "input_image_4" not in call.json


def test_capabilities_follow_the_model() -> None:
    most = {
        model: find_capabilities("flux", {"model": model}) for model in ("flux-2-pro", "flux-2-klein-4b", "flux-dev")
    }
    assert [able.max_sources for able in most.values()] == [8, 4, 0]
    assert all(able.seeded and not able.masks and able.max_batch == 1 for able in most.values())


@pytest.mark.parametrize(("status", "stage"), [("Request Moderated", "prompt"), ("Content Moderated", "image")])
@pytest.mark.parametrize(("task", "billed"), [({}, {}), ({"cost": 3}, {"credit": 3.0})])
def test_a_moderated_task_is_a_refusal(
    httpserver: HTTPServer, status: str, stage: str, task: dict[str, Any], billed: dict[str, float]
) -> None:
    accept(httpserver, **task)
    poll(httpserver, {"id": "task-1", "status": status, "details": {"Moderation Reasons": ["Derivative Works"]}})
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.stage, error.code) == (Outcome.REFUSED, stage, status)
    assert (error.billed, error.reported) == (billed, {"request_id": "task-1"})


@pytest.mark.parametrize("status", ["Error", "Failed"])
def test_a_failed_task_costs_nothing_and_may_be_retried(httpserver: HTTPServer, status: str) -> None:
    accept(httpserver, cost=3)
    poll(httpserver, {"id": "task-1", "status": status, "details": {"error": f"worker died, key {KEY}"}})
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.code, error.billed) == (Outcome.TRANSIENT, status, {})
    assert "worker died" in error.message


@pytest.mark.parametrize(
    "hiccup",
    [
        lambda: Response("busy", 503),
        lambda: Response("slow", 429, headers={"Retry-After": "0.1"}),
        lambda: Response('{"status": "Task not found"}', 404),
        lambda: Response("<html>", 200),
        lambda: Response("[]", 200),
    ],
    ids=["503", "429", "not found yet", "no JSON", "no object"],
)
def test_a_failed_poll_is_repeated_and_the_task_is_not(httpserver: HTTPServer, hiccup: Callable[[], Response]) -> None:
    accept(httpserver)
    poll(httpserver, hiccup(), ready(httpserver))
    serve_image(httpserver)
    assert draw(build(SERVER, address(httpserver))).data == PNG
    assert (len(paid_calls(httpserver)), polls(httpserver)) == (1, 2)


@pytest.mark.parametrize(
    ("last", "words"),
    [({"status": "Pending"}, "Pending"), ({"status": "Task not found"}, "Task not found"), ({"x": 1}, "None")],
)
def test_a_task_that_does_not_end_may_be_billed(httpserver: HTTPServer, last: dict[str, Any], words: str) -> None:
    accept(httpserver)
    poll(httpserver, last)
    error = fail(build(SERVER, address(httpserver), timeout=1))
    assert (error.outcome, error.billed) == (Outcome.TIMEOUT, None)
    assert error.reported == {"request_id": "task-1"}
    assert words in error.message
    assert 2 <= polls(httpserver) <= 5


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (Response(f"no {KEY}", 401), Outcome.INVALID),
        (Response("pay", 402), Outcome.QUOTA),
        (Response(f"what is {KEY}?", 422), Outcome.INVALID),
        (Response("", 307, headers={"Location": "http://127.0.0.1/"}), Outcome.INVALID),
    ],
    ids=["401", "402", "422", "307"],
)
def test_a_rejected_poll_ends_a_task_that_may_be_billed(
    httpserver: HTTPServer, response: Response, outcome: Outcome
) -> None:
    accept(httpserver)
    poll(httpserver, response)
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.billed) == (outcome, None)
    assert polls(httpserver) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/v1/get_result",
        "https://bfl.ai.example.com/",
        "http://api.bfl.ai/",
        "https://localhost@example.com/",
        "file:///etc/passwd",
        "https://[",
        "",
    ],
)
def test_a_task_is_polled_only_on_the_providers_hosts(httpserver: HTTPServer, url: str) -> None:
    accept(httpserver, polling_url=url.format(port=httpserver.port))
    error = fail(build(SERVER, address(httpserver), image_hosts=["localhost", "*.bfl.ai"]))
    assert (error.outcome, error.billed) == (Outcome.INVALID, None)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("task", [{"id": "task-1"}, {"polling_url": 3}, ["task-1"]])
def test_a_task_without_a_polling_address_may_be_billed(httpserver: HTTPServer, task: Any) -> None:
    httpserver.expect_request(SERVER.path).respond_with_json(task)
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)


@pytest.mark.parametrize("result", [None, {}, {"sample": None}, "a string"])
def test_a_ready_task_without_an_image_may_be_billed(httpserver: HTTPServer, result: Any) -> None:
    accept(httpserver)
    poll(httpserver, {"id": "task-1", "status": "Ready", "result": result})
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, None)


def test_an_image_that_is_gone_is_billed(httpserver: HTTPServer) -> None:
    accept(httpserver, cost=3)
    poll(httpserver, ready(httpserver))
    httpserver.expect_request("/sample.png").respond_with_data("AccessDenied", 403)
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.code) == (Outcome.TRANSIENT, "expired")
    assert error.billed == {"image": 1, "credit": 3.0, "megapixel": 1.048576}


def test_an_image_on_another_host_is_not_downloaded(httpserver: HTTPServer) -> None:
    accept(httpserver)
    sample = f"http://127.0.0.1:{httpserver.port}/sample.png"
    poll(httpserver, {"id": "task-1", "status": "Ready", "result": {"sample": sample}})
    serve_image(httpserver)
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.code) == (Outcome.INVALID, "foreign_host")
    assert error.billed == {"image": 1, "megapixel": 1.048576}
    assert "/sample.png" not in {request.path for request, _ in httpserver.log}


def test_an_invalid_image_is_billed(httpserver: HTTPServer) -> None:
    accept(httpserver)
    poll(httpserver, ready(httpserver))
    serve_image(httpserver, b"<html>an error page</html>")
    error = fail(build(SERVER, address(httpserver)))
    assert (error.outcome, error.billed) == (Outcome.TRANSIENT, {"image": 1, "megapixel": 1.048576})


@pytest.mark.parametrize("cost", ["3", True, -1, float("inf"), float("nan")])
def test_a_cost_that_is_not_an_amount_is_ignored(httpserver: HTTPServer, cost: Any) -> None:
    accept(httpserver, cost=cost)
    poll(httpserver, ready(httpserver))
    serve_image(httpserver)
    assert "credit" not in draw(build(SERVER, address(httpserver)), REQUEST).billed


def test_a_model_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AdapterError, match="there is no FLUX model 'no such model'"):
        SERVER.build("https://api.bfl.ai", model="no such model")


def test_the_client_follows_no_redirects_and_has_the_timeout_of_the_settings(httpserver: HTTPServer) -> None:
    SERVER.answer(httpserver, SERVER.path)
    generator = build(SERVER, address(httpserver), timeout=42)
    generator.generate([REQUEST])
    client = vars(generator)["http"]
    assert isinstance(client, httpx2.Client)
    assert (client.follow_redirects, client.timeout.read, client.timeout.connect) == (False, 42, 15)
    generator.close()
    assert client.is_closed
