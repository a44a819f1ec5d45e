"""retry_generations: images that ended without a result are requested again."""

from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from generators.models import Charge, Generation, ImageModel, Price
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def models() -> list[ImageModel]:
    """Two models, each with two failed images, one refused image and one finished image."""
    models = [builders.make_model(slug=slug) for slug in ("first", "second")]
    prompts = list(builders.make_prompt_set(4).prompts.order_by("pk"))
    ends = [("failed", "timeout"), ("failed", "budget"), ("refused", "refused"), ("ok", "")]
    for model in models:
        for prompt, (status, reason) in zip(prompts, ends, strict=True):
            drawn = {"original": "0" * 64, "media_type": "image/png"} if status == "ok" else {}
            Generation.objects.create(
                model=model,
                prompt=prompt,
                width=8,
                height=8,
                status=status,
                reason=reason,
                failures=3,
                attempts=3,
                due_at=timezone.now(),
                finished_at=timezone.now(),
                **drawn,
            )
    return models


def pending() -> list[tuple[str, str]]:
    waiting = Generation.objects.filter(status="pending").order_by("model__slug", "reason")
    return list(waiting.values_list("model__slug", "reason"))


def test_images_with_a_reason_are_requested_again(models: list[ImageModel], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("retry_generations", reason="budget")
    assert capsys.readouterr().out == "budget: 2\n2 requested again.\n"
    assert pending() == [("first", "budget"), ("second", "budget")]
    again = Generation.objects.filter(status="pending").first()
    assert again is not None
    assert (again.failures, again.attempts, again.finished_at) == (0, 3, None)


@pytest.mark.parametrize("named", ["{0.slug}", "{0.name}", "{0.family} {0.revision}"])
def test_images_of_a_model_are_requested_again(
    models: list[ImageModel], capsys: pytest.CaptureFixture[str], named: str
) -> None:
    call_command("retry_generations", model=named.format(models[1]))
    assert capsys.readouterr().out == "budget: 1\nrefused: 1\ntimeout: 1\n3 requested again.\n"
    assert pending() == [("second", "budget"), ("second", "refused"), ("second", "timeout")]


def test_model_and_reason_can_be_combined(models: list[ImageModel]) -> None:
    call_command("retry_generations", model="first", reason="timeout")
    assert pending() == [("first", "timeout")]


def test_earlier_charges_are_printed_and_stay(models: list[ImageModel], capsys: pytest.CaptureFixture[str]) -> None:
    price = Price.objects.create(model=models[0], valid_from="2026-11-01", units={"image": "0.04"}, estimate="0.04")
    timed_out = Generation.objects.get(model=models[0], reason="timeout")
    for attempt in (1, 2):
        charge = {"price": price, "amount": price.estimate, "state": "unknown"}
        Charge.objects.create(generation=timed_out, attempt=attempt, model=models[0], **charge)
    call_command("retry_generations", reason="timeout", dry_run=True)
    assert capsys.readouterr().out.startswith("timeout: 2, $0.08 charged so far\n")
    call_command("retry_generations", reason="timeout")
    assert sum(Charge.objects.values_list("amount", flat=True)) == Decimal("0.08")


def test_a_dry_run_requests_nothing(models: list[ImageModel], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("retry_generations", model="first", dry_run=True)
    assert "This was a dry run: nothing was requested.\n" in capsys.readouterr().out
    assert pending() == []


def test_without_model_or_reason_it_lists_the_reasons_and_requests_nothing(models: list[ImageModel]) -> None:
    with pytest.raises(CommandError, match=r"--model or --reason(.|\n)*budget: 2\n  refused: 2\n  timeout: 2"):
        call_command("retry_generations")
    assert pending() == []


def test_an_unknown_model_is_refused(models: list[ImageModel]) -> None:
    with pytest.raises(CommandError, match=r"no model 'third'\. Known: first, second"):
        call_command("retry_generations", model="third")


def test_without_failed_images_nothing_is_requested(capsys: pytest.CaptureFixture[str]) -> None:
    builders.make_model(slug="fresh")
    call_command("retry_generations", model="fresh")
    assert capsys.readouterr().out == "none\n0 requested again.\n"
