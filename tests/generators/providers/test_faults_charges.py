"""Faults while money is spent: full disks, unreadable sources, charges that cannot be written."""

from decimal import Decimal
from typing import Any

import pytest

from generators.adapters.base import Capabilities
from generators.images import originals
from generators.models import Charge, Generation, Provider
from generators.providers import circuit_breaker
from generators.providers.charges import reserve_charge
from generators.workers import drawing, stale_claims
from generators.workers.claims import claim_rows, give_back
from generators.workers.drawing import produce, reserve_or_end
from generators.workers.stale_claims import sweep
from tests import builders
from tests.clock import Clock
from tests.fake_adapters import Script, ScriptedGenerator
from tests.generations import after_every_claim, make_generation, reload, return_or_raise, status_of
from tests.generators.providers.test_charges import charge_of, draw_one, make_paid_model

pytestmark = pytest.mark.usefixtures("scripted_provider")

Status, State = Generation.Status, Charge.State


@pytest.mark.django_db
def test_a_full_disk_does_not_lose_a_paid_image(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    store, tries = originals.store, []

    def store_at_last(data: bytes) -> str:
        tries.append(data)
        if len(tries) < 3:
            raise OSError(28, "No space left on device")
        return store(data)

    monkeypatch.setattr(drawing, "STORE_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(originals, "store", store_at_last)
    script(draw_one(image=1))
    produce((generation := make_generation(model=make_paid_model())).pk)
    assert (status_of(generation), len(tries), len(ScriptedGenerator.calls)) == (Status.OK, 3, 1)


@pytest.mark.django_db
def test_a_paid_image_that_can_never_be_stored_is_not_paid_for_twice(
    script: Script, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(originals, "store", lambda data: return_or_raise(OSError(28, "No space left on device")))
    script(draw_one(image=1))
    produce((generation := make_generation(model=make_paid_model())).pk)
    assert 60 <= sum(clock.slept) <= 300  # within the claim
    row = reload(generation)
    assert (row.status, row.code, charge_of(generation)) == (Status.FAILED, "storage", (State.SETTLED, Decimal("0.04")))
    assert "No space left on device" in row.message
    produce(generation.pk)
    assert len(ScriptedGenerator.calls) == 1


@pytest.mark.django_db
def test_source_images_that_cannot_be_read_pause_no_provider(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = builders.make_prompt_set(1).prompts.get()
    prompt.sources = ["0" * 64]
    prompt.save()
    monkeypatch.setattr(originals, "read", lambda digest: return_or_raise(originals.StorageError("the disk is away")))
    generation = make_generation(model=make_paid_model(), prompt=prompt)
    for _ in range(circuit_breaker.BREAK_AFTER + 1):
        produce(generation.pk)
    row, provider = reload(generation), Provider.objects.get(slug="scripted")
    assert (row.status, row.failures, provider.failures, provider.answered_at) == (Status.PENDING, 0, 0, None)


@pytest.mark.django_db
def test_one_charge_that_cannot_be_reserved_does_not_affect_the_rest_of_its_batch(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedGenerator, "capable", Capabilities(max_batch=3))
    script(draw_one(image=1))
    first = make_generation(model=make_paid_model())
    others = [make_generation(model=first.model, prompt=first.prompt, seed=seed) for seed in (1, 2)]
    reserve = drawing.reserve_charge

    def fail(generation: Generation) -> Charge:
        if generation.seed == 1:
            raise ArithmeticError("a price that is not a number")
        return reserve(generation)

    monkeypatch.setattr(drawing, "reserve_charge", fail)
    produce(first.pk)
    assert [status_of(row) for row in (first, *others)] == [Status.OK, Status.FAILED, Status.OK]
    assert "a price that is not a number" in reload(others[0]).message


@pytest.mark.django_db
def test_one_charge_that_cannot_be_settled_does_not_stop_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_paid_model()
    lost = [make_generation(model=model, seed=seed, status=Status.RUNNING, attempts=1) for seed in range(3)]
    for generation in lost:
        reserve_charge(generation)
    waiting = make_generation(sent_at=None)
    settle = stale_claims.settle_charge

    def fail(generation: Generation, billed: Any) -> None:
        if generation.pk == lost[0].pk:
            raise ArithmeticError("a price that is not a number")
        settle(generation, billed)

    monkeypatch.setattr(stale_claims, "settle_charge", fail)
    now = after_every_claim()
    sweep(now)
    assert [status_of(row) for row in lost] == [Status.RUNNING, Status.FAILED, Status.FAILED]
    assert reload(lost[0]).due_at > now
    assert reload(waiting).sent_at


@pytest.mark.django_db
def test_nothing_is_charged_for_a_claim_that_was_given_back() -> None:
    paid = make_generation(model=make_paid_model())
    batch = claim_rows(Generation.objects.all())
    give_back(batch)
    assert not reserve_or_end(batch[0])
    assert not Charge.objects.exists()
    assert (status_of(paid), reload(paid).attempts) == (Status.PENDING, 0)
