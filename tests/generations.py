"""Generations under test: created, reloaded and awaited."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from generators.adapters.base import GeneratedImage
from generators.generations import request_generations
from generators.models import Generation
from tests import builders
from tests.concurrency import wait_until
from tests.latch import Latch


def request_slow_generations(latch: Latch, n: int = 1) -> list[Generation]:
    """Request generations of the adapter "slow", whose drawing waits until the latch opens."""
    model = builders.make_model(adapter="slow", settings={"folder": str(latch.folder)})
    prompt = builders.make_prompt_set(1).prompts.get()
    return request_generations([(model, prompt, seed) for seed in range(n)], width=16, height=16)


def make_generation(**fields: Any) -> Generation:
    """A pending generation of the adapter "scripted". No message is sent for it."""
    defaults = {
        "model": builders.make_model(adapter="scripted"),
        "prompt": builders.make_prompt_set(1).prompts.get(),
        "width": 16,
        "height": 16,
        "due_at": timezone.now() + timedelta(minutes=1),
    }
    return Generation.objects.create(**{**defaults, **fields})


def return_or_raise(end: Any) -> GeneratedImage:
    """End a script: raise ``end`` if it is an exception, else return it."""
    if isinstance(end, BaseException):
        raise end
    return end


def reload(generation: Generation) -> Generation:
    return Generation.objects.get(pk=generation.pk)


def status_of(generation: Generation) -> str:
    return reload(generation).status


def wait_for_ok(*wanted: Generation) -> None:
    pks = [generation.pk for generation in wanted]
    wait_until(lambda: Generation.objects.ready().filter(pk__in=pks).count() == len(pks), "all generations are drawn")


def after_every_claim() -> datetime:
    """A time, to pass to ``sweep``, at which every claim made so far has expired."""
    return timezone.now() + timedelta(seconds=settings.CLAIM_SECONDS + 1)


def stored_originals() -> list[Path]:
    return list((Path(settings.MEDIA_ROOT) / "originals").glob("*/*"))
