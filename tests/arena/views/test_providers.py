"""Pages for operators: providers, spending, and single generations."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from arena.models import Board
from generators.adapters.base import AUTHENTICATION, AdapterError, GeneratedImage, Outcome
from generators.images import originals
from generators.models import Budget, Generation, Price, Provider
from generators.providers.circuit_breaker import note_answers
from generators.providers.servers import Server
from generators.workers.drawing import produce
from tests import builders
from tests.fake_adapters import SCRIPTED_KEY, Script, paint
from tests.generations import make_generation, return_or_raise

SECRET = SCRIPTED_KEY


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_user("operator", is_staff=True))
    return client


@pytest.fixture
def spent(script: Script, scripted_provider: None) -> Generation:
    """A paid image, a refused one, and one without a complete response."""
    model = builders.make_model(adapter="scripted", name="Paid Model", budget="5")
    Price.objects.create(model=model, valid_from="2026-01-01", units={"image": "0.25"}, estimate="0.5")
    Provider.objects.create(slug="scripted", host="scripted.example", requests_per_minute=600, burst=100)
    budget = Budget.objects.create(slug="nightly", limit="3")
    ends = [
        AdapterError(Outcome.REFUSED, "no", stage="prompt", code="moderation_blocked"),
        AdapterError(Outcome.TIMEOUT, "cut", billed=None),
        GeneratedImage(paint(7), "image/png", {"request_id": "req-1"}, {"image": 1}),
    ]
    for seed, end in enumerate(ends):
        script(lambda request, end=end: return_or_raise(end))
        generation = make_generation(model=model, seed=seed, budget=budget)
        produce(generation.pk)
    return generation


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["providers", "call_again", "generation", "original"])
@pytest.mark.parametrize("signed_in", [False, True], ids=["a visitor", "a rater with an account"])
def test_the_pages_are_for_staff_only(client: Client, board: Board, name: str, signed_in: bool) -> None:
    provider = Provider.objects.create(slug="openai", host="api.openai.com")
    pk = Generation.objects.values_list("pk", flat=True)[0]
    args = {"providers": [], "call_again": [provider.pk]}.get(name, [pk])
    if signed_in:
        client.force_login(User.objects.create_user("rater"))
    ask = client.post if name == "call_again" else client.get
    response = ask(reverse(name, args=args))
    assert response.status_code == (403 if signed_in else 302)
    assert b"Secret" not in response.content


def test_the_page_shows_spending_and_uncertain_amounts(operator: Client, spent: Generation) -> None:
    page = operator.get(reverse("providers")).content.decode()
    assert "$0.75" in page, "0.25 for the image, the estimate for the call without an end"
    assert "1 uncertain" in page
    assert "$4.25 left" in page
    assert "nightly" in page
    assert "moderation_blocked" in page
    assert "$0.25 per image" in page
    assert SECRET not in page


def test_an_open_circuit_breaker_is_shown_and_can_be_closed(operator: Client, spent: Generation) -> None:
    later = timezone.now() + timedelta(minutes=3)
    Provider.objects.filter(slug="scripted").update(
        failures=7, resume_at=later, last_error="transient: 500", failed_at=later
    )
    page = operator.get(reverse("providers")).content.decode()
    assert "Not called" in page
    assert "7 failed calls in a row" in page
    assert "transient: 500" in page
    response = operator.post(reverse("call_again", args=[Provider.objects.get().pk]), follow=True)
    assert "Not called" not in response.content.decode()
    assert Provider.objects.get(slug="scripted").resume_at is None


def test_a_provider_whose_key_the_workers_lack_says_so_and_one_that_was_never_called_says_nothing_else(
    operator: Client, settings: Any
) -> None:
    # The site has no keys: what it knows is what workers wrote down.
    settings.PROVIDER_KEYS = {}
    for host in ("api.openai.com", "images.lab"):
        builders.make_model(adapter="openai", settings={"model": "m", "base_url": f"https://{host}/v1"})
    Provider.objects.create(slug="openai", host="api.openai.com")
    note_answers(
        Server("openai", "api.openai.com"),
        [AdapterError(Outcome.INVALID, "There is no key. Set one.", code=AUTHENTICATION)],
    )
    page = operator.get(reverse("providers")).content.decode()
    assert page.count("There is no key. Set one.") == page.count("Not called</strong>") == 1
    assert page.count("Not called yet.") == page.count("images.lab") == 1


def test_the_page_takes_a_fixed_number_of_queries_for_any_number_of_models(operator: Client, spent: Generation) -> None:
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            operator.get(reverse("providers"))
        return len(queries)

    before = count()
    for _ in range(5):
        model = builders.make_model(adapter="scripted")
        Price.objects.create(model=model, valid_from="2026-01-01", units={"image": "1"}, estimate=1)
        make_generation(model=model)
        Budget.objects.create(slug=model.slug, limit=1)
    assert count() == before


def test_a_generation_page_shows_provenance_and_cost(operator: Client, spent: Generation) -> None:
    page = operator.get(reverse("generation", args=[spent.pk])).content.decode()
    assert "Paid Model" in page
    assert "req-1" in page
    assert "$0.2500" in page
    refused = Generation.objects.get(status="refused")
    assert "moderation_blocked" in operator.get(reverse("generation", args=[refused.pk])).content.decode()


def test_the_original_is_served_unchanged_and_only_as_an_image(operator: Client, spent: Generation) -> None:
    spent.refresh_from_db()
    response = operator.get(reverse("original", args=[spent.pk]))
    assert response.content == originals.read(spent.original) == paint(7)
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert operator.get(reverse("original", args=[Generation.objects.get(status="refused").pk])).status_code == 404


def test_a_missing_or_damaged_original_is_not_found(operator: Client, spent: Generation) -> None:
    spent.refresh_from_db()
    file = originals.path(spent.original)
    file.write_bytes(b"something else")
    assert operator.get(reverse("original", args=[spent.pk])).status_code == 404
    file.unlink()
    assert operator.get(reverse("original", args=[spent.pk])).status_code == 404
    assert operator.get(reverse("generation", args=[spent.pk])).status_code == 200
