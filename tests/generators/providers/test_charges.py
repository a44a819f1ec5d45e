"""Charges: reserved before a provider is called, settled after it answered, within the budget, never paid twice."""

import io
import logging
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError
from django.utils import timezone
from structlog.stdlib import ProcessorFormatter

from generators.adapters.base import (
    AdapterDeclaration,
    AdapterError,
    Capabilities,
    GeneratedImage,
    GenerationRequest,
    Outcome,
)
from generators.generations import retry_generations
from generators.images import originals
from generators.models import Budget, Charge, Generation, ImageModel, Price, Provider
from generators.providers import circuit_breaker
from generators.providers.budgets import spent_from, spent_on
from generators.providers.charges import reserve_charge
from generators.workers.drawing import produce
from generators.workers.stale_claims import sweep
from tests import builders
from tests.concurrency import run_at_once
from tests.fake_adapters import Script, ScriptedGenerator, paint
from tests.generations import after_every_claim, make_generation, reload, return_or_raise, status_of

Status = Generation.Status
State = Charge.State


pytestmark = pytest.mark.usefixtures("scripted_provider")


def make_paid_model(units: dict[str, str] | None = None, estimate: str = "0.10", **fields: Any) -> ImageModel:
    Provider.objects.get_or_create(
        slug="scripted", host="scripted.example", defaults={"requests_per_minute": 60_000, "burst": 1000}
    )
    model = builders.make_model(adapter="scripted", **fields)
    Price.objects.create(
        model=model, valid_from="2026-01-01", units={"image": "0.04"} if units is None else units, estimate=estimate
    )
    return model


def draw_one(**billed: float) -> Any:
    return lambda request: GeneratedImage(paint(request.seed), "image/png", {}, billed)


def charge_of(generation: Generation) -> tuple[str, Decimal]:
    charge = Charge.objects.get(generation=generation)
    return charge.state, charge.amount


@pytest.mark.django_db
def test_an_image_costs_the_billed_units_at_the_price_of_the_day(script: Script) -> None:
    model = make_paid_model({"input_token": "0.000005", "output_token": "0.00004"}, "0.30")
    generation = make_generation(model=model)
    seen: list[Any] = []

    def draw(request: GenerationRequest) -> GeneratedImage:
        seen.append(charge_of(generation))
        return GeneratedImage(paint(1), "image/png", {}, {"image": 1, "input_token": 13, "output_token": 4160})

    script(draw)
    produce(generation.pk)
    assert seen == [(State.RESERVED, Decimal("0.30"))]
    assert status_of(generation) == Status.OK
    assert charge_of(generation) == (State.SETTLED, Decimal("0.166465"))
    assert spent_on(model) == Decimal("0.166465")


@pytest.mark.django_db
def test_the_latest_price_that_is_valid_today_is_charged(script: Script) -> None:
    model = make_paid_model({"image": "0.04"})
    today = timezone.now().date()
    Price.objects.create(model=model, valid_from=today, units={"image": "0.03"}, estimate="0.03")
    tomorrow = today + timezone.timedelta(days=1)
    Price.objects.create(model=model, valid_from=tomorrow, units={"image": "9"}, estimate="9")
    script(draw_one(image=1))
    produce((generation := make_generation(model=model)).pk)
    assert charge_of(generation) == (State.SETTLED, Decimal("0.03"))


@pytest.mark.django_db
def test_local_models_cost_nothing(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedGenerator, "declaration", AdapterDeclaration())
    script(draw_one())
    produce((generation := make_generation()).pk)
    assert status_of(generation) == Status.OK
    assert not Charge.objects.exists()


@pytest.mark.django_db
def test_a_model_without_a_price_is_not_called(script: Script) -> None:
    script(draw_one(image=1))
    produce((generation := make_generation()).pk)
    row = reload(generation)
    assert (row.status, row.reason, row.code) == (Status.FAILED, "invalid", "no_price")
    assert "no price for today" in row.message
    assert not ScriptedGenerator.calls


ENDS = [
    # (what came back, status, state of the charge, amount)
    (AdapterError(Outcome.REFUSED, "no", stage="prompt"), Status.REFUSED, State.RELEASED, "0"),
    (AdapterError(Outcome.REFUSED, "no", stage="image", billed={"image": 1}), Status.REFUSED, State.SETTLED, "0.04"),
    (AdapterError(Outcome.INVALID, "never"), Status.FAILED, State.RELEASED, "0"),
    (AdapterError(Outcome.QUOTA, "pay first"), Status.FAILED, State.RELEASED, "0"),
    (AdapterError(Outcome.TRANSIENT, "a plain 500"), Status.PENDING, State.RELEASED, "0"),
    (AdapterError(Outcome.RATE_LIMITED, "slow down"), Status.PENDING, State.RELEASED, "0"),
    # The request was sent and no complete answer came back: it may have been billed, so it is not repeated.
    (AdapterError(Outcome.TIMEOUT, "no answer", billed=None), Status.FAILED, State.UNKNOWN, "0.10"),
    (AdapterError(Outcome.TRANSIENT, "cut off", billed=None), Status.FAILED, State.UNKNOWN, "0.10"),
    # The image exists, but its URL is dead.
    (AdapterError(Outcome.TRANSIENT, "gone", billed={"image": 1}), Status.FAILED, State.SETTLED, "0.04"),
    (ValueError("a bug"), Status.FAILED, State.UNKNOWN, "0.10"),
    (GeneratedImage(b"<html>", "image/png", {}, {"image": 1}), Status.FAILED, State.SETTLED, "0.04"),
    (GeneratedImage(paint(1), "image/png", {"a": object()}, {"image": 1}), Status.FAILED, State.SETTLED, "0.04"),
    # The billed units have no price: the estimate stands, marked as unknown.
    (GeneratedImage(paint(1), "image/png", {}, {"furlong": 3}), Status.OK, State.UNKNOWN, "0.10"),
    (GeneratedImage(paint(1), "image/png"), Status.OK, State.UNKNOWN, "0.10"),
    # A refusal that bills units without a price.
    (AdapterError(Outcome.REFUSED, "no", billed={"input_token": 9}), Status.REFUSED, State.SETTLED, "0"),
    (None, Status.FAILED, State.UNKNOWN, "0.10"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("end", "status", "state", "amount"), ENDS, ids=[repr(end[0])[:70] for end in ENDS])
def test_every_end_of_a_paid_call_is_charged_correctly(
    script: Script, end: Any, status: str, state: str, amount: str
) -> None:
    script(lambda request: return_or_raise(end))
    produce((generation := make_generation(model=make_paid_model())).pk)
    assert (status_of(generation), *charge_of(generation)) == (status, state, Decimal(amount))
    can_be_paid_again = isinstance(end, AdapterError) and end.outcome.can_be_retried and status == Status.FAILED
    assert ("retry_generations" in reload(generation).message) == can_be_paid_again


@pytest.mark.django_db
def test_a_budget_is_never_exceeded_and_the_error_says_what_to_do(script: Script) -> None:
    model = make_paid_model(estimate="0.04", budget="0.10")
    script(draw_one(image=1))
    drawn = [make_generation(model=model, seed=seed) for seed in range(4)]
    for generation in drawn:
        produce(generation.pk)
    assert [status_of(generation) for generation in drawn] == [Status.OK, Status.OK, Status.FAILED, Status.FAILED]
    stopped = reload(drawn[2])
    assert stopped.reason == "budget"
    assert stopped.message == (
        f"The budget of model {model.slug} is $0.10; $0.08 is spent or reserved, and the call may cost $0.04."
        " Raise the budget, then run paragone retry_generations."
    )
    assert len(ScriptedGenerator.calls) == 2
    assert spent_on(model) == Decimal("0.08")

    ImageModel.objects.filter(pk=model.pk).update(budget="0.12")
    assert retry_generations(Generation.objects.filter(reason="budget")) == 2
    for generation in drawn[2:]:
        produce(generation.pk)
    assert [status_of(generation) for generation in drawn[2:]] == [Status.OK, Status.FAILED]


@pytest.mark.django_db
def test_a_run_has_its_own_budget(script: Script) -> None:
    model, budget = make_paid_model(estimate="0.04"), Budget.objects.create(slug="nightly", limit="0.05")
    script(draw_one(image=1))
    first, second, other = (
        make_generation(model=model, seed=seed, budget=whose) for seed, whose in enumerate((budget, budget, None))
    )
    for generation in (first, second, other):
        produce(generation.pk)
    assert [status_of(g) for g in (first, second, other)] == [Status.OK, Status.FAILED, Status.OK]
    assert "budget of run nightly" in reload(second).message
    assert spent_from(budget) == Decimal("0.04")


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_do_not_exceed_a_budget(script: Script) -> None:
    model = make_paid_model(estimate="0.04", budget="0.20")
    script(draw_one(image=1))
    wanted = [make_generation(model=model, seed=seed) for seed in range(12)]
    run_at_once([partial(produce, generation.pk) for generation in wanted])
    assert sorted(status_of(generation) for generation in wanted) == [Status.FAILED] * 7 + [Status.OK] * 5
    assert spent_on(model) == Decimal("0.20")


@pytest.mark.django_db
def test_variants_of_one_prompt_are_one_call_and_each_has_its_charge(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedGenerator, "capable", Capabilities(max_batch=3))
    model, prompt = make_paid_model(), builders.make_prompt_set(1).prompts.get()
    wanted = [make_generation(model=model, prompt=prompt, seed=seed) for seed in range(5)]
    other = make_generation(model=model)
    script(draw_one(image=1))
    for generation in (*wanted, other):
        produce(generation.pk)
    assert [[request.seed for request in call] for call in ScriptedGenerator.calls] == [[0, 1, 2], [3, 4], [0]]
    assert {status_of(generation) for generation in wanted} == {Status.OK}
    assert spent_on(model) == Decimal("0.24")


@pytest.mark.django_db
def test_rows_that_exceed_the_budget_are_not_drawn_with_the_batch(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedGenerator, "capable", Capabilities(max_batch=4))
    model, prompt = make_paid_model(estimate="0.04", budget="0.09"), builders.make_prompt_set(1).prompts.get()
    wanted = [make_generation(model=model, prompt=prompt, seed=seed) for seed in range(4)]
    script(draw_one(image=1))
    produce(wanted[0].pk)
    assert [len(call) for call in ScriptedGenerator.calls] == [2]
    assert [status_of(generation) for generation in wanted] == [Status.OK, Status.OK, Status.FAILED, Status.FAILED]


@pytest.mark.django_db
def test_a_call_whose_worker_was_lost_is_not_repeated_automatically(script: Script) -> None:
    script(lambda request: return_or_raise(SystemExit(1)))
    generation = make_generation(model=make_paid_model())
    with pytest.raises(SystemExit):
        produce(generation.pk)
    assert charge_of(generation) == (State.RESERVED, Decimal("0.10"))
    assert sweep(after_every_claim()) == 0
    row = reload(generation)
    assert (row.status, row.reason) == (Status.FAILED, "answer_lost")
    assert "may have been drawn and billed" in row.message
    assert charge_of(generation) == (State.UNKNOWN, Decimal("0.10"))

    # The operator decides to pay again.
    assert retry_generations(Generation.objects.filter(pk=generation.pk)) == 1
    script(draw_one(image=1))
    produce(generation.pk)
    assert status_of(generation) == Status.OK
    charges = Charge.objects.filter(generation=generation).order_by("attempt")
    assert [(charge.state, charge.amount) for charge in charges] == [
        (State.UNKNOWN, Decimal("0.10")),
        (State.SETTLED, Decimal("0.04")),
    ]


@pytest.mark.django_db
def test_a_paid_answer_after_the_claim_expired_is_kept(script: Script) -> None:
    generation = make_generation(model=make_paid_model())

    def draw_late(request: GenerationRequest) -> GeneratedImage:
        sweep(after_every_claim())
        assert reload(generation).reason == "answer_lost"
        return GeneratedImage(paint(1), "image/png", {}, {"image": 1})

    script(draw_late)
    produce(generation.pk)
    row = reload(generation)
    assert (row.status, row.reason, row.message) == (Status.OK, "", "")
    assert charge_of(generation) == (State.SETTLED, Decimal("0.04"))


@pytest.mark.django_db(transaction=True)
def test_the_database_forbids_a_second_paid_call() -> None:
    generation = make_generation(model=make_paid_model(), attempts=1)
    reserve_charge(generation)
    generation.attempts = 2
    with pytest.raises(IntegrityError, match=r"one_paid_call_at_a_time|charge\.generation_id"):
        reserve_charge(generation)


@pytest.mark.django_db
def test_messages_of_a_provider_are_stored_and_logged_without_its_key(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    (handler,) = [h for h in logging.getLogger().handlers if isinstance(h.formatter, ProcessorFormatter)]
    monkeypatch.setattr(handler, "stream", written)
    script(lambda request: return_or_raise(AdapterError(Outcome.INVALID, "Incorrect key: sk-very-secret.")))
    produce((generation := make_generation(model=make_paid_model())).pk)
    assert reload(generation).message == "Incorrect key: [key]."
    script(lambda request: return_or_raise(ValueError("header sk-very-secret")))
    produce((other := make_generation(model=make_paid_model())).pk)
    assert "sk-very-secret" not in reload(other).message
    assert "ValueError: header [key]" in written.getvalue()
    assert "sk-very-secret" not in written.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accident", "status", "says"),
    [
        (FileNotFoundError("gone"), Status.FAILED, "is gone or damaged"),
        (originals.CorruptOriginalError("damaged"), Status.FAILED, "is gone or damaged"),
        (originals.StorageError("the bucket is unreachable"), Status.PENDING, "cannot be read now"),
        (RuntimeError("a bug of ours"), Status.FAILED, "a bug of ours"),
    ],
    ids=["gone", "damaged", "bucket unreachable", "bug"],
)
def test_an_error_before_the_call_costs_nothing(
    script: Script, monkeypatch: pytest.MonkeyPatch, accident: Exception, status: str, says: str
) -> None:
    prompt = builders.make_prompt_set(1).prompts.get()
    prompt.sources = ["0" * 64]
    prompt.save()
    monkeypatch.setattr(originals, "read", lambda digest: return_or_raise(accident))
    produce((generation := make_generation(model=make_paid_model(), prompt=prompt)).pk)
    assert (status_of(generation), *charge_of(generation)) == (status, State.RELEASED, Decimal(0))
    assert says in reload(generation).message
    assert not ScriptedGenerator.calls


@pytest.mark.django_db
def test_an_image_is_stored_before_the_state_of_its_provider(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(slug: str, answers: Any) -> None:
        raise OperationalError("the database failed")

    monkeypatch.setattr(circuit_breaker, "note_answers", fail)
    script(draw_one(image=1))
    generation = make_generation(model=make_paid_model())
    with pytest.raises(OperationalError):
        produce(generation.pk)
    assert (status_of(generation), *charge_of(generation)) == (Status.OK, State.SETTLED, Decimal("0.04"))
