"""Retention of typed prompts: those whose battles are gone, with their images, unless money was spent on them."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from arena.models import Battle, Vote
from evaluation.models import Sample
from generators.models import Charge, Generation, Prompt
from generators.pruning import BATCH, Pruned, read_days


def prune_typed_prompts(*, dry_run: bool) -> Iterator[Pruned]:
    """Delete typed prompts without a battle or a vote, and the generations of each."""
    if (keep := read_days(settings.KEEP_TYPED_PROMPTS_DAYS)) is None:
        return
    unused, last = _list_unused(timezone.now() - keep), 0
    if dry_run:
        yield Pruned(unused.count())
        return
    while pks := list(unused.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        last = pks[-1]
        with transaction.atomic():
            # A battle on the prompt cannot be opened meanwhile: its foreign key waits for this lock.
            locked = [prompt.pk for prompt in Prompt.objects.filter(pk__in=pks).select_for_update().only("pk")]
            found = list(unused.filter(pk__in=locked).values_list("pk", flat=True))
            Generation.objects.filter(prompt__in=found).delete()
            Prompt.objects.filter(pk__in=found).delete()
        yield Pruned(len(found))


def _list_unused(before: datetime) -> "QuerySet[Prompt]":
    images = Generation.objects.filter(prompt=OuterRef("pk"))
    return Prompt.objects.filter(
        # A prompt has no date of its own; its images were requested when it was typed.
        Exists(images),
        ~Exists(images.filter(created_at__gte=before)),
        ~Exists(Battle.objects.filter(prompt=OuterRef("pk"))),
        ~Exists(Vote.objects.filter(prompt=OuterRef("pk"))),
        ~Exists(Charge.objects.filter(generation__prompt=OuterRef("pk"))),
        ~Exists(Sample.objects.filter(generation__prompt=OuterRef("pk"))),
        # The sets that raters add to (arena/rater_prompts/opening.py).
        prompt_set__digest="",
        prompt_set__slug__startswith="raters-",
    )
