"""Faults of adapters, disks and databases: the generation ends, is retried or is swept, and records why."""

import errno
import os
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from generators.adapters.base import AdapterError, Capabilities, GeneratedImage, GenerationRequest, Outcome
from generators.images import originals
from generators.models import Generation
from generators.workers import settlement
from generators.workers.drawing import produce
from generators.workers.stale_claims import sweep
from tests.clock import Clock
from tests.fake_adapters import Script, ScriptedGenerator, paint
from tests.generations import after_every_claim, make_generation, reload, return_or_raise, status_of, stored_originals
from tests.processes import test_database_url

Status = Generation.Status


@pytest.mark.django_db
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS])
def test_a_full_or_failing_disk_never_fails_a_drawing(
    script: Script, settings: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    script(lambda request: GeneratedImage(paint(1), "image/png"))
    generation = make_generation()
    pauses = []
    with monkeypatch.context() as full:
        full.setattr("tempfile.mkstemp", fail)
        for attempt in range(1, 3 * settings.MAX_ATTEMPTS + 2):
            produce(generation.pk)
            row = reload(generation)
            assert (row.status, row.attempts, row.failures) == (Status.PENDING, attempt, 0)
            assert (row.reason, row.code, row.finished_at) == ("transient", "storage", None)
            assert os.strerror(number) in row.message
            pauses.append((row.due_at - clock.now).total_seconds())
    assert all(2**n <= pause <= 1.25 * 2**n for n, pause in enumerate(pauses[:8], start=1))
    assert max(pauses) <= 1.25 * 256
    produce(generation.pk)
    row = reload(generation)
    assert (row.status, row.code, row.message) == (Status.OK, "", "")


@pytest.mark.django_db
def test_one_generation_that_cannot_be_settled_does_not_affect_the_rest_of_its_batch(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedGenerator, "capable", Capabilities(max_batch=3, mixes_prompts=True))
    script(lambda request: GeneratedImage(paint(request.seed), "image/png"))
    first = make_generation(seed=0)
    others = [make_generation(model=first.model, prompt=first.prompt, seed=seed) for seed in (1, 2)]
    settle = settlement.settle_image

    def fail(generation: Generation, *args: Any) -> None:
        if generation.seed == 1:
            raise OperationalError("the row is locked")
        settle(generation, *args)

    monkeypatch.setattr(settlement, "settle_image", fail)
    with pytest.raises(OperationalError):
        produce(first.pk)
    assert [status_of(row) for row in (first, *others)] == [Status.OK, Status.RUNNING, Status.OK]


@pytest.mark.django_db
def test_after_a_retry_the_image_is_stored_and_the_error_cleared(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = make_generation()
    script(lambda request: GeneratedImage(paint(1), "image/png"))
    with monkeypatch.context() as full:
        full.setattr(originals, "store", lambda data: return_or_raise(OSError(errno.ENOSPC, "full")))
        produce(generation.pk)
    produce(generation.pk)
    row = reload(generation)
    assert (row.status, row.attempts, row.reason, row.message) == (Status.OK, 2, "", "")


def test_a_disk_that_fills_up_while_writing_leaves_no_partial_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        originals.store(paint(1))
    assert not stored_originals()


ENDS = [
    (AdapterError(Outcome.REFUSED, "no"), Status.REFUSED, "refused", "no"),
    (AdapterError(Outcome.RATE_LIMITED, "slow down"), Status.PENDING, "rate_limited", "slow down"),
    (AdapterError(Outcome.QUOTA, "pay first"), Status.FAILED, "quota", "pay first"),
    (AdapterError(Outcome.INVALID, "never"), Status.FAILED, "invalid", "never"),
    (AdapterError(Outcome.TRANSIENT, "hiccup"), Status.PENDING, "transient", "hiccup"),
    (AdapterError(Outcome.TIMEOUT, "too slow"), Status.PENDING, "timeout", "too slow"),
    (ValueError("a bug"), Status.FAILED, "invalid", "ValueError: a bug"),
    (MemoryError(), Status.FAILED, "invalid", "MemoryError: "),
    (RecursionError("deep"), Status.FAILED, "invalid", "RecursionError: deep"),
    (ExceptionGroup("two", [ValueError("x"), KeyError("y")]), Status.FAILED, "invalid", "ExceptionGroup: two"),
    (AdapterError(Outcome.INVALID, "long " * 1000), Status.FAILED, "invalid", "long long"),
    # Characters that PostgreSQL cannot store.
    (ValueError("nul \x00 byte"), Status.FAILED, "invalid", "ValueError: nul"),
    (AdapterError(Outcome.REFUSED, "a lone surrogate \ud83d"), Status.REFUSED, "refused", "a lone surrogate"),
    # Values of Retry-After that are not sensible.
    (AdapterError(Outcome.RATE_LIMITED, "w", retry_after=float("inf")), Status.PENDING, "rate_limited", "w"),
    (AdapterError(Outcome.RATE_LIMITED, "w", retry_after=float("nan")), Status.PENDING, "rate_limited", "w"),
    (AdapterError(Outcome.RATE_LIMITED, "w", retry_after=-5.0), Status.PENDING, "rate_limited", "w"),
    (AdapterError(Outcome.RATE_LIMITED, "w", retry_after=1e12), Status.PENDING, "rate_limited", "w"),
    # Answers that are not images.
    (None, Status.FAILED, "invalid", "The adapter's answer is not an image"),
    (GeneratedImage(b"", "image/png"), Status.FAILED, "invalid", "The adapter's answer is not a usable image"),
    (
        GeneratedImage(paint(1)[:40], "image/png"),
        Status.FAILED,
        "invalid",
        "The adapter's answer is not a usable image",
    ),
    (GeneratedImage(None, "image/png"), Status.FAILED, "invalid", "The adapter's answer is not an image"),
    (GeneratedImage(paint(1), "image/png", None), Status.FAILED, "invalid", "TypeError"),
    (GeneratedImage(paint(1), "image/png", {"a": object()}), Status.FAILED, "invalid", "TypeError"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("end", "status", "reason", "message"), ENDS, ids=[repr(end[0])[:70] for end in ENDS])
def test_no_end_of_an_adapter_call_leaves_a_claim(
    script: Script, end: Any, status: str, reason: str, message: str
) -> None:
    script(lambda request: return_or_raise(end))
    began = timezone.now()
    generation = make_generation()
    produce(generation.pk)
    row = reload(generation)
    assert (row.status, row.reason, row.attempts) == (status, reason, 1)
    assert row.message.startswith(message)
    assert len(row.message) <= 2000
    assert (row.finished_at is None) == (status == Status.PENDING)
    assert began <= row.due_at <= timezone.now() + timedelta(days=2)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("value", ["nul \x00", "lone \ud83d", float("nan")])
def test_a_report_that_postgresql_cannot_store_fails_at_once(script: Script, value: Any) -> None:
    script(lambda request: GeneratedImage(paint(1), "image/png", {"revised_prompt": value}))
    generation = make_generation()
    produce(generation.pk)
    assert (status_of(generation), reload(generation).reason) == (Status.FAILED, "invalid")
    assert reload(generation).message


@pytest.mark.django_db
@pytest.mark.parametrize("end", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_a_claim_of_a_process_that_exits_is_left_to_the_sweeper(script: Script, end: BaseException) -> None:
    script(lambda request: return_or_raise(end))
    generation = make_generation()
    with pytest.raises(type(end)):
        produce(generation.pk)
    assert (status_of(generation), reload(generation).attempts) == (Status.RUNNING, 1)
    assert sweep(after_every_claim()) == 1
    script(lambda request: GeneratedImage(paint(1), "image/png"))
    produce(generation.pk)
    assert (status_of(generation), reload(generation).attempts) == (Status.OK, 2)


@pytest.mark.django_db
@pytest.mark.parametrize("end", [OperationalError("the server closed the connection"), InterfaceError("closed")])
def test_a_failure_of_the_database_is_not_a_failure_of_the_image(script: Script, end: Exception) -> None:
    script(lambda request: return_or_raise(end))
    generation = make_generation()
    with pytest.raises(type(end)):
        produce(generation.pk)
    assert status_of(generation) == Status.RUNNING
    assert sweep(after_every_claim()) == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_drawing_that_outlasts_its_database_connection_is_stored(script: Script) -> None:
    def draw(request: GenerationRequest) -> GeneratedImage:
        with psycopg.connect(test_database_url()) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
        return GeneratedImage(paint(1), "image/png")

    script(draw)
    generation = make_generation()
    produce(generation.pk)
    assert (status_of(generation), reload(generation).attempts) == (Status.OK, 1)


@pytest.mark.django_db
def test_transient_errors_end_after_the_last_attempt(script: Script, settings: Any) -> None:
    script(lambda request: return_or_raise(AdapterError(Outcome.TIMEOUT, "too slow", retry_after=0)))
    generation = make_generation()
    for _ in range(settings.MAX_ATTEMPTS + 2):
        produce(generation.pk)
    row = reload(generation)
    assert (row.status, row.attempts, row.reason) == (Status.FAILED, settings.MAX_ATTEMPTS, "timeout")
