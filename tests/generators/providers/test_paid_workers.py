"""Paid drawings with real workers, a real broker and a provider over HTTP: none is paid twice, none is lost."""

import base64
import json
import threading
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone
from pytest_httpserver import HTTPServer
from redis import Redis
from werkzeug import Request, Response

from generators.adapters.servers import find_host
from generators.generations import request_generations
from generators.models import Charge, Generation, ImageModel, Price, Provider
from generators.workers.stale_claims import sweep
from tests import builders
from tests.concurrency import wait_until
from tests.fake_adapters import paint
from tests.generations import after_every_claim, reload, status_of, stored_originals
from tests.generators.adapters.provider_servers import KEY_VARIABLE
from tests.generators.workers.pause_points import PAUSE_POINTS
from tests.latch import Latch
from tests.processes import Children, RedisServer

Status = Generation.Status
PRICE = Decimal("0.04")

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sends_to_redis"),
]


class ImagesServer:
    """OpenAI's images endpoint. It draws, counts what it bills, and fails three times in ten if ``fails``."""

    def __init__(self, server: HTTPServer, *, fails: bool = False) -> None:
        self.server, self.fails = server, fails
        self.calls: Counter[str] = Counter()  # by prompt
        self.billed = 0
        self.lock = threading.Lock()
        server.expect_request("/v1/images/generations", method="POST").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        asked = json.loads(request.data)
        with self.lock:
            self.calls[asked["prompt"]] += 1
            number = sum(self.calls.values())
            failure = self.find_failure(number) if self.fails else None
            if failure is None:
                self.billed += asked.get("n", 1)
        if failure:
            status, code, headers = failure
            body = {"error": {"message": f"failure {code}", "type": "error", "code": code, "param": None}}
            return Response(json.dumps(body), status, headers, content_type="application/json")
        images = [paint(number + i) for i in range(asked.get("n", 1))]
        body = {"created": 0, "data": [{"b64_json": base64.b64encode(image).decode()} for image in images]}
        return Response(json.dumps(body), content_type="application/json")

    @staticmethod
    def find_failure(number: int) -> tuple[int, str, dict[str, str]] | None:
        """Three of ten calls fail: a server error, a rate limit and a refusal."""
        return {
            3: (500, "server_error", {}),
            6: (429, "rate_limit_exceeded", {"retry-after": "0.1"}),
            9: (400, "moderation_blocked", {}),
        }.get(number % 10)


@pytest.fixture
def provider(httpserver: HTTPServer, settings: Any) -> ImagesServer:
    return ImagesServer(httpserver)


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> None:
    settings.PROVIDER_KEYS = {KEY_VARIABLE: "sk-test"}


def make_openai_model(provider: ImagesServer, **fields: Any) -> ImageModel:
    address = provider.server.url_for("/v1")
    settings = {"model": "gpt-image-1", "base_url": address, "key_env": KEY_VARIABLE}
    model = builders.make_model(adapter="openai", settings=settings, **fields)
    Price.objects.create(model=model, valid_from="2026-01-01", units={"image": str(PRICE)}, estimate=PRICE)
    Provider.objects.get_or_create(
        slug="openai", host=find_host(address), defaults={"requests_per_minute": 60_000, "burst": 1000}
    )
    return model


@pytest.mark.parametrize("point", PAUSE_POINTS)
def test_a_worker_killed_at_any_point_loses_no_image_and_pays_for_none_twice(
    point: str, children: Children, redis: RedisServer, latch: Latch, provider: ImagesServer
) -> None:
    paid, free = make_openai_model(provider), builders.make_model(adapter="sketch")
    prompt = builders.make_prompt_set(1).prompts.get()
    costly, cheap = request_generations([(model, prompt, 0) for model in (paid, free)], width=96, height=96)
    pause = f"{point} {latch.folder}"
    worker = children.start_worker(redis.url, concurrency=2, **{KEY_VARIABLE: "sk-test"}, PARAGONE_TEST_PAUSE=pause)
    wait_until(lambda: len(latch.arrivals()) == 2, "both drawings are paused")
    worker.kill()
    n_calls = {"received": 0, "claimed": 0, "reserved": 0, "answered": 1, "stored": 1}[point]
    assert sum(provider.calls.values()) == n_calls
    expected = Status.PENDING if point == "received" else Status.RUNNING
    assert (status_of(costly), status_of(cheap)) == (expected, expected)

    sweep(after_every_claim())
    children.start_worker(redis.url, concurrency=2, **{KEY_VARIABLE: "sk-test"})
    wait_until(lambda: status_of(cheap) == Status.OK, "the free one is drawn")
    if point in {"received", "claimed"}:
        wait_until(lambda: status_of(costly) == Status.OK, "the paid one is drawn")
        assert sum(provider.calls.values()) == 1
    else:
        row = reload(costly)
        assert (row.status, row.reason) == (Status.FAILED, "answer_lost")
        with Redis(port=redis.port) as broker:
            wait_until(lambda: broker.llen("api") == 0, "all messages are handled")
        assert sum(provider.calls.values()) == n_calls, "the call was not made again"
        charge = Charge.objects.get(generation=costly)
        assert (charge.state, charge.amount) == (Charge.State.UNKNOWN, PRICE)
    assert Charge.objects.filter(generation=costly).count() == 1
    assert not Charge.objects.filter(generation=cheap).exists()
    kept = {row.original for row in map(reload, (costly, cheap)) if row.original}
    assert kept <= {file.name for file in stored_originals()}


def test_two_workers_with_twenty_copies_of_a_message_make_one_call(
    children: Children, redis: RedisServer, provider: ImagesServer
) -> None:
    (generation,) = request_generations(
        [(make_openai_model(provider), builders.make_prompt_set(1).prompts.get(), 0)], width=96, height=96
    )
    with Redis(port=redis.port) as broker:
        (message,) = broker.lrange("api", 0, -1)
        broker.rpush("api", *[message] * 19)
        for _ in range(2):
            children.start_worker(redis.url, concurrency=2, **{KEY_VARIABLE: "sk-test"})
        wait_until(lambda: broker.llen("api") == 0, "all messages are taken")
    wait_until(lambda: status_of(generation) == Status.OK, "it is drawn")
    assert sum(provider.calls.values()) == reload(generation).attempts == 1


def test_with_three_failures_in_ten_calls_all_drawings_end_and_the_charges_are_exact(
    children: Children, redis: RedisServer, provider: ImagesServer
) -> None:
    provider.fails = True
    model = make_openai_model(provider)
    prompts = [builders.make_prompt_set(1).prompts.get() for _ in range(100)]
    for n, prompt in enumerate(prompts):
        prompt.text = f"prompt {n}"
        prompt.save()
    wanted = request_generations([(model, p, seed) for p in prompts for seed in range(2)], width=96, height=96)
    for _ in range(2):
        children.start_worker(redis.url, **{KEY_VARIABLE: "sk-test"})
    rows = Generation.objects.filter(pk__in=[generation.pk for generation in wanted])

    def all_ended() -> bool:
        # Do not wait as long as between calls to a real provider.
        if not broker.llen("api"):
            rows.filter(status=Status.PENDING).update(due_at=timezone.now())
            sweep()
        return not rows.filter(status__in=[Status.PENDING, Status.RUNNING]).exists()

    with Redis(port=redis.port) as broker:
        wait_until(all_ended, "all have ended", 600)
    ended = Counter(rows.values_list("status", flat=True))
    assert ended[Status.OK] + ended[Status.REFUSED] + ended[Status.FAILED] == 200
    assert ended[Status.OK] == provider.billed > 100
    assert ended[Status.REFUSED] > 0
    assert Charge.objects.filter(state=Charge.State.SETTLED).count() == ended[Status.OK]
    spent = Charge.objects.aggregate(amount=Sum("amount"))["amount"]
    assert spent == PRICE * provider.billed
    assert not Charge.objects.filter(state__in=[Charge.State.RESERVED, Charge.State.UNKNOWN]).exists()
